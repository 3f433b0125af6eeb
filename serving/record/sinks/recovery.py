"""Finds out which of an outbox's records a sink has, when the shipper's progress is lost."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol, runtime_checkable

from customer_risk.serving.record.sinks.batch import RecordBatch
from customer_risk.serving.record.sinks.manifest import (
    MANIFESTS,
    SEGMENTS,
    Manifest,
    encode,
    end_of,
    manifest_key,
    manifests,
)
from customer_risk.serving.record.sinks.objects import Objects, fetch

_SEGMENT: Final = re.compile(rf"{SEGMENTS}[\d-]+/hour=\d\d/(\w+)-(\d+)-(\d+)-[0-9a-f]+\.[\w.]+")
_MANIFEST: Final = re.compile(rf"{MANIFESTS}(\w+)/(\d+)\.json")
_MORE: Final = 1000  # manifests of other files that may be between those of the outbox's files


class Run(NamedTuple):
    """Consecutive records of an outbox file."""

    source: str
    first: int
    last: int


@dataclass(frozen=True)
class KeptFile:
    """A file in the outbox; `read()` yields its records in batches, with their numbers, in order."""

    source: str
    read: Callable[[], Iterator[tuple[Sequence[int], RecordBatch]]]


@dataclass(frozen=True)
class Recovered:
    """Which of an outbox's records a sink has.

    cursors   number of the last record that the sink has, by file
    begun     records that were written, but that no manifest names yet: they must be written again, at `place`
    place     place of the next write; empty if the sink makes a new one
    shipper   identity of the shipper that wrote the records; empty if unknown
    """

    cursors: Mapping[str, int] = field(default_factory=dict)
    begun: Run | None = None
    place: bytes = b""
    shipper: str = ""


@runtime_checkable
class Recoverable(Protocol):
    """A sink that can find out which records it has."""

    def recover(self, files: Iterable[KeptFile]) -> Recovered:
        """Return which records of an outbox's files the sink has; raises SinkUnavailable."""


def recover(objects: Objects, files: Iterable[KeptFile], shipper: str) -> Recovered:
    """Return which of an outbox's segments are stored, by their keys, and the chain of manifests that names them.

    `shipper` is the identity in the outbox. If it has no chain, the last manifests of all chains are read: the chain
    whose last manifest names a segment of the outbox is the outbox's. If the latest manifests of that chain don't name
    the last segment of each file, all manifests of all chains are read. Raises SinkUnavailable.
    """
    runs = {run for file in files for run in _stored(objects, file)}
    if not runs:
        return Recovered()
    tops = {run.source: run for run in sorted(runs)}
    end = end_of(objects, shipper)
    if not end.n and (found := _chain(objects, tops)):
        shipper = found
        end = end_of(objects, shipper)
    unnamed = _unnamed(objects, shipper, end.n, runs) & set(tops.values())
    if unnamed:  # verification would always report a second manifest of a segment
        unnamed = _unnamed_by_all(objects, unnamed)
    begun = unnamed.pop() if len(unnamed) == 1 else None  # a shipper writes one segment at a time
    cursors = {source: top.last for source, top in tops.items()}
    if begun is not None:
        cursors[begun.source] = begun.first - 1
    return Recovered(cursors, begun, encode(end), shipper)


def _stored(objects: Objects, file: KeptFile) -> Iterator[Run]:
    """Yield the stored runs of a file; a segment is found by the hour of its first record."""
    hours = {time[:13] for _, records in file.read() for time in records.times}
    for hour in sorted(hours):
        for key in objects.list(f"{SEGMENTS}{hour[:10]}/hour={hour[11:]}/{file.source}-"):
            if (run := _run(key)) is not None:
                yield run


def _run(key: str) -> Run | None:
    parts = _SEGMENT.fullmatch(key)
    return None if parts is None else Run(parts[1], int(parts[2]), int(parts[3]))


def _chain(objects: Objects, sources: Mapping[str, Run]) -> str:
    """Return the shipper whose last manifest names a segment of one of the files, or an empty string."""
    ends: dict[str, int] = {}
    for key in objects.list(MANIFESTS):
        if (parts := _MANIFEST.fullmatch(key)) is not None:
            ends[parts[1]] = max(int(parts[2]), ends.get(parts[1], 0))
    lasts = (manifest_key(shipper, n) for shipper, n in ends.items())
    for key, data in fetch(objects, lasts):
        run = _named(data)
        if run is not None and run.source in sources:
            return key.split("/")[1]
    return ""


def _unnamed(objects: Objects, shipper: str, end: int, runs: set[Run]) -> set[Run]:
    """Return the runs that no manifest of a chain names; its latest manifests are read, backwards."""
    left = set(runs)
    earliest = max(0, end - 2 * len(runs) - _MORE)
    for _, data in fetch(objects, (manifest_key(shipper, n) for n in range(end - 1, earliest - 1, -1))):
        if (run := _named(data)) is not None:
            left.discard(run)
        if not left:
            break
    return left


def _unnamed_by_all(objects: Objects, runs: set[Run]) -> set[Run]:
    """Return the runs that no manifest of any chain names; all manifests are read, until each run is found."""
    left = set(runs)
    for _, _, data in manifests(objects):
        if not left:
            break
        if (run := _named(data)) is not None:
            left.discard(run)
    return left


def _named(data: bytes | None) -> Run | None:
    manifest = Manifest.read(data or b"")
    return None if manifest is None else _run(manifest.key)
