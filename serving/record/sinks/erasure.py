"""Erases a person's data from stored records, and leaves that there was a decision."""

from __future__ import annotations

import datetime as dt
from typing import Final

from customer_risk.serving.contract.columns import erased_values
from customer_risk.serving.contract.identifiers import uuid7
from customer_risk.serving.record.outbox.record import ERASED, Document
from customer_risk.serving.record.sinks.factory import Forms
from customer_risk.serving.record.sinks.interface import SinkUnavailable
from customer_risk.serving.record.sinks.manifest import (
    ERASURES,
    SEGMENTS,
    Erasure,
    Replaced,
    digest,
    encode,
    erasures,
    manifests,
    standing,
)
from customer_risk.serving.record.sinks.objects import Objects
from customer_risk.serving.record.sinks.parallel_reads import fetch

LEGAL_BASIS: Final = (
    "GDPR article 17(3)(b): that a decision was made, when, which and by what model is kept by legal obligation."
)
_BLANK: Final = erased_values(Document)


def erase(
    objects: Objects, customer_id: str, *, by: str, why: str, now: dt.datetime, legal_basis: str = LEGAL_BASIS
) -> Erasure:
    """Replace every segment that holds a customer's records by one without their data; `customer_id` as recorded.

    May be repeated after it ended anywhere, and ends what was begun. Segments that no manifest names yet are left
    alone, for their shipper may be about to write them again, and given as `waiting`. Where there is nothing to erase
    nothing is written. Raises SinkUnavailable, SegmentUnreadable, and ValueError for an id that is nobody's.
    """
    if customer_id in {"", ERASED}:
        raise ValueError(f"{customer_id!r} is no customer's id")
    customer = digest(customer_id.encode())
    # Before the segments are listed: one that is named after this waits, though it needn't.
    named = {manifest.key for _, manifest, _ in manifests(objects) if manifest is not None}
    named |= {each.new_key for _, erasure in erasures(objects) if erasure for each in erasure.replaced}
    ended = _end_what_was_begun(objects, customer, named)
    replaced, waiting = _replace(objects, customer_id, named)
    if ended is not None and not replaced and not waiting:
        return ended
    erasure = Erasure(
        id=uuid7(int(now.timestamp() * 1000)),
        at=now.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        by=by,
        why=why,
        legal_basis=legal_basis,
        customer=customer,
        replaced=tuple(replaced),
        waiting=tuple(waiting),
    )
    if replaced:
        objects.create(f"{ERASURES}{erasure.id}.json", encode(erasure))
        for each in replaced:
            objects.delete(each.old_key)
    return erasure


def _end_what_was_begun(objects: Objects, customer: str, named: set[str]) -> Erasure | None:
    """Delete what erasures replaced and a crash left; return the customer's own if it was among them."""
    present, ended = set(objects.list(SEGMENTS)), None
    stems = {_stem(key) for key in named}
    for key in present - named:
        if _stem(key) in stems:  # written in the place of another, by what ended before it could say so
            objects.delete(key)
    for _, erasure in erasures(objects):
        for each in () if erasure is None else erasure.replaced:
            if each.old_key in present:
                objects.delete(each.old_key)
                ended = erasure if erasure is not None and erasure.customer == customer else ended
    return ended


def _replace(objects: Objects, customer_id: str, named: set[str]) -> tuple[list[Replaced], list[str]]:
    """Write the segments without the customer's data; return what they replace, and the keys of those that wait."""
    forms = Forms()
    replaced: list[Replaced] = []
    waiting: list[str] = []
    for key, data in fetch(objects, standing(objects)):
        documents = [] if data is None else forms.decode(key, data)
        if data is None or not any(each["customer_id"] == customer_id for each in documents):
            continue
        if key not in named:
            waiting.append(key)
            continue
        rest = [each | _BLANK if each["customer_id"] == customer_id else each for each in documents]
        new = forms.encode(key, rest)
        new_key = _renamed(key, digest(new))
        if not objects.create(new_key, new) and objects.get(new_key) != new:  # a crash left it, or somebody was here
            raise SinkUnavailable(f"{new_key} holds something else.", remedy="Verify the record.")
        replaced.append(
            Replaced(old_key=key, old_sha256=digest(data), new_key=new_key, new_sha256=digest(new)),
        )
    return replaced, waiting


def _stem(key: str) -> str:
    return key.rpartition("-")[0]


def _renamed(key: str, sha256: str) -> str:
    return f"{_stem(key)}-{sha256[:16]}.{key.rpartition('-')[2].partition('.')[2]}"
