"""Chains of manifests, which reveal changed and removed segments.

Each shipper has a chain, `manifest/<shipper>/<n>.json`: a manifest names one segment with its hash, and the hash of
the manifest before it. All erasures have one chain, `erasures/<n>.json`: each says which segments it
replaced, and by which. An object is created only if its key is free, so of two erasures at the same time one has to
follow the other. Older erasures, from before the chain, are in `erasures/<id>.json`. The chain's first erasure names
them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple, Self

import msgspec

from customer_risk.serving.record.sinks.objects import fetch

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
    """A chain's end: the number of the next manifest, and the hash of the last one; empty before the first."""

    n: int = 0
    previous: str = ""

    @classmethod
    def read(cls, place: bytes) -> Link:
        """Return the link that `encode` wrote; raises ValueError for other bytes."""
        try:
            return msgspec.json.decode(place, type=cls)
        except msgspec.MsgspecError as error:
            raise ValueError(f"not a chain's end: {error}") from error


class Readable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of stored JSON objects that may have been altered."""

    @classmethod
    def read(cls, data: bytes) -> Self | None:
        """Return the object that `encode` wrote, or None for other bytes."""
        try:
            return msgspec.json.decode(data, type=cls)
        except msgspec.MsgspecError:
            return None


class Manifest(Readable, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The description of a segment.

    n, previous        its number in the chain, from 0, and the hash of the manifest before; empty in the first
    key, sha256, size  of the segment, in bytes
    records            number of its records
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


class Replaced(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A deleted segment with a person's data, and the segment without the data that replaced it."""

    old_key: SegmentKey
    old_sha256: str
    new_key: SegmentKey
    new_sha256: str


class Erasure(Readable, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An erasure of a customer's data.

    id, at       of the erasure; the time in RFC 3339
    by, why      author and reason
    legal_basis  for keeping the decision's id, time, action and model
    customer     SHA-256 of the customer's id as recorded
    replaced     the segments
    waiting      segments with the person's data that no manifest named yet: they need another erasure
    n, previous  its number in the chain, from 0, and the hash of the erasure before; n is -1 in older erasures, from
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


def digest(data: bytes) -> str:
    """Return the SHA-256 of an object's bytes, 64 hexadecimal digits."""
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
    """Return a chain's end; an exponential search needs about forty reads for a long chain, and lists no keys."""
    return _end(objects, lambda n: manifest_key(shipper, n))


def end_of_erasures(objects: Objects) -> Link:
    """Return the end of the chain of erasures."""
    return _end(objects, erasure_key)


def manifests(objects: Objects) -> Iterator[tuple[str, Manifest | None, bytes]]:
    """Yield each manifest's key, the manifest (None if it isn't valid) and its bytes, chain by chain."""
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


def current_segments(objects: Objects) -> list[str]:
    """Return the keys of all segments, in order, without those that erasures replaced."""
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
