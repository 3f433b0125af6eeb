"""scripts/image/sbom.py lists what is in an image."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = Path(sysconfig.get_path("purelib"))
# Answers the script's calls of docker from a folder that has the image's files.
DOCKER = """#!/bin/sh
case "$1 $2" in
    "create broken") echo "no such image: $2" >&2; exit 1 ;;
    create*) echo container ;;
    cp*) tar -C {image} -cf - lib ;;
    run*) printf 'libc6\\t2.41-12+deb13u1\\tamd64\\nlogin\\t1:4.16.0-2\\tamd64\\n' ;;
    inspect*) echo '{{"org.opencontainers.image.revision": "abc123"}}' ;;
esac
"""


@pytest.fixture
def bill(tmp_path: Path):
    """Return the script's result for an image with the packages click and msgspec."""
    site = tmp_path / "image" / "lib" / "python3" / "site-packages"
    for name in ("click", "msgspec"):
        (found,) = PACKAGES.glob(f"{name}-*.dist-info")
        shutil.copytree(found, site / found.name)
    docker = tmp_path / "docker"
    docker.write_text(DOCKER.format(image=tmp_path / "image"))
    docker.chmod(0o755)

    def run(image: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, ROOT / "scripts/image/sbom.py", image, tmp_path / "out" / "sbom.json"]
        environment = {**os.environ, "DOCKER": str(docker)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


def test_the_bill_lists_python_and_debian_packages_of_the_image(bill, tmp_path: Path) -> None:
    """Each package has its version, Python packages have licences, and the image itself has its revision."""
    done = bill("customer-risk:1")
    assert done.returncode == 0, done.stderr
    assert "2 Python packages, 2 Debian packages" in done.stdout
    written = json.loads((tmp_path / "out" / "sbom.json").read_text())
    assert written["bomFormat"] == "CycloneDX"
    assert written["metadata"]["component"] | {"bom-ref": ""} == {
        "type": "container",
        "name": "customer-risk:1",
        "version": "abc123",
        "bom-ref": "",
    }
    components = {each["name"]: each for each in written["components"]}
    assert set(components) == {"click", "msgspec", "libc6", "login"}
    assert components["click"]["licenses"][0]["license"]["id"] == "BSD-3-Clause"
    assert components["libc6"]["purl"] == "pkg:deb/debian/libc6@2.41-12%2Bdeb13u1?arch=amd64"
    assert components["login"]["version"] == "1:4.16.0-2"


def test_an_image_that_docker_refuses_ends_the_script_with_dockers_message(bill, tmp_path: Path) -> None:
    """If Docker refuses the image, the script ends with Docker's message and writes nothing."""
    done = bill("broken")
    assert done.returncode == 1
    assert "no such image: broken" in done.stderr
    assert not (tmp_path / "out").exists()
