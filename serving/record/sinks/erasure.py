"""Erases a person's data from stored records, and keeps the fact that there was a decision.

First, segments without the data are written, with their remaining salts. Then the erasure is written as the next one
in the chain of erasures. Then the old segments are deleted.

An erasure holds the store's lock from its first read to its end. An erasure of an earlier release ignores the lock.
This erasure starts again if such an erasure takes the next number, or deletes a segment before it is read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from customer_risk.serving.contract.columns import erased_values
from customer_risk.serving.contract.identifiers import uuid7
from customer_risk.serving.record.outbox.record import ERASED, Document
from customer_risk.serving.record.sinks.erasure_lock import ErasureLock, erasure_lock
from customer_risk.serving.record.sinks.factory import Forms
from customer_risk.serving.record.sinks.interface import SinkUnavailable
from customer_risk.serving.record.sinks.manifest import (
    SEGMENTS,
    Erasure,
    Link,
    Replaced,
    StoredErasure,
    digest,
    encode,
    erasure_key,
    erasures,
    in_force,
    manifests,
    number_of,
    stem,
)
from customer_risk.serving.record.sinks.objects import Objects, fetch
from customer_risk.serving.record.sinks.proof import CUSTOMER, Salts, customer_digest, salts_key
from customer_risk.serving.record.sinks.search import Skipped, decode_or_skip

LEGAL_BASIS: Final = (
    "GDPR article 17(3)(b): that a decision was made, when, which and by what model is kept by legal obligation."
)
_BLANK: Final = erased_values(Document)
_TRIES: Final = 20  # attempts, if other processes change the store


class _Changed(Exception):
    """The store was changed since this attempt read it."""


class _Rewritten(NamedTuple):
    """A segment without a person's data, and its remaining salts; None if it had no salts."""

    key: str
    data: bytes
    salts: Salts | None


def erase(
    objects: Objects,
    customer_id: str,
    *,
    by: str,
    why: str,
    now: dt.datetime,
    legal_basis: str = LEGAL_BASIS,
    take_lock: bool = False,
    skipped: Skipped | None = None,
) -> Erasure:
    """Replace every segment with a customer's records by one without their data; `customer_id` is the recorded id.

    An erasure that was interrupted is completed by the next one. Segments that no manifest names yet aren't changed,
    because their shipper may write them again; they are returned as `waiting`. If the customer has no records, nothing
    is written. `take_lock` replaces the lock of an erasure whose process is dead. `skipped` is called with the
    error of each segment that can't be read, in each attempt; without it, raises SegmentUnreadable.

    Raises ErasureRunning if another erasure holds the store's lock, SinkUnavailable, and ValueError for an id that no
    customer can have.
    """
    if customer_id in {"", ERASED}:
        raise ValueError(f"{customer_id!r} is not a customer's id")
    erasure = Erasure(
        id=uuid7(int(now.timestamp() * 1000)),
        at=now.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        by=by,
        why=why,
        legal_basis=legal_basis,
        customer=customer_digest(customer_id),
        replaced=(),
    )
    with erasure_lock(objects, by=by, at=erasure.at, take=take_lock) as lock:
        for _ in range(_TRIES):
            try:
                return _Attempt(objects, lock, skipped).erase(erasure)
            except _Changed:
                continue
    raise SinkUnavailable(
        f"The erasure failed {_TRIES} times: other processes changed the segments or wrote the next erasure.",
        remedy="End the erasures of earlier releases, which ignore the lock, and erase again.",
    )


class _Attempt:
    """One attempt to write an erasure at the next place in the chain of erasures."""

    def __init__(self, objects: Objects, lock: ErasureLock, skipped: Skipped | None) -> None:
        self._objects = objects
        self._skipped = skipped
        self._lock = lock
        self._forms = Forms()
        # Read the manifests before listing the segments: a segment that gets its manifest later counts as unnamed.
        self._named = {manifest.key for _, manifest, _ in manifests(objects) if manifest is not None}
        self._before = erasures(objects)
        self._gone: set[str] = set()
        for _, each in in_force(self._before):
            self._take(each)
        self._present = set(objects.list(SEGMENTS))

    def erase(self, erasure: Erasure) -> Erasure:
        """Erase a person's data and return the erasure; raises _Changed if the store was changed meanwhile."""
        self._lock.check()
        ended = self._complete_interrupted(erasure.customer)
        link = _end(self._before)
        replaced, waiting = self._replace(erasure.customer, link.n)
        if not replaced:
            return ended if ended is not None and not waiting else _with(erasure, waiting=tuple(waiting))
        earlier = {} if link.n else {each.key: digest(each.data) for each in self._before}
        made = _with(
            erasure, replaced=tuple(replaced), waiting=tuple(waiting), n=link.n, previous=link.previous, earlier=earlier
        )
        data, key = encode(made), erasure_key(link.n)
        self._lock.check()
        if not self._objects.create(key, data) and self._objects.get(key) != data:
            raise _Changed
        self._take(made)
        for each in replaced:
            self._end(made, each)
        return made

    def _take(self, erasure: Erasure) -> None:
        for each in erasure.replaced:
            self._named.add(each.new_key)
            self._gone.add(each.old_key)

    def _complete_interrupted(self, customer: str) -> Erasure | None:
        """Complete the erasures that a crash interrupted; return the customer's own if it is one of them."""
        ended = None
        stems = {stem(key) for key in self._named}
        for key in self._present - self._named:
            if stem(key) in stems:  # an erasure wrote this segment and crashed before it was recorded
                self._delete(key)
        for _, erasure in in_force(self._before):
            for each in erasure.replaced:
                if each.old_key in self._present and self._end(erasure, each):
                    ended = erasure if erasure.customer == customer else ended
        return ended

    def _end(self, erasure: Erasure, each: Replaced) -> bool:
        """Delete a replaced segment once the new one exists; return False if the old one must be read but can't be."""
        if each.new_key not in self._gone and self._objects.get(each.new_key) is None:
            data = self._objects.get(each.old_key)  # a concurrent erasure deleted the new segment
            documents = None if data is None else decode_or_skip(self._forms, each.old_key, data, self._skipped)
            if documents == []:
                return False
            new = None if documents is None else self._without(each.old_key, documents, erasure.customer, erasure.n)
            if new is None or new.key != each.new_key:
                raise SinkUnavailable(f"{each.new_key} is missing.", remedy="Verify the record.")
            self._write(new)
        self._delete(each.old_key)
        return True

    def _replace(self, customer: str, n: int) -> tuple[list[Replaced], list[str]]:
        """Write segments without the customer's data; return what they replace, and keys that no manifest names."""
        replaced: list[Replaced] = []
        waiting: list[str] = []
        stems = {stem(key) for key in self._named}
        keys = sorted(key for key in self._present - self._gone if key in self._named or stem(key) not in stems)
        for key, data in fetch(self._objects, keys):
            if data is None:  # an erasure replaced it by a segment that is not in the list
                raise _Changed
            documents = decode_or_skip(self._forms, key, data, self._skipped)
            new = self._without(key, documents, customer, n)
            if new is None:
                continue
            if key not in self._named:
                waiting.append(key)
                continue
            self._write(new)
            replaced.append(
                Replaced(old_key=key, old_sha256=digest(data), new_key=new.key, new_sha256=digest(new.data))
            )
        return replaced, waiting

    def _without(self, key: str, documents: Sequence[dict[str, Any]], customer: str, n: int) -> _Rewritten | None:
        """Return a segment without a customer's data, or None if it has no data of the customer."""
        places = [place for place, each in enumerate(documents) if _is_of(each, customer)]
        if not places:
            return None
        salts = Salts.read(self._objects.get(salts_key(key)) or b"")
        if salts is not None:
            try:
                salts = salts.blank(documents, places, n)
            except (ValueError, KeyError, TypeError):
                salts = None  # the salts were altered: verification reports this; the erasure continues
        new = self._forms.encode(key, _blanked(documents, places))
        return _Rewritten(_renamed(key, digest(new)), new, salts)

    def _write(self, new: _Rewritten) -> None:
        self._once(new.key, new.data)
        if new.salts is not None:
            self._once(salts_key(new.key), new.salts.encode())

    def _once(self, key: str, data: bytes) -> None:
        if not self._objects.create(key, data) and self._objects.get(key) != data:  # a crashed attempt may have left it
            raise SinkUnavailable(f"{key} exists with other bytes.", remedy="Verify the record.")

    def _delete(self, key: str) -> None:
        self._objects.delete(salts_key(key))  # salts first: while the segment exists, the erasure is incomplete
        self._objects.delete(key)


def _end(before: Sequence[StoredErasure]) -> Link:
    """Return the end of the chain of erasures."""
    last = max(before, key=lambda each: _number(each.key), default=None)
    return Link() if last is None or _number(last.key) < 0 else Link(_number(last.key) + 1, digest(last.data))


def _number(key: str) -> int:
    n = number_of(key)
    return -1 if n is None else n


def _with(erasure: Erasure, **changes: Any) -> Erasure:
    return msgspec.structs.replace(erasure, **changes)


def _is_of(document: dict[str, Any], customer: str) -> bool:
    return bool(document[CUSTOMER]) and customer_digest(document[CUSTOMER]) == customer


def _blanked(documents: Sequence[dict[str, Any]], places: Sequence[int]) -> list[dict[str, Any]]:
    made = list(documents)
    for place in places:
        # A document of an earlier release lacks some of these fields.
        made[place] = made[place] | {name: value for name, value in _BLANK.items() if name in made[place]}
    return made


def _renamed(key: str, sha256: str) -> str:
    return f"{stem(key)}-{sha256[:16]}.{key.rpartition('-')[2].partition('.')[2]}"
