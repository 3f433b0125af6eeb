"""Finds records among stored segments."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import groupby
from typing import Any, Final, NamedTuple

from customer_risk.serving.record.sinks.codecs import SegmentUnreadable
from customer_risk.serving.record.sinks.factory import Forms
from customer_risk.serving.record.sinks.manifest import current_segments, stem
from customer_risk.serving.record.sinks.objects import AHEAD, Objects, fetch

_KEY: Final = re.compile(r"dt=([\d-]{10})/hour=(\d\d)/(\w+)-(\d+)-(\d+)-[0-9a-f]{16}\.[\w.]+")
Skipped = Callable[[SegmentUnreadable], object]
_HOUR: Final = dt.timedelta(hours=1)


class _Stored(NamedTuple):
    source: str
    first: int
    hour: str  # of its first record, as RFC 3339 text
    key: str


def find(
    objects: Objects,
    *,
    decision_id: str | None = None,
    since: dt.datetime | None = None,
    customer_ids: Collection[str] | None = None,
    skipped: Skipped | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the documents that meet every given condition; with `decision_id`, stop at its record.

    `customer_ids` are all ids that the record may have for one customer, for example hashes by several keys. Segments
    that ended before `since` aren't read; with `decision_id`, segments around the id's time are read first. `skipped`
    is called with the error of each segment that can't be read; without it, raises SegmentUnreadable.
    """
    after = "" if since is None else since.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    stored = [found for key in current_segments(objects) if (found := _stored(key)) is not None]
    if since is not None:
        stored = _not_before(stored, since)
    if decision_id is not None:
        near = _hours_about(decision_id)
        stored.sort(key=lambda each: each.hour not in near)
    else:
        stored.sort(key=lambda each: each.key)
    forms = Forms()
    ahead = AHEAD if decision_id is None else 2  # often, the first segment has the decision
    for key, data in _read(objects, [each.key for each in stored], ahead):
        for document in decode_or_skip(forms, key, data, skipped):
            if document["recorded_at"] < after or _is_another(document, customer_ids):
                continue
            if decision_id is None:
                yield document
            elif document["decision_id"] == decision_id:
                yield document
                return


def decode_or_skip(forms: Forms, key: str, data: bytes, skipped: Skipped | None) -> list[dict[str, Any]]:
    """Return a segment's documents; call `skipped` and return no documents if the segment can't be read.

    Without `skipped`, raises SegmentUnreadable.
    """
    try:
        return forms.decode(key, data)
    except SegmentUnreadable as error:
        if skipped is None:
            raise
        skipped(error)
        return []


def _read(objects: Objects, keys: Iterable[str], ahead: int) -> Iterator[tuple[str, bytes]]:
    """Yield each segment; if an erasure replaces one meanwhile, yield the segment that replaced it."""
    while keys:
        gone = set()
        for key, data in fetch(objects, keys, ahead=ahead):
            if data is None:
                gone.add(stem(key))
            else:
                yield key, data
        keys = [key for key in current_segments(objects) if stem(key) in gone] if gone else ()


def _is_another(document: dict[str, Any], customer_ids: Collection[str] | None) -> bool:
    return customer_ids is not None and document["customer_id"] not in customer_ids


def _stored(key: str) -> _Stored | None:
    parts = _KEY.fullmatch(key)
    return None if parts is None else _Stored(parts[3], int(parts[4]), f"{parts[1]}T{parts[2]}", key)


def _not_before(stored: Iterable[_Stored], since: dt.datetime) -> list[_Stored]:
    """Return the segments without those that ended before `since`, as far as their keys show.

    A segment's records are of one hour. A segment of an earlier release may have records of several hours; it ends
    where the file's next segment begins. If the next segment begins in an earlier hour, the clock was set back, and no
    key shows when the segment ended.
    """
    hour = _written(since - _HOUR)  # threads may write records slightly out of order
    kept = []
    for _, group in groupby(sorted(stored), key=lambda each: each.source):
        ordered = list(group)
        for each, following in zip(ordered, [*ordered[1:], None], strict=True):
            if following is None or following.hour < each.hour or max(each.hour, following.hour) >= hour:
                kept.append(each)
    return kept


def _hours_about(decision_id: str) -> set[str]:
    """Return the hours in which a decision's segment may begin, if it was shipped without delay."""
    try:
        at = dt.datetime.fromtimestamp(int(decision_id.replace("-", "")[:12], 16) / 1000, dt.UTC)
    except (ValueError, OverflowError):
        return set()
    return {_written(at + hours * _HOUR) for hours in (-1, 0, 1)}


def _written(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H")
