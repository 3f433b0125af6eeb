"""Chooses the implementation of an output by its settings; loads the libraries that it needs."""

from __future__ import annotations

from customer_risk.serving.bulk.tables.outputs.interface import Output
from customer_risk.serving.bulk.tables.outputs.objects import ObjectsOutput
from customer_risk.serving.bulk.tables.outputs.settings import BigQueryOutput, FolderOutput, OutputSettings
from customer_risk.serving.record.sinks.factory import open_objects
from customer_risk.serving.record.sinks.settings import FolderSettings, GcsSettings


def open_output(settings: OutputSettings, name: str, day: str) -> Output:
    """Return the output of the run `name` of a day; no request is sent yet.

    Raises ConfigError without a path or a bucket, and for names that are invalid in BigQuery.
    """
    if isinstance(settings, BigQueryOutput):
        from customer_risk.serving.bulk.tables.outputs.bigquery import BigQueryResults

        return BigQueryResults(settings, name, day)
    if isinstance(settings, FolderOutput):
        return ObjectsOutput(open_objects(FolderSettings(path=settings.path), "output"), name, settings.path)
    place = GcsSettings(bucket=settings.bucket, prefix=settings.prefix, endpoint=settings.endpoint)
    return ObjectsOutput(open_objects(place, "output"), name, f"gs://{settings.bucket}/{settings.prefix}")
