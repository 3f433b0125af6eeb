#!/usr/bin/env python3
"""Writes the SBOM of an image as CycloneDX JSON: scripts/image/sbom.py IMAGE OUT.

CycloneDX's own program lists the Python packages, from metadata that is copied out of the image. dpkg lists the Debian
packages; it runs in the image.
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
BIN = ROOT / ".venv" / "bin"


def run(*command: str | Path) -> str:
    """Return what a command prints. If it fails, end with its error message."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own commands
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr}")
    return done.stdout


def python_packages(image: str, folder: Path) -> dict[str, Any]:
    """Return the bill of materials of the image's Python packages. The image isn't started."""
    environment = folder / "environment"
    run(BIN / "uv", "venv", "--quiet", "--python", BIN / "python", environment)
    (packages,) = environment.glob("lib/python3*/site-packages")
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
    run(BIN / "cyclonedx-py", "environment", environment, "--output-reproducible", "--output-file", out)
    bill: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return bill


def debian_packages(image: str) -> list[dict[str, Any]]:
    """Return the Debian packages of the image."""
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
    """Write the bill of materials."""
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
    print(f"{out}: {packages} Python packages, {len(bill['components']) - packages} Debian packages")  # noqa: T201  the command's result


if __name__ == "__main__":
    main()
