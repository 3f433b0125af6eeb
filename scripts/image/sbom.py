#!/usr/bin/env python3
"""Writes what is in an image as CycloneDX JSON: scripts/image/sbom.py IMAGE OUT.

Python packages by CycloneDX's own tool from the metadata that the image holds, in an environment of its own
(requirements/sbom.txt); the base's Debian packages as dpkg lists them there. The image is not started for the first.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DOCKER = os.environ.get("DOCKER", "docker")
ENVIRONMENT = ROOT / ".venv-sbom"
LOCK = ROOT / "requirements" / "sbom.txt"
UV = ROOT / ".venv" / "bin" / "uv"


def run(*command: str | Path) -> str:
    """Run a command and give what it printed; its complaint ends this one."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own commands
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr}")
    return done.stdout


def environment(folder: Path) -> Path:
    """Make a virtual environment that is empty; gives where its packages go."""
    run(UV, "venv", "--quiet", "--clear", "--python", ROOT / ".venv/bin/python", folder)
    (packages,) = folder.glob("lib/python3*/site-packages")
    return packages


def tool() -> Path:
    """Give CycloneDX's program, installed from its lock where it is absent."""
    stamp = ENVIRONMENT / ".installed"
    if not stamp.exists() or stamp.read_bytes() != LOCK.read_bytes():
        environment(ENVIRONMENT)
        run(UV, "pip", "sync", "--quiet", "--python", ENVIRONMENT / "bin/python", "--require-hashes", LOCK)
        stamp.write_bytes(LOCK.read_bytes())
    return ENVIRONMENT / "bin" / "cyclonedx-py"


def python_packages(image: str, folder: Path) -> dict[str, Any]:
    """Give the bill of the image's Python packages, from their metadata alone."""
    packages = environment(folder / "environment")
    container = run(DOCKER, "create", image).strip()
    try:
        inside = f"{container}:/opt/customer-risk/lib"
        with (
            subprocess.Popen([DOCKER, "cp", inside, "-"], stdout=subprocess.PIPE) as copying,  # noqa: S603  as above
            tarfile.open(fileobj=copying.stdout, mode="r|") as files,
        ):
            for each in files:
                if each.isreg() and ".dist-info/" in each.name and "/licenses/" not in each.name:
                    path = packages / each.name.partition("/site-packages/")[2]
                    path.parent.mkdir(parents=True, exist_ok=True)
                    content = files.extractfile(each)
                    path.write_bytes(content.read() if content else b"")
    finally:
        run(DOCKER, "rm", container)
    out = folder / "python.json"
    run(tool(), "environment", folder / "environment", "--output-reproducible", "--output-file", out)
    bill: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return bill


def debian_packages(image: str) -> list[dict[str, Any]]:
    """List the base's packages."""
    wanted = "--showformat=${Package}\\t${Version}\\t${Architecture}\\n"
    listed = run(DOCKER, "run", "--rm", "--network", "none", "--entrypoint", "dpkg-query", image, "--show", wanted)
    rows = [line.split("\t") for line in listed.splitlines()]
    return [
        {
            "type": "library",
            "bom-ref": f"deb-{name}",
            "name": name,
            "version": version,
            "purl": f"pkg:deb/debian/{name}@{version.replace('+', '%2B').replace(':', '%3A')}?arch={architecture}",
        }
        for name, version, architecture in rows
    ]


def main() -> None:
    """Write the bill."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    image, out = sys.argv[1], Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        bill = python_packages(image, Path(folder))
    labels = json.loads(run(DOCKER, "inspect", "--format", "{{json .Config.Labels}}", image))
    revision = labels["org.opencontainers.image.revision"]
    bill["metadata"]["component"] = {"type": "container", "name": image, "version": revision, "bom-ref": "image"}
    packages = len(bill["components"])
    bill["components"] += debian_packages(image)
    bill["dependencies"] = [each for each in bill.get("dependencies", []) if each["ref"] != "root-component"]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(bill, indent=1), encoding="utf-8")
    print(f"{out}: {packages} Python packages, {len(bill['components']) - packages} of Debian's")  # noqa: T201  what it is for


if __name__ == "__main__":
    main()
