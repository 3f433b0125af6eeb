"""Chooses the implementation of a sink by its settings; loads the libraries that it needs."""

from __future__ import annotations

from pathlib import Path

from customer_risk.model.errors import ConfigError
from customer_risk.serving.record.sinks.codecs import PARQUET, Forms
from customer_risk.serving.record.sinks.folder import LocalObjects
from customer_risk.serving.record.sinks.interface import Sink
from customer_risk.serving.record.sinks.ndjson import SUFFIX as NDJSON
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


def open_sink(settings: SinkSettings, shipper: str) -> Sink:
    """Return a sink for a shipper's identity; raises ConfigError for settings that can't be used."""
    if isinstance(settings, BigQuerySettings):
        from customer_risk.serving.record.sinks.bigquery.sink import BigQuerySink  # noqa: PLC0415

        settings.validate()
        return BigQuerySink(settings)
    name, suffix = ("gcs", NDJSON) if isinstance(settings, GcsSettings) else ("folder", PARQUET)
    return ObjectSink(name, open_objects(settings), Forms().of(suffix).encode, suffix, shipper)


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
    from customer_risk.serving.record.sinks.gcs import GcsObjects  # noqa: PLC0415

    return GcsObjects(settings, setting)
