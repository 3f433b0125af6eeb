"""Objects as files in a folder."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from customer_risk.model.errors import ConfigError
from customer_risk.model.files import read_file
from customer_risk.serving.record.sinks.interface import SinkUnavailable
from customer_risk.serving.record.sinks.settings import SINKS

_UNFINISHED: Final = ".unfinished"  # folder of incomplete files
_ABANDONED_SECONDS: Final = 3600


class LocalObjects:
    """Objects as files in `folder`; once `create` has returned, they survive a crash of the machine.

    Messages name the setting `setting`.
    """

    def __init__(self, folder: Path, setting: str = SINKS) -> None:
        self._folder = folder
        self._setting = setting

    def check(self) -> None:
        """Raise ConfigError if files can't be written here, or hard links can't be made."""
        key = f".check-{uuid.uuid4().hex}"
        try:
            self.create(key, b"")
            self.delete(key)
            self._sweep()
        except SinkUnavailable as error:
            raise ConfigError(
                f"{self._setting}: the folder {self._folder} can't be used: {error.problem}",
                remedy="Name a folder that can be written, on a file system with hard links.",
            ) from error

    def get(self, key: str) -> bytes | None:
        """Return a file's bytes, or None if it is missing."""
        with _reaching(self._folder):
            try:
                return read_file(self._path(key))
            except FileNotFoundError:
                return None

    def create(self, key: str, data: bytes) -> bool:
        """Write a temporary file and link it to its name; return False if the name exists."""
        path, unfinished = self._path(key), self._folder / _UNFINISHED / uuid.uuid4().hex
        with _reaching(self._folder):
            if path.exists():
                return False
            _make(unfinished.parent)
            _make(path.parent)
            try:
                with unfinished.open("xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                try:
                    os.link(unfinished, path)
                except FileExistsError:
                    return False
            finally:
                unfinished.unlink(missing_ok=True)
            _keep_names(path.parent)
        return True

    def list(self, prefix: str) -> Iterator[str]:
        """Return the keys of all files except unfinished ones, in order."""
        start = self._path(prefix.rpartition("/")[0])
        with _reaching(self._folder):
            found = [
                (Path(folder) / name).relative_to(self._folder).as_posix()
                for folder, _, names in os.walk(start, onerror=_unless_absent)
                for name in names
            ]
        yield from sorted(key for key in found if key.startswith(prefix) and not key.startswith("."))

    def delete(self, key: str) -> None:
        """Delete a file, if it exists."""
        path = self._path(key)
        with _reaching(self._folder), contextlib.suppress(FileNotFoundError):
            path.unlink()
            _keep_names(path.parent)

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _path(self, key: str) -> Path:
        if key.startswith("/") or ".." in key.split("/"):  # keys are read from manifests, which may be forged
            raise ValueError(f"not a key: {key!r}")
        return self._folder / key

    def _sweep(self) -> None:
        """Remove unfinished files of killed processes; they aren't listed, so an erasure would miss their records."""
        for path in (self._folder / _UNFINISHED).iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                    path.unlink()


@contextlib.contextmanager
def _reaching(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SinkUnavailable(
            f"The folder {folder} fails: {error}.", remedy="The write is repeated; check the disk and the permissions."
        ) from error


def _make(folder: Path) -> None:
    """Make a folder and its parents, and sync them so that they survive a crash of the machine."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(exist_ok=True)
        _keep_names(folder.parent)


def _keep_names(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _unless_absent(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
