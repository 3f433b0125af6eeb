"""Chains of manifests: what was written, in order, so that nothing can be changed or removed unseen.

Each shipper has a chain, `manifest/<shipper>/<n>.json`: a manifest names one segment with its hash, and the hash of
the manifest before it. All erasures have one chain, `erasures/<n>.json`: each says which segments it
replaced, and by which. An object is created only if its key is free, so of two erasures at the same time one has to
follow the other. Older erasures, from before the chain, are in `erasures/<id>.json`; the chain's first erasure names
them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import msgspec

from customer_risk.serving.record.sinks.parallel_reads import fetch

if TYPE_CHECKING:
    from customer_risk.serving.record.sinks.objects import Objects

SEGMENTS: Final = "dt="
MANIFESTS: Final = "manifest/"
ERASURES: Final = "erasures/"
_SEGMENT: Final = r"^dt=\d{4}-\d\d-\d\d/hour=\d\d/\w+-\d+-\d+-[0-9a-f]{16}\.(parquet|ndjson\.gz)$"
_CHAINED: Final = re.compile(rf"{ERASURES}(\d{{8,}})\.json")
SegmentKey = Annotated[str, msgspec.Meta(pattern=_SEGMENT)]
encode: Final = msgspec.json.Encoder(order="sorted").encode


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A chain's end: the number of the next manifest, and the hash of the last; none before the first."""

    n: int = 0
    previous: str = ""

    @classmethod
    def read(cls, place: bytes) -> Link:
        """Read what `encode` wrote; raises ValueError for anything else."""
        try:
            return msgspec.json.decode(place, type=cls)
        except msgspec.MsgspecError as error:
            raise ValueError(f"not a chain's end: {error}") from error


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a segment.

    n, previous        its place in the chain, from 0, and the hash of the manifest before; none before the first
    key, sha256, size  of the segment, in bytes
    records            that it holds
    first_at, last_at  RFC 3339, of its first and its last record
    proof              hash of its records that erasures don't change (`proof.prove`); empty in older manifests
    """

    n: int
    previous: str
    key: SegmentKey
    sha256: str
    size: int = msgspec.field(name="bytes")
    records: int
    first_at: str
    last_at: str
    proof: str = ""

    @classmethod
    def read(cls, data: bytes) -> Manifest | None:
        """Read what `encode` wrote, None where it is anything else."""
        try:
            return msgspec.json.decode(data, type=cls)
        except msgspec.MsgspecError:
            return None


class Replaced(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A segment that held a person's data, deleted, and the one without it that stands in its place."""

    old_key: SegmentKey
    old_sha256: str
    new_key: SegmentKey
    new_sha256: str


class Erasure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was erased.

    id, at       of the erasure; RFC 3339
    by, why      who did it, and what for
    legal_basis  of keeping what is left: that there was a decision, when, which and by what model
    customer     SHA-256 of the id, as the record had it
    replaced     the segments
    waiting      segments that hold the person's data and that no manifest named yet: they need another erasure
    n, previous  its place in the chain, from 0, and the hash of the erasure before; n is -1 in older erasures, from
                 before the chain
    earlier      SHA-256 of each older erasure, by its key; only in the chain's first erasure
    """

    id: str
    at: str
    by: str
    why: str
    legal_basis: str
    customer: str
    replaced: tuple[Replaced, ...]
    waiting: tuple[str, ...] = ()
    n: int = -1
    previous: str = ""
    earlier: dict[str, str] = {}

    @classmethod
    def read(cls, data: bytes) -> Erasure | None:
        """Read what `encode` wrote, None where it is anything else."""
        try:
            return msgspec.json.decode(data, type=cls)
        except msgspec.MsgspecError:
            return None


def digest(data: bytes) -> str:
    """Hash an object's bytes, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def stem(segment: str) -> str:
    """Return a segment's key without the hash of its bytes: a segment and its replacements have the same stem."""
    return segment.rpartition("-")[0]


def manifest_key(shipper: str, n: int) -> str:
    """Return a manifest's key."""
    return f"{MANIFESTS}{shipper}/{n:08d}.json"


def erasure_key(n: int) -> str:
    """Return the key of an erasure in the chain."""
    return f"{ERASURES}{n:08d}.json"


def number_of(key: str) -> int | None:
    """Return the number of an erasure in the chain by its key, or None for any other key."""
    parts = _CHAINED.fullmatch(key)
    return None if parts is None else int(parts[1])


def end_of(objects: Objects, shipper: str) -> Link:
    """Find a chain's end by doubling and halving: a long chain costs some forty reads, not one listing of it all."""
    return _end(objects, lambda n: manifest_key(shipper, n))


def end_of_erasures(objects: Objects) -> Link:
    """Return the end of the chain of erasures."""
    return _end(objects, erasure_key)


def manifests(objects: Objects) -> Iterator[tuple[str, Manifest | None, bytes]]:
    """Yield each manifest's key, what it says (None where that is no manifest) and its bytes, chain by chain."""
    for key, data in fetch(objects, objects.list(MANIFESTS)):
        yield key, Manifest.read(data or b""), data or b""


class StoredErasure(NamedTuple):
    """An object under `erasures/`: its key, the erasure (None if it isn't a valid one), and its bytes."""

    key: str
    erasure: Erasure | None
    data: bytes


def erasures(objects: Objects) -> list[StoredErasure]:
    """Return all erasures in order: the older ones from before the chain, then those in the chain."""
    found = [
        StoredErasure(key, Erasure.read(data or b""), data or b"")
        for key, data in fetch(objects, objects.list(ERASURES))
    ]
    return sorted(found, key=lambda each: -1 if (n := number_of(each.key)) is None else n)


def in_force(stored: Iterable[StoredErasure]) -> list[tuple[str, Erasure]]:
    """Return the valid erasures with their keys: those in the chain, and older ones that its first erasure names.

    Without a chain, all older erasures are valid.
    """
    found = list(stored)
    first = next((each.erasure for each in found if number_of(each.key) == 0), None)
    return [
        (each.key, each.erasure)
        for each in found
        if each.erasure is not None
        and (number_of(each.key) is not None or first is None or first.earlier.get(each.key) == digest(each.data))
    ]


def standing(objects: Objects) -> list[str]:
    """Return the keys of all segments, in order, those left out in whose place others stand."""
    gone = {each.old_key for _, erasure in in_force(erasures(objects)) for each in erasure.replaced}
    return [key for key in objects.list(SEGMENTS) if key not in gone]


def _end(objects: Objects, key: Callable[[int], str]) -> Link:
    last, data = -1, b""
    step = 1
    while (found := objects.get(key(last + step))) is not None:
        last, data, step = last + step, found, step * 2
    while step > 1:
        step //= 2
        if (found := objects.get(key(last + step))) is not None:
            last, data = last + step, found
    return Link(last + 1, digest(data)) if data else Link()
