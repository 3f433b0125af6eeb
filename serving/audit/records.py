"""Reads the decision record from stored segments, from a table, and from an outbox."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from customer_risk.model.errors import ConfigError
from customer_risk.model.terminal import echo
from customer_risk.serving.record.outbox.file import NumberedRecord, OutboxFile
from customer_risk.serving.record.outbox.reader import find_files
from customer_risk.serving.record.outbox.record import Record, decode, from_document
from customer_risk.serving.record.sinks.codecs import SegmentUnreadable
from customer_risk.serving.record.sinks.factory import open_objects
from customer_risk.serving.record.sinks.folder import LocalObjects
from customer_risk.serving.record.sinks.objects import Objects
from customer_risk.serving.record.sinks.search import Skipped, find
from customer_risk.serving.record.sinks.settings import BigQuerySettings, GcsSettings

_WINDOW: Final = 1000  # numbers of records in one read
_GCS: Final = "gs://"
BIGQUERY: Final = "bigquery://"


class Source(Protocol):
    """A source of records: a store of segments, or a table."""

    @property
    def where(self) -> str:
        """The place of the source, as messages name it."""

    def find(
        self,
        *,
        decision_id: str | None = None,
        since: dt.datetime | None = None,
        customer_ids: Collection[str] | None = None,
        skipped: Skipped | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Yield the documents that meet every given condition, as `search.find` does."""


class Place(NamedTuple):
    """A store of segments: the name of its sink, its path or URL, and its objects."""

    sink: str
    where: str
    objects: Objects

    def find(
        self,
        *,
        decision_id: str | None = None,
        since: dt.datetime | None = None,
        customer_ids: Collection[str] | None = None,
        skipped: Skipped | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Yield the documents that meet every given condition; raises as `search.find` does."""
        return find(self.objects, decision_id=decision_id, since=since, customer_ids=customer_ids, skipped=skipped)


class StoredRecord(NamedTuple):
    """A record with the names of its features."""

    record: Record
    names: tuple[str, ...]


def place_at(where: str) -> Place:
    """Open a folder, or a bucket's `gs://BUCKET/PREFIX`; raises ConfigError if the folder is missing."""
    if where.startswith(_GCS):
        bucket, _, prefix = where.removeprefix(_GCS).partition("/")
        return Place("gcs", where, open_objects(GcsSettings(bucket=bucket, prefix=prefix), "--from"))
    folder = Path(where)
    if not folder.is_dir():
        raise ConfigError(f"There is no folder {folder}.", remedy="Give the folder that the record is shipped to.")
    return Place("folder", where, LocalObjects(folder))


def table_at(where: str) -> BigQuerySettings:
    """Return the settings of `bigquery://PROJECT.DATASET` or `bigquery://PROJECT.DATASET.TABLE`; raises ConfigError."""
    parts = where.removeprefix(BIGQUERY).rsplit(".", 2 if where.count(".") > 1 else 1)
    if len(parts) == 1:
        raise ConfigError(f"--from: {where} has no dataset.", remedy=f"Write {BIGQUERY}PROJECT.DATASET.")
    project, dataset, table = parts if len(parts) > 2 else (*parts, "decisions")
    settings = BigQuerySettings(project=project, dataset=dataset, table=table)
    settings.validate("--from")
    return settings


class Records:
    """Reads the outbox and then `places`, each record once.

    unreadable           number of records that can't be read
    unreadable_segments  number of segments that can't be read; each is named on standard error
    """

    def __init__(self, places: Sequence[Source], outbox: Path | None = None) -> None:
        self._places = places
        self._outbox = outbox
        self.unreadable = 0
        self.unreadable_segments = 0

    @property
    def complete(self) -> bool:
        """Whether all records and segments could be read so far."""
        return not self.unreadable and not self.unreadable_segments

    def one(self, record_id: str) -> StoredRecord | None:
        """Return the record of a decision, or None if it is missing; raises ConfigError if it can't be read."""
        for stored in self._kept((record_id,)):
            if stored.record.record_id == record_id:
                return stored
        for place in self._places:
            for document in place.find(decision_id=record_id, skipped=self._skip):
                try:
                    return StoredRecord(*from_document(document))
                except (ValueError, OverflowError) as error:
                    raise ConfigError(
                        f"The record of {record_id} in {place.where} can't be read: {error}.",
                        remedy="Verify the record: it may have been altered.",
                    ) from error
        return None

    def since(
        self, since: dt.datetime | None = None, customer_ids: Collection[str] | None = None
    ) -> Iterator[StoredRecord]:
        """Yield all records since a time, of all customers or of the customer with `customer_ids`."""
        first = 0 if since is None else int(since.timestamp() * 1e6)
        seen: set[str] = set()
        multiple = len(self._places) + (self._outbox is not None) > 1
        for stored in self._kept(customer_ids):
            if stored.record.at >= first and (customer_ids is None or stored.record.customer_id in customer_ids):
                seen.add(stored.record.record_id)
                yield stored
        for place in self._places:
            for document in place.find(since=since, customer_ids=customer_ids, skipped=self._skip):
                try:
                    stored = StoredRecord(*from_document(document))
                except (ValueError, OverflowError):
                    self.unreadable += 1
                    continue
                if stored.record.record_id not in seen:
                    yield stored
                if multiple:
                    seen.add(stored.record.record_id)

    def _kept(self, ids: Collection[str] | None) -> Iterator[StoredRecord]:
        """Yield the outbox's records; with `ids`, only those whose bytes contain an id, since decoding is slower."""
        needles = None if ids is None else [each.encode() for each in ids]
        for file in () if self._outbox is None else find_files(self._outbox):
            for kept in read_all(file):
                if needles is not None and not any(needle in kept.body for needle in needles):
                    continue
                try:
                    record = decode(kept.body)
                    stored = StoredRecord(record, file.names(record.names))
                except (ValueError, KeyError):
                    self.unreadable += 1
                except FileNotFoundError:
                    break  # the shipper removed the file: its records are in the sinks
                else:
                    yield stored
            self.unreadable += file.damaged

    def _skip(self, error: SegmentUnreadable) -> None:
        self.unreadable_segments += 1
        echo(str(error), err=True)


def read_all(file: OutboxFile) -> Iterator[NumberedRecord]:
    """Yield the undamaged records of an outbox file; end early if the shipper removes the file meanwhile.

    Raises ConfigError if the file can't be read.
    """
    try:
        last, after = file.last(), 0
        while after < last:
            kept = file.read(after, _WINDOW)
            after = max([after + _WINDOW, *(each.seq for each in kept)])
            yield from kept
    except OSError as error:
        if file.path.exists():
            raise ConfigError(
                f"The outbox file {file.path} can't be read: {error}.",
                remedy="Run this as the server's user, and check the disk.",
            ) from error
