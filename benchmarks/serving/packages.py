"""Installs programs that a measurement or a system test needs, from the packages of the distribution."""

from __future__ import annotations

import os
import shutil
import subprocess


class ProgramMissing(Exception):
    """A program is missing and couldn't be installed; the message says what to do."""


def ensure(program: str, package: str | None = None) -> str:
    """Return the path of `program`, and install its Debian `package` (by default of the same name) if needed.

    Raises ProgramMissing without apt-get, without the right to use it, or if the package doesn't exist.
    """
    found = shutil.which(program)
    if found:
        return found
    package = package or program
    apt, say = (
        shutil.which("apt-get"),
        f"{program} isn't installed: install the package {package} (apt-get install {package})",
    )
    if apt is None:
        raise ProgramMissing(f"{say}; this machine has no apt-get.")
    if os.geteuid() != 0:
        raise ProgramMissing(f"{say}; that needs root.")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    outcome = None
    # Images often lack the lists of packages: fetch them if the first attempt fails.
    for arguments in (["install"], ["update"], ["install"]):
        extra = ["--yes", "--no-install-recommends", package] if arguments == ["install"] else []
        outcome = subprocess.run(  # noqa: S603  our own words
            [apt, *arguments, "-qq", *extra], env=environment, capture_output=True, text=True, check=False
        )
        if found := shutil.which(program):
            return found
    last = (outcome.stderr.strip().splitlines() or ["no reason given"])[-1] if outcome else "not tried"
    raise ProgramMissing(f"{say}; apt-get failed: {last}")
