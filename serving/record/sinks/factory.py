"""Chooses a sink by its settings, and a segment's form by its key; loads only the libraries that these need."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from customer_risk.model.errors import ConfigError
from customer_risk.serving.record.sinks.codecs import PARQUET, Form, SegmentUnreadable
from customer_risk.serving.record.sinks.folder import LocalObjects
from customer_risk.serving.record.sinks.interface import Sink
from customer_risk.serving.record.sinks.ndjson import SUFFIX as NDJSON
from customer_risk.serving.record.sinks.ndjson import Lines
from customer_risk.serving.record.sinks.object_sink import ObjectSink
from customer_risk.serving.record.sinks.objects import Objects
from customer_risk.serving.record.sinks.settings import (
    SINKS,
    BigQuerySettings,
    FolderSettings,
    GcsSettings,
    ObjectsSettings,
    SinkSettings,
)

_SEARCHED: Final = ("decision_id", "recorded_at", "customer_id")


class Forms:
    """Reads and writes segments of every form."""

    def encode(self, key: str, documents: Sequence[dict[str, Any]]) -> bytes:
        """Return documents as bytes, in the form of a key."""
        return self.of(key).encode(documents)

    def decode(self, key: str, data: bytes) -> list[dict[str, Any]]:
        """Return a segment's documents; raises SegmentUnreadable."""
        try:
            documents = self.of(key).decode(data)
            _check_searched(documents)
        except ValueError as error:
            raise SegmentUnreadable(key, error) from error
        return documents

    def check_exact(self, key: str, data: bytes, documents: Sequence[dict[str, Any]]) -> None:
        """Raise ValueError if a segment holds more than the documents from `decode`, or holds them in another form."""
        self.of(key).check_exact(data, documents)

    def ids(self, key: str, data: bytes) -> list[str]:
        """Return the ids of a segment's records, in a tenth of the time of `decode`; raises SegmentUnreadable."""
        try:
            return self.of(key).ids(data)
        except ValueError as error:
            raise SegmentUnreadable(key, error) from error

    def of(self, key: str) -> Form:
        """Return the form of a key, or of its suffix alone; raises ValueError for an unknown one."""
        if key.endswith(PARQUET):
            return self._parquet
        if key.endswith(NDJSON):
            return Lines()
        raise ValueError(f"{key} has an unknown form")

    @cached_property
    def _parquet(self) -> Form:
        from customer_risk.serving.record.sinks.parquet import Parquet

        return Parquet()


def _check_searched(documents: Sequence[dict[str, Any]]) -> None:
    """Raise ValueError if a document lacks one of the fields that records are searched by."""
    for place, each in enumerate(documents, 1):
        if wrong := [name for name in _SEARCHED if not isinstance(each.get(name), str)]:
            raise ValueError(f"record {place} has no valid {', '.join(wrong)}")


def open_sink(settings: SinkSettings, shipper: str) -> Sink:
    """Return a sink for a shipper's identity; raises ConfigError for settings that can't be used."""
    if isinstance(settings, BigQuerySettings):
        from customer_risk.serving.record.sinks.bigquery.sink import BigQuerySink

        settings.validate()
        return BigQuerySink(settings)
    name, suffix = ("gcs", NDJSON) if isinstance(settings, GcsSettings) else ("folder", PARQUET)
    form = Forms().of(suffix)
    return ObjectSink(name, open_objects(settings), form.encode, suffix, shipper, form.decode)


def open_objects(settings: ObjectsSettings, setting: str = SINKS) -> Objects:
    """Return a folder's or a bucket's objects, without a request.

    Messages name the setting `setting`. Raises ConfigError without a path or a bucket.
    """
    if isinstance(settings, FolderSettings):
        if not settings.path:
            raise ConfigError(f"{setting}: the folder's `path` is empty.", remedy="Name a folder.")
        return LocalObjects(Path(settings.path), setting)
    if not settings.bucket:
        raise ConfigError(f"{setting}: gcs: `bucket` is empty.", remedy="Name a bucket.")
    from customer_risk.serving.record.sinks.gcs import GcsObjects

    return GcsObjects(settings, setting)
