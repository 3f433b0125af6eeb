#!/usr/bin/env python3
"""Prints the size of an image and of its largest parts: scripts/image/report.py IMAGE [--json].

"Unpacked" is the size of the files; "compressed" is the size of all layers in a registry, with those of the base image.
Sizes are in MB of 10^6 bytes, as in Docker. It needs only Python and a docker command (the variable DOCKER).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

MB = 1e6
CHUNK = 1 << 20
_PACKAGE = re.compile(r".*/(?:site|dist)-packages/([^/]+)(?:/.*)?")
_BINARY = re.compile(r"^_?([a-z0-9_]+?)(?:\.(?:cpython|abi3).*|\.libs|-[0-9].*)$")


def part_of(path: str) -> str:
    """Return the part that a file belongs to: a Python package with its libraries, or a folder of the base."""
    found = _PACKAGE.match(path)
    if found is None:
        return "/" + "/".join(path.removeprefix("./").split("/")[:2])
    name = found[1]
    binary = _BINARY.match(name)
    return binary[1] if binary else name


def layer(path: Path) -> tuple[int, dict[str, int]]:
    """Return a layer's compressed size and its files' sizes by path."""
    with tarfile.open(path) as files:
        sizes = {each.name: each.size for each in files if each.isreg()}
    with path.open("rb") as file:
        if file.read(2) == b"\x1f\x8b":  # the engine stores this layer compressed
            return path.stat().st_size, sizes
        file.seek(0)
        packer, size = zlib.compressobj(6, wbits=31), 0
        while chunk := file.read(CHUNK):
            size += len(packer.compress(chunk))
    return size + len(packer.flush()), sizes


def report(image: str, docker: str) -> dict[str, Any]:
    """Return the sizes of an image in the engine."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "image.tar")
        subprocess.run([docker, "save", "--output", archive, image], check=True)  # noqa: S603
        with tarfile.open(archive) as saved:
            saved.extractall(folder, filter="data")
        archive.unlink()
        names = json.loads(Path(folder, "manifest.json").read_text())[0]["Layers"]
        with ThreadPoolExecutor() as pool:
            layers = list(pool.map(layer, [Path(folder, name) for name in names]))
    parts: Counter[str] = Counter()
    copies: Counter[str] = Counter()
    for _, sizes in layers:
        copies.update(sizes.keys())
        for path, size in sizes.items():
            parts[part_of(path)] += size
    return {
        "image": image,
        "unpacked_mb": round(parts.total() / MB, 1),
        "compressed_mb": round(sum(size for size, _ in layers) / MB, 1),
        "layers_compressed_mb": [round(size / MB, 1) for size, _ in layers],
        "in_several_layers": [path for path, count in copies.items() if count > 1],
        "largest_mb": {name: round(size / MB, 1) for name, size in parts.most_common(10)},
    }


def main() -> None:
    """Print the sizes of an image."""
    arguments = [each for each in sys.argv[1:] if each != "--json"]
    if len(arguments) != 1:
        sys.exit(__doc__)
    found = report(arguments[0], os.environ.get("DOCKER", "docker"))
    if "--json" in sys.argv:
        print(json.dumps(found))  # noqa: T201
        return
    each = " + ".join(f"{size:.1f}" for size in found["layers_compressed_mb"])
    print(f"{found['image']}: {found['unpacked_mb']} MB unpacked, {found['compressed_mb']} MB compressed ({each})")  # noqa: T201
    for name, size in found["largest_mb"].items():
        print(f"{size:8.1f} MB  {name}")  # noqa: T201


if __name__ == "__main__":
    main()
