#!/usr/bin/env python3
"""Writes docs/licences.md: the packages of the image's lock with their licences, from CycloneDX's bill of materials."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements" / "image.txt"
PAGE = ROOT / "docs" / "licences.md"
HEAD = """# Licences of what is in the image

The project is under [Apache-2.0](../LICENSE). `scripts/image/licences.py` writes this page: the packages are those of
`requirements/image.txt`, the licences those that CycloneDX reads from the packages' metadata. The bill of materials of
a built image (`scripts/image/build sbom`) also lists the Debian packages of the base image. Their licences are in
`/usr/share/doc/*/copyright` of the image.

Some packages contain libraries with licences of their own:

| package | library | licence |
|---|---|---|
| llvmlite | LLVM | Apache-2.0 WITH LLVM-exception |
| numpy | OpenBLAS | BSD-3-Clause |
| numpy | libgfortran | GPL-3.0 WITH GCC-exception-3.1 |
| numpy | libquadmath | LGPL-2.1 |
| uvloop | libuv | MIT |
| cryptography | OpenSSL | Apache-2.0 |
| grpcio | BoringSSL | Apache-2.0 and others |

Code under MPL or LGPL is not changed. `scripts/image/trim` removes debug symbols and files that nothing reads from some
packages; it removes no symbols from orjson or from numpy's libraries.

## Packages

| package | version | licence |
|---|---|---|
"""
# CycloneDX finds no licence: the package isn't installed with every Python, or states its licence only as free text.
UNKNOWN = {"async-timeout": "Apache-2.0", "google-cloud-bigquery": "Apache-2.0", "protobuf": "BSD-3-Clause"}


def page() -> str:
    """Return the page."""
    bill = subprocess.run(  # noqa: S603  our own command
        [ROOT / ".venv/bin/cyclonedx-py", "environment", "--no-validate", ROOT / ".venv"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    licences = {
        re.sub(r"[-_.]+", "-", each["name"]).lower(): _licence(each.get("licenses", []))
        for each in json.loads(bill)["components"]
    }
    # A package can have two versions, for two Pythons.
    locked = re.findall(r"^([a-z0-9-]+)==([^\s;]+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    rows = (f"| {name} | {version} | {licences.get(name) or UNKNOWN[name]} |\n" for name, version in locked)
    return HEAD + "".join(rows)


def _licence(licences: list[dict[str, Any]]) -> str:
    """Return the SPDX expression or ids; the classifiers' names if both are missing."""
    found = [each.get("expression") or each["license"].get("id") for each in licences]
    names = [each["license"]["name"].rpartition(" :: ")[2] for each in licences if "name" in each.get("license", {})]
    return ", ".join(filter(None, found)) or ", ".join(names)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
