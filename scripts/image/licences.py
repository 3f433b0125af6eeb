#!/usr/bin/env python3
"""Writes docs/licences.md: what the image's lock brings and under which licence, as each package says of itself.

Run it with .venv/bin/python after the lock changed; a test holds the page to the lock.
"""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements" / "image.txt"
PAGE = ROOT / "docs" / "licences.md"
HEAD = """# Licences of what is in the image

Written by `.venv/bin/python scripts/image/licences.py` from the packages' own metadata; a test holds it to
`requirements/image.txt`. The bill of materials of an image that was built (`scripts/image/build sbom`) lists the base's
Debian packages too; their licences are under `/usr/share/doc/*/copyright` of the base.

Libraries within packages have licences of their own: LLVM in llvmlite (Apache-2.0 WITH LLVM-exception), OpenBLAS
(BSD-3-Clause) with libgfortran (GPL-3.0 WITH GCC-exception-3.1) and libquadmath (LGPL-2.1) in numpy, libuv (MIT) in
uvloop, OpenSSL (Apache-2.0) in cryptography, BoringSSL in grpcio. Nothing under MPL or LGPL is changed here: symbols
for debuggers and files that nothing reads are taken out (`scripts/image/trim`), of orjson and numpy's libraries none.

| package | version | licence |
|---|---|---|
"""
# Not installed with every Python that this may run with.
ELSEWHERE = {"async-timeout": "Apache-2.0"}


def locked() -> list[tuple[str, str]]:
    """List the lock's packages with their versions; one may have two, for two Pythons."""
    return re.findall(r"^([a-z0-9-]+)==([^\s;]+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE)


def licence(name: str) -> str:
    """Say a package's licence in one line: its expression, else its classifiers, else the first line that it wrote."""
    if name in ELSEWHERE:
        return ELSEWHERE[name]
    said = metadata.metadata(name)
    if expression := said.get("License-Expression"):
        return str(expression)
    classifiers = [each for each in said.get_all("Classifier") or [] if each.startswith("License ::")]
    named = [each.rpartition(" :: ")[2] for each in classifiers if not each.endswith("OSI Approved")]
    written = (said.get("License") or "").strip().splitlines()
    return ", ".join(named) or (written[0] if written else "")


def page() -> str:
    """Give the whole page."""
    rows = (f"| {name} | {version} | {licence(name)} |" for name, version in locked())
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
