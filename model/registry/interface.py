"""The storage of a registry: the interface, and its implementation in a folder."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from typing import TYPE_CHECKING, Final, Protocol

from typing_extensions import override

from customer_risk.model.atomic import new_folder, write_file
from customer_risk.model.errors import RegistryError
from customer_risk.model.files import copy_file, read_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DOCUMENT: Final = "aliases.json"
MANIFEST: Final = "manifest.json"
BUCKETS: Final = "gs://"  # the beginning of a bucket's address
_ABSENT: Final = ""
_OF_VOLUMES: Final = "lost+found"  # mounted volumes have it; like hidden files, it isn't part of a bundle


class Store(Protocol):
    """Stores a document that is replaced by compare-and-swap, and bundles that never change.

    The implementations are FolderStore, and BucketStore in `customer_risk.model.registry.bucket`.
    """

    where: str

    def read(self) -> tuple[bytes | None, str]:
        """Return the document (None if it doesn't exist) and a tag that changes with the document."""

    def swap(self, tag: str, content: bytes) -> bool:
        """Replace the document if it still has `tag`; return whether it was replaced."""

    def versions(self) -> list[str]:
        """Return the versions of all bundles, sorted."""

    def keep(self, bundle: Path, verify: Callable[[Path], object]) -> str:
        """Store a copy of `bundle` that `verify` accepts; return its version. A second call changes nothing."""

    def fetch(self, version: str) -> Path:
        """Return a local folder with the bundle `version`."""

    def download(self, version: str, into: Path) -> None:
        """Copy the files of a bundle to a folder without verifying them; RegistryError for an unknown version."""


def copy_of(bundle: Path, into: Path) -> str:
    """Copy a bundle's files to a folder; return its version. RegistryError if the manifest is missing or changes."""
    try:
        version = hashlib.sha256(read_file(bundle / MANIFEST)).hexdigest()
        _copy(bundle, into)
        after = hashlib.sha256(read_file(into / MANIFEST)).hexdigest()
    except OSError as error:
        raise RegistryError(
            f"{bundle} can't be read: {error}.", remedy="Give the folder `bundle` of a training run."
        ) from error
    if after != version:
        raise RegistryError(f"{bundle} changed while it was read.", remedy="Add it again when no process writes to it.")
    return version


def _copy(folder: Path, into: Path) -> None:
    """Copy a bundle's files to a folder, with the permissions of new files."""
    into.mkdir(exist_ok=True)
    for path in folder.iterdir():
        if path.name.startswith(".") or path.name == _OF_VOLUMES:
            continue
        (_copy if path.is_dir() else copy_file)(path, into / path.name)


class FolderStore(Store):
    """A folder with `aliases.json`, `bundles/<sha256>/`, and `.lock`, which is released when its process ends.

    There is no other state, so any number of processes may share the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.where = str(folder / DOCUMENT)
        self._folder = folder
        self._bundles = folder / "bundles"

    @override
    def read(self) -> tuple[bytes | None, str]:
        try:
            content = read_file(self._folder / DOCUMENT)
        except FileNotFoundError:
            return None, _ABSENT
        except OSError as error:
            raise RegistryError(f"{self.where} can't be read: {error}.", remedy="Make the folder readable.") from error
        return content, hashlib.sha256(content).hexdigest()

    @override
    def swap(self, tag: str, content: bytes) -> bool:
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

    @override
    def versions(self) -> list[str]:  # names of unfinished copies begin with a dot
        if not self._bundles.is_dir():
            return []
        return sorted(path.name for path in self._bundles.iterdir() if path.is_dir() and not path.name.startswith("."))

    @override
    def keep(self, bundle: Path, verify: Callable[[Path], object]) -> str:  # verifies the copy: the source may change
        try:
            content = read_file(bundle / MANIFEST)
        except OSError as error:
            raise RegistryError(
                f"{bundle} has no readable manifest.json.", remedy="Give the folder `bundle` of a training run."
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
                        f"{bundle} changed while it was read.", remedy="Add it again when no process writes to it."
                    )
                for path in copy.rglob("*"):
                    if path.is_file():
                        path.chmod(0o444)
        except OSError as error:
            if not place.is_dir():  # otherwise another process stored the same bundle meanwhile
                raise RegistryError(
                    f"{bundle} can't be kept in {self._bundles}: {error}.",
                    remedy="Make the folder writable, and check that its disk has space.",
                ) from error
        return version

    @override
    def fetch(self, version: str) -> Path:
        return self._bundles / version

    @override
    def download(self, version: str, into: Path) -> None:
        place = self.fetch(version)
        if not (place / MANIFEST).is_file():
            raise RegistryError(
                f"{self._bundles} has no bundle {version}.",
                remedy="`customer-risk registry list` shows the bundles, `customer-risk registry add` adds one.",
            )
        try:
            for path in (each for each in place.rglob("*") if each.is_file()):
                target = into / path.relative_to(place)
                target.parent.mkdir(parents=True, exist_ok=True)
                copy_file(path, target)
        except OSError as error:
            raise RegistryError(
                f"{place} can't be copied: {error}.", remedy="Make it readable, and check that the disk has space."
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
