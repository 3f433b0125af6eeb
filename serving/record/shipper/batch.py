"""Batches: consecutive records of one outbox file, read for one write."""

from __future__ import annotations

import base64
import datetime as dt
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from customer_risk.serving.record.outbox.file import OutboxFile
from customer_risk.serving.record.outbox.record import Record, decode
from customer_risk.serving.record.sinks.batch import RecordBatch

_HOUR: Final = 3_600_000_000  # microseconds
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)
_EARLIEST: Final = (dt.datetime.min.replace(tzinfo=dt.UTC) - _EPOCH) // _MICROSECOND
_LATEST: Final = (dt.datetime.max.replace(tzinfo=dt.UTC) - _EPOCH) // _MICROSECOND


@dataclass
class Batch:
    """Records from `first` to `last`, and the numbers of those that can't be shipped.

    numbers     numbers of the records, in order
    records     the records, in order; any thread may read them
    damaged     numbers of damaged records
    unreadable  by number, why a record can't be decoded, and its bytes in base64
    """

    first: int
    last: int
    numbers: Sequence[int] = ()
    records: RecordBatch = field(default_factory=lambda: RecordBatch((), {}))
    damaged: list[int] = field(default_factory=list)
    unreadable: dict[int, tuple[str, Any]] = field(default_factory=dict)

    def left_out(self) -> tuple[int, ...]:
        """Return the numbers that have no record."""
        return tuple(sorted((*self.damaged, *self.unreadable)))

    def without(self, left_out: frozenset[int]) -> tuple[Sequence[int], RecordBatch]:
        """Return the numbers without those in `left_out`, and their records."""
        places = [place for place, number in enumerate(self.numbers) if number not in left_out]
        return [self.numbers[place] for place in places], self.records.at(places)

    def document(self, number: int) -> dict[str, Any]:
        """Return the document of the record with a number."""
        return self.records[self.numbers.index(number)]


class Reader:
    """Reads batches for the workers of an outbox; any thread may call, and must not change a batch.

    The latest `keep` batches stay in memory, so workers at the same place read a batch only once.
    """

    def __init__(self, *, keep: int = 0) -> None:
        self._lock = threading.Lock()
        self._latest: deque[tuple[str, Batch]] = deque(maxlen=keep)

    def next(self, file: OutboxFile, first: int, last: int, *, most_bytes: int) -> Batch:
        """Read a batch that begins with `first`, as `gather` does, or return one that another worker read."""
        with self._lock:
            for source, batch in self._latest:
                if source == file.source and batch.first == first and batch.last <= last:
                    return batch
            batch = gather(file, first, last, most_bytes=most_bytes)
            self._latest.append((file.source, batch))
            return batch


def gather(file: OutboxFile, first: int, last: int, *, most_bytes: int | None = None) -> Batch:
    """Return the records from `first` to at most `last`, of one UTC hour and about `most_bytes` at most.

    Without `most_bytes`, return all up to `last`, over any hours. Raises OSError if the file can't be read now.
    """
    batch = Batch(first, last)
    numbers: list[int] = []
    records: list[Record] = []
    names: dict[str, tuple[str, ...]] = {}
    size, hour = 0, None
    for seq, body in file.read(first - 1, last - first + 1):
        if seq > last:
            break
        record, why = _read_one(file, body, names)
        at = None if record is None else record.at // _HOUR
        size += len(body)
        if most_bytes is not None and (
            (size > most_bytes and records) or (at is not None and hour is not None and at != hour)
        ):
            batch.last = seq - 1
            break
        hour = at if hour is None else hour
        if record is not None:
            numbers.append(seq)
            records.append(record)
        else:
            batch.unreadable[seq] = (why, base64.b64encode(body).decode())
    batch.numbers, batch.records = numbers, RecordBatch(records, names)
    found = {*numbers, *batch.unreadable}
    batch.damaged = [seq for seq in range(first, batch.last + 1) if seq not in found]
    return batch


def _read_one(file: OutboxFile, body: bytes, names: dict[str, tuple[str, ...]]) -> tuple[Record | None, str]:
    """Return a record and "", or None and why it can't be decoded; add the names of its features to `names`."""
    try:
        record = decode(body)
        if record.names not in names:
            names[record.names] = file.names(record.names)
    except (msgspec.DecodeError, KeyError, ValueError, OverflowError) as error:
        return None, f"can't be read: {error!r}"
    if len(record.features) != 8 * len(names[record.names]):
        return None, f"can't be read: {len(record.features)} bytes for {len(names[record.names])} features"
    if not _EARLIEST <= record.at <= _LATEST:
        return None, f"can't be read: {record.at} microseconds since 1970 is not a valid time"
    return record, ""
