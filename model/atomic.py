"""Writes files and folders completely or not at all: under a temporary name, synced, then renamed."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def write_file(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write `content` to `path`, replacing a file there; after a crash, `path` is the old file or the new one.

    `mode` is subject to the umask. Raises OSError if the folder can't be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.partial")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:  # noqa: PTH123  takes a descriptor
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


@contextmanager
def new_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield an empty folder to fill; it becomes `path` at the end of the block, or is removed after an error.

    `path` may be absent or an empty folder. Raises OSError if it isn't empty at the end of the block, because another
    writer was first. With `replace`, an old folder at `path` is removed after the new one is in its place.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.partial")
    temporary.mkdir()
    try:
        yield temporary
        sync_tree(temporary)
        _put_in_place(temporary, path, replace=replace)
        sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _put_in_place(temporary: Path, path: Path, *, replace: bool) -> None:
    aside = temporary.with_suffix(".old")
    if replace and path.exists():
        path.rename(aside)
    try:
        temporary.rename(path)  # onto an empty folder too; never onto one with content
    except OSError:
        if aside.exists():
            aside.rename(path)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def sync_tree(folder: Path) -> None:
    """Write every file and folder under `folder` to the disk (fsync)."""
    for path in folder.rglob("*"):
        _sync(path)
    _sync(folder)


def sync_folder(folder: Path) -> None:
    """Write the folder's list of names to the disk (fsync), so that a rename in it survives a power cut."""
    _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
