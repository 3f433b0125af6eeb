"""Debian's packages of Prometheus for tests."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from k8s.local_monitoring.programs import PACKAGES, ProgramMissing, find

FOLDER = Path(__file__).parent.parent.parent / "build" / "debian"


def ensure(program: str) -> str:
    """Return the path of a program; unpack its Debian package into a folder on the PATH if it is missing.

    An install would start the package's service at once, on every interface; an unpacked package starts nothing.
    Fails the test if the package can't be downloaded.
    """
    path = os.environ["PATH"]
    if str(FOLDER / "usr/bin") not in path.split(os.pathsep):
        os.environ["PATH"] = f"{path}{os.pathsep}{FOLDER / 'usr/bin'}"
    try:
        return find(program)
    except ProgramMissing as missing:
        try:
            unpack(PACKAGES[program], FOLDER)
        except (OSError, subprocess.CalledProcessError) as error:
            said = getattr(error, "stderr", "") or error
            pytest.fail(f"{missing}. Its package can't be downloaded here: {said}")
        return find(program)


def unpack(package: str, folder: Path) -> None:
    """Download a package and unpack it into a folder, which other processes may do at the same time."""
    with tempfile.TemporaryDirectory() as beside:
        download = ["apt-get", "download", "--quiet", "--quiet", package]
        if subprocess.run(download, cwd=beside, check=False, capture_output=True).returncode:
            # Images often lack the lists of packages.
            subprocess.run(["apt-get", "update", "--quiet", "--quiet"], check=True, capture_output=True, text=True)
            subprocess.run(download, cwd=beside, check=True, capture_output=True, text=True)
        (archive,) = Path(beside).glob("*.deb")
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["dpkg-deb", "--extract", archive, folder], check=True, capture_output=True, text=True)
