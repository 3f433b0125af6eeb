"""Disks that fail, for tests that fill or break one."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


def mounted(folder: Path, *options: str) -> None:
    """Mount a file system over a folder; skip the test if this process isn't allowed to."""
    done = subprocess.run(["mount", *options, folder], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting takes root: {done.stderr}")


@contextlib.contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """Fill the disk to its last byte."""
    filler = folder.parent / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    yield
    filler.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 4 MB with 400 inodes."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted(place, "-t", "tmpfs", "-o", "size=4m,nr_inodes=400", "none")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)
