"""Where a registry's bytes live: the interface, and the folder that stands for a bucket."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from typing import TYPE_CHECKING, Final, Protocol

from customer_risk.model.atomic import new_folder, write_file
from customer_risk.model.errors import RegistryError
from customer_risk.model.files import copy_file, read_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DOCUMENT: Final = "aliases.json"
MANIFEST: Final = "manifest.json"
BUCKETS: Final = "gs://"  # what a bucket's address begins with
_ABSENT: Final = ""
_OF_VOLUMES: Final = "lost+found"  # mounted volumes have it; like hidden files, it is no part of a bundle


class Store(Protocol):
    """What a registry asks of a place: a document replaced by compare-and-swap, and bundles that never change.

    A folder here, a bucket in `customer_risk.model.registry.bucket`.
    """

    where: str

    def read(self) -> tuple[bytes | None, str]:
        """Return the document (None where none was written yet) and a tag that changes whenever it does."""

    def swap(self, tag: str, content: bytes) -> bool:
        """Replace the document if it still has `tag`; say whether it did."""

    def versions(self) -> list[str]:
        """Return the name of every bundle held, sorted."""

    def keep(self, bundle: Path, verify: Callable[[Path], object]) -> str:
        """Take in a copy of `bundle` that `verify` passes; return its version. A second time changes nothing."""

    def fetch(self, version: str) -> Path:
        """Return a local folder with the bundle `version`."""

    def download(self, version: str, into: Path) -> None:
        """Copy the files of the bundle `version` into a folder, unverified; RegistryError where it isn't held."""


def copy_of(bundle: Path, into: Path) -> str:
    """Copy a bundle's files to a new folder; return its version. RegistryError without a manifest, or if it changes."""
    try:
        version = hashlib.sha256(read_file(bundle / MANIFEST)).hexdigest()
        _copy(bundle, into)
        after = hashlib.sha256(read_file(into / MANIFEST)).hexdigest()
    except OSError as error:
        raise RegistryError(
            f"{bundle} can't be read: {error}.", remedy="Give the folder `bundle` of a training run."
        ) from error
    if after != version:
        raise RegistryError(f"{bundle} changed while it was read.", remedy="Add it again once nothing writes it.")
    return version


def _copy(folder: Path, into: Path) -> None:
    """Copy the content of a bundle's files to a folder, with the permissions of new files."""
    into.mkdir(exist_ok=True)
    for path in folder.iterdir():
        if path.name.startswith(".") or path.name == _OF_VOLUMES:
            continue
        (_copy if path.is_dir() else copy_file)(path, into / path.name)


class FolderStore:
    """A folder: `aliases.json`, `bundles/<sha256>/`, and `.lock`, which the system frees when its holder dies.

    Nothing here reads a clock or keeps state, so any number of processes may share the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.where = str(folder / DOCUMENT)
        self._folder = folder
        self._bundles = folder / "bundles"

    def read(self) -> tuple[bytes | None, str]:
        """Return the document and its sha256."""
        try:
            content = read_file(self._folder / DOCUMENT)
        except FileNotFoundError:
            return None, _ABSENT
        except OSError as error:
            raise RegistryError(f"{self.where} can't be read: {error}.", remedy="Make the folder readable.") from error
        return content, hashlib.sha256(content).hexdigest()

    def swap(self, tag: str, content: bytes) -> bool:
        """Replace the document under the lock, whole, if its sha256 is still `tag`."""
        try:
            with self._locked():
                if self.read()[1] != tag:
                    return False
                write_file(self._folder / DOCUMENT, content)
        except OSError as error:
            raise RegistryError(
                f"{self.where} can't be written: {error}.", remedy="Make the folder writable."
            ) from error
        return True

    def versions(self) -> list[str]:
        """Return the name of every bundle held, sorted, without unfinished copies, whose names begin with a dot."""
        if not self._bundles.is_dir():
            return []
        return sorted(path.name for path in self._bundles.iterdir() if path.is_dir() and not path.name.startswith("."))

    def keep(self, bundle: Path, verify: Callable[[Path], object]) -> str:
        """Copy, verify the copy (the source may change meanwhile), make its files read-only, rename it to its hash."""
        try:
            content = read_file(bundle / MANIFEST)
        except OSError as error:
            raise RegistryError(
                f"{bundle} holds no readable manifest.json.",
                remedy="Give the folder `bundle` of a training run.",
            ) from error
        version = hashlib.sha256(content).hexdigest()
        place = self._bundles / version
        if place.is_dir():
            verify(place)
            return version
        try:
            with new_folder(place) as copy:
                _copy(bundle, copy)
                verify(copy)
                if hashlib.sha256(read_file(copy / MANIFEST)).hexdigest() != version:
                    raise RegistryError(
                        f"{bundle} changed while it was read.", remedy="Add it again once nothing writes it."
                    )
                for path in copy.rglob("*"):
                    if path.is_file():
                        path.chmod(0o444)
        except OSError as error:
            if not place.is_dir():  # otherwise another process kept the same bundle first, which is as good
                raise RegistryError(
                    f"{bundle} can't be kept in {self._bundles}: {error}.",
                    remedy="Make the folder writable and see that its disk has room.",
                ) from error
        return version

    def fetch(self, version: str) -> Path:
        """Return the bundle's own folder."""
        return self._bundles / version

    def download(self, version: str, into: Path) -> None:
        """Copy the bundle's files."""
        place = self.fetch(version)
        if not (place / MANIFEST).is_file():
            raise RegistryError(
                f"{self._bundles} holds no bundle {version}.",
                remedy="`customer-risk registry list` shows those held; `registry add` puts one in.",
            )
        try:
            for path in (each for each in place.rglob("*") if each.is_file()):
                target = into / path.relative_to(place)
                target.parent.mkdir(parents=True, exist_ok=True)
                copy_file(path, target)
        except OSError as error:
            raise RegistryError(
                f"{place} can't be copied: {error}.", remedy="Make it readable, and see that there is room."
            ) from error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
