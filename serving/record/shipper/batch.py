"""Batches: a run of one outbox file's records, read for one write."""

from __future__ import annotations

import base64
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from customer_risk.serving.record.outbox.file import OutboxFile
from customer_risk.serving.record.outbox.record import decode, document

_HOUR: Final = 3_600_000_000  # microseconds


@dataclass
class Batch:
    """Records from `first` to `last`: documents by number, and the numbers of those that are none.

    damaged     numbers that the file can't give
    unreadable  by number, why a record can't be told, and its bytes in base64
    """

    first: int
    last: int
    documents: dict[int, dict[str, Any]] = field(default_factory=dict)
    damaged: list[int] = field(default_factory=list)
    unreadable: dict[int, tuple[str, Any]] = field(default_factory=dict)

    def left_out(self) -> tuple[int, ...]:
        """Return the numbers that have no document."""
        return tuple(sorted((*self.damaged, *self.unreadable)))


class Reader:
    """Reads batches for the workers of an outbox, which call from any thread and don't change what they get.

    Sinks that keep pace share what was read, half of whose cost is Python's: the latest `keep` batches stay.
    """

    def __init__(self, *, keep: int = 0) -> None:
        self._lock = threading.Lock()
        self._latest: deque[tuple[str, Batch]] = deque(maxlen=keep)

    def next(self, file: OutboxFile, first: int, last: int, *, most_bytes: int) -> Batch:
        """Read a batch that begins with `first`, as `gather` does, or return one that another worker got."""
        with self._lock:
            for source, batch in self._latest:
                if source == file.source and batch.first == first and batch.last <= last:
                    return batch
            batch = gather(file, first, last, most_bytes=most_bytes)
            self._latest.append((file.source, batch))
            return batch


def gather(file: OutboxFile, first: int, last: int, *, most_bytes: int | None = None) -> Batch:
    """Read records of one UTC hour, from `first` to `last` at most, and of no more than about `most_bytes`.

    Without `most_bytes` it reads up to `last` whatever the hours. Raises OSError where the file can't be read
    now.
    """
    batch = Batch(first, last)
    size, hour = 0, None
    for seq, body in file.read(first - 1, last - first + 1):
        if seq > last:
            break
        at, found, why = _read_one(file, body)
        size += len(body)
        if most_bytes is not None and (
            (size > most_bytes and batch.documents) or (at is not None and hour is not None and at != hour)
        ):
            batch.last = seq - 1
            break
        hour = at if hour is None else hour
        if found is not None:
            batch.documents[seq] = found
        else:
            batch.unreadable[seq] = (why, base64.b64encode(body).decode())
    told = batch.documents.keys() | batch.unreadable.keys()
    batch.damaged = [seq for seq in range(first, batch.last + 1) if seq not in told]
    return batch


def _read_one(file: OutboxFile, body: bytes) -> tuple[int | None, dict[str, Any] | None, str]:
    """Return a record's hour since 1970 and its document, or why there is none."""
    try:
        record = decode(body)
        return record.at // _HOUR, document(record, file.names(record.names)), ""
    except (msgspec.DecodeError, KeyError, ValueError, OverflowError) as error:
        return None, None, f"can't be read: {error!r}"
