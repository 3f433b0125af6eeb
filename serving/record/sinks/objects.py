"""Objects that are written once: files of a folder, or of a bucket; and the sink that writes segments to them."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from customer_risk.model.errors import ConfigError
from customer_risk.serving.record.sinks.interface import RecordRefused, Segment, SinkUnavailable
from customer_risk.serving.record.sinks.manifest import Link, Manifest, digest, encode, end_of, manifest_key
from customer_risk.serving.record.sinks.settings import SINKS

_ASIDE: Final = ".unfinished"  # where files are until they are whole
_ABANDONED_SECONDS: Final = 3600


class Objects(Protocol):
    """A store of objects by key, none of which is ever overwritten; all raise SinkUnavailable, in bounded time."""

    def check(self) -> None:
        """Raise ConfigError where this can't work."""

    def get(self, key: str) -> bytes | None:
        """Return an object, None where there is none."""

    def create(self, key: str, data: bytes) -> bool:
        """Write an object, whole or not at all; False, and nothing written, where there is one."""

    def list(self, prefix: str) -> Iterator[str]:
        """Return the keys that begin with `prefix`, in order."""

    def delete(self, key: str) -> None:
        """Delete an object, if there is one."""

    def close(self) -> None:
        """Close the connections."""


class LocalObjects:
    """Objects as files of `folder`, which outlive the machine's sudden end once `create` has returned.

    Messages name `setting`.
    """

    def __init__(self, folder: Path, setting: str = SINKS) -> None:
        self._folder = folder
        self._setting = setting

    def check(self) -> None:
        """Raise ConfigError where files can't be written here, or not linked to their place."""
        key = f".check-{uuid.uuid4().hex}"
        try:
            self.create(key, b"")
            self.delete(key)
            self._sweep()
        except SinkUnavailable as error:
            raise ConfigError(
                f"{self._setting}: the folder {self._folder} can't be used: {error.problem}",
                remedy="Name a folder to write, on a file system with hard links.",
            ) from error

    def get(self, key: str) -> bytes | None:
        """Return a file's bytes, None where there is none."""
        with _reaching(self._folder):
            try:
                return self._path(key).read_bytes()
            except FileNotFoundError:
                return None

    def create(self, key: str, data: bytes) -> bool:
        """Write a file aside and link it to its place, which fails where there is one."""
        path, aside = self._path(key), self._folder / _ASIDE / uuid.uuid4().hex
        with _reaching(self._folder):
            if path.exists():
                return False
            _make(aside.parent)
            _make(path.parent)
            try:
                with aside.open("xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                try:
                    os.link(aside, path)
                except FileExistsError:
                    return False
            finally:
                aside.unlink(missing_ok=True)
            _keep_names(path.parent)
        return True

    def list(self, prefix: str) -> Iterator[str]:
        """Return the files' keys, in order; those of unfinished files left out."""
        start = self._path(prefix.rpartition("/")[0])
        with _reaching(self._folder):
            found = [
                (Path(folder) / name).relative_to(self._folder).as_posix()
                for folder, _, names in os.walk(start, onerror=_unless_absent)
                for name in names
            ]
        yield from sorted(key for key in found if key.startswith(prefix) and not key.startswith("."))

    def delete(self, key: str) -> None:
        """Delete a file, if there is one."""
        path = self._path(key)
        with _reaching(self._folder), contextlib.suppress(FileNotFoundError):
            path.unlink()
            _keep_names(path.parent)

    def close(self) -> None:
        """Nothing is held open."""

    def _path(self, key: str) -> Path:
        if key.startswith("/") or ".." in key.split("/"):  # keys are read from manifests, which may be forged
            raise ValueError(f"not a key: {key!r}")
        return self._folder / key

    def _sweep(self) -> None:
        """Remove what killed processes left unfinished: nobody else would ever find the records in it."""
        for path in (self._folder / _ASIDE).iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                    path.unlink()


class ObjectSink:
    """Writes each segment as an object, then the manifest that names it, each of them once.

    `encode` must give the same bytes for the same documents, and raise ValueError for those that it can't write;
    `shipper` is whose chain of manifests it is: one shipper writes at a time. The place is the chain's end.
    """

    def __init__(
        self,
        name: str,
        objects: Objects,
        encode: Callable[[Sequence[dict[str, Any]]], bytes],
        suffix: str,
        shipper: str,
    ) -> None:
        self.name = name
        self._objects = objects
        self._encode = encode
        self._suffix = suffix
        self._shipper = shipper
        self._place = b""

    def check(self) -> None:
        """Raise ConfigError where objects can't be written."""
        self._objects.check()

    def place(self) -> bytes:
        """Return the chain's end: the number of the next manifest and the hash of the last."""
        if not self._place:
            self._place = encode(end_of(self._objects, self._shipper))
        return self._place

    def write(self, segment: Segment, place: bytes) -> bytes:
        """Write a segment, then its manifest; return the chain's end after it. Raises RecordRefused, SinkUnavailable.

        A manifest that exists ends it: its segment was written before, and may have been erased since.
        """
        if not segment.documents:
            return place
        link, stem = Link.read(place), _stem(segment)
        kept = self._objects.get(manifest_key(self._shipper, link.n))
        if kept is None:
            data = self._bytes(segment)
            key = f"{stem}{digest(data)[:16]}{self._suffix}"
            self._once(key, data)
            kept = encode(
                Manifest(
                    n=link.n,
                    previous=link.previous,
                    key=key,
                    sha256=digest(data),
                    size=len(data),
                    records=len(segment.documents),
                    first_at=segment.documents[0]["recorded_at"],
                    last_at=segment.documents[-1]["recorded_at"],
                )
            )
            self._once(manifest_key(self._shipper, link.n), kept)
        else:
            self._recognize(kept, link, stem)
        self._place = encode(Link(link.n + 1, digest(kept)))
        return self._place

    def close(self) -> None:
        """Close the connections."""
        self._objects.close()

    def _bytes(self, segment: Segment) -> bytes:
        try:
            return self._encode(segment.documents)
        except ValueError:
            refused = {}
            for number, document in zip(segment.numbers, segment.documents, strict=True):
                try:
                    self._encode([document])
                except ValueError as error:
                    refused[number] = str(error)
            if not refused:
                raise
            raise RecordRefused(refused) from None

    def _once(self, key: str, data: bytes) -> None:
        """Write an object; one that is there already must be the same."""
        if not self._objects.create(key, data) and self._objects.get(key) != data:
            raise _forked(key)

    def _recognize(self, kept: bytes, link: Link, stem: str) -> None:
        manifest = Manifest.read(kept)
        if manifest is None or manifest.previous != link.previous or not manifest.key.startswith(stem):
            raise _forked(manifest_key(self._shipper, link.n))


def _stem(segment: Segment) -> str:
    """Return a segment's key up to the hash of its bytes; by the hour of its first record, UTC."""
    at = segment.documents[0]["recorded_at"]
    return f"dt={at[:10]}/hour={at[11:13]}/{segment.source}-{segment.first}-{segment.last}-"


def _forked(key: str) -> SinkUnavailable:
    return SinkUnavailable(
        f"{key} holds something else than was to be written: it was altered, or two shippers share one identity.",
        remedy="Verify the record; nothing is overwritten.",
    )


@contextlib.contextmanager
def _reaching(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SinkUnavailable(
            f"The folder {folder} fails: {error}.", remedy="It is tried again; see to its disk and its rights."
        ) from error


def _make(folder: Path) -> None:
    """Make a folder with its parents, so that they too outlive the machine's sudden end."""
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
