"""Chooses the implementation of an input by its settings; loads the libraries that it needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from customer_risk.model.errors import ConfigError
from customer_risk.serving.bulk.tables.inputs.folder import FolderSource
from customer_risk.serving.bulk.tables.inputs.interface import Source
from customer_risk.serving.bulk.tables.inputs.settings import FolderInput, GcsInput, InputSettings


def open_source(settings: InputSettings, name: str, wanted: Sequence[str]) -> Source:
    """Return the source of the run `name`, of a model that wants features `wanted`; no request is sent yet.

    Raises ConfigError without a bucket, and for names that are invalid in BigQuery.
    """
    if isinstance(settings, FolderInput):
        return FolderSource(Path(settings.path), wanted)
    if isinstance(settings, GcsInput):
        if not settings.bucket:
            raise ConfigError("input: gcs: `bucket` is empty.", remedy="Name a bucket.")
        from customer_risk.serving.bulk.tables.inputs.gcs import GcsSource

        return GcsSource(settings, wanted)
    from customer_risk.serving.bulk.tables.inputs.bigquery import BigQuerySource

    return BigQuerySource(settings, name, wanted)
