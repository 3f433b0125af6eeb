"""Where the decision record is read from: stored segments, and an outbox that isn't shipped yet."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from customer_risk.model.errors import ConfigError
from customer_risk.serving.record.outbox.reader import find_files
from customer_risk.serving.record.outbox.record import Record, decode, from_document
from customer_risk.serving.record.sinks.factory import open_objects
from customer_risk.serving.record.sinks.folder import LocalObjects
from customer_risk.serving.record.sinks.objects import Objects
from customer_risk.serving.record.sinks.search import find
from customer_risk.serving.record.sinks.settings import GcsSettings

_GCS = "gs://"


class Place(NamedTuple):
    """A store of segments: the name of the sink that writes it, where it is, and its objects."""

    sink: str
    where: str
    objects: Objects


class StoredRecord(NamedTuple):
    """A record with the names of its features."""

    record: Record
    names: tuple[str, ...]


def place_at(where: str) -> Place:
    """Open a folder, or a bucket's `gs://BUCKET/PREFIX`; raises ConfigError where there is no such folder."""
    if where.startswith(_GCS):
        bucket, _, prefix = where.removeprefix(_GCS).partition("/")
        return Place("gcs", where, open_objects(GcsSettings(bucket=bucket, prefix=prefix), "--from"))
    folder = Path(where)
    if not folder.is_dir():
        raise ConfigError(f"There is no folder {folder}.", remedy="Give the folder that the record is shipped to.")
    return Place("folder", where, LocalObjects(folder))


class Records:
    """Reads `places` and the outbox's folder, each record once; `unreadable` counts those that can't be told.

    The outbox goes first: what it still keeps needs no look into segments.
    """

    def __init__(self, places: Sequence[Place], outbox: Path | None = None) -> None:
        self._places = places
        self._outbox = outbox
        self.unreadable = 0

    def one(self, record_id: str) -> StoredRecord | None:
        """Return the record of a decision, None where there is none."""
        needle = record_id.encode()
        for told in self._kept(needle):
            if told.record.record_id == record_id:
                return told
        for place in self._places:
            for document in find(place.objects, decision_id=record_id):
                return StoredRecord(*from_document(document))
        return None

    def since(self, since: dt.datetime | None = None, customer_id: str | None = None) -> Iterator[StoredRecord]:
        """Return all records from a time on, of one customer or of all."""
        first = 0 if since is None else int(since.timestamp() * 1e6)
        seen: set[str] = set()
        several = len(self._places) + (self._outbox is not None) > 1
        for told in self._kept(b"" if customer_id is None else customer_id.encode()):
            if told.record.at >= first and customer_id in {None, told.record.customer_id}:
                seen.add(told.record.record_id)
                yield told
        for place in self._places:
            for document in find(place.objects, since=since, customer_id=customer_id):
                try:
                    told = StoredRecord(*from_document(document))
                except ValueError:
                    self.unreadable += 1
                    continue
                if told.record.record_id not in seen:
                    yield told
                if several:
                    seen.add(told.record.record_id)

    def _kept(self, needle: bytes) -> Iterator[StoredRecord]:
        """Return the outbox's records whose bytes hold `needle`, which costs less than decoding all."""
        for file in () if self._outbox is None else find_files(self._outbox):
            after = 0
            while kept := file.read(after, 1000):
                after = kept[-1].seq
                for each in kept:
                    if needle not in each.body:
                        continue
                    try:
                        record = decode(each.body)
                        yield StoredRecord(record, file.names(record.names))
                    except (msgspec.DecodeError, KeyError):
                        self.unreadable += 1
            self.unreadable += file.damaged
