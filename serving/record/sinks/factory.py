"""Every kind of sink, by its settings."""

from __future__ import annotations

from customer_risk.serving.record.sinks.bigquery.settings import BigQuerySettings
from customer_risk.serving.record.sinks.folder import FolderSettings
from customer_risk.serving.record.sinks.gcs import GcsSettings
from customer_risk.serving.record.sinks.interface import Sink

SinkSettings = FolderSettings | GcsSettings | BigQuerySettings


def open_sink(settings: SinkSettings, shipper: str) -> Sink:
    """Make a sink for a shipper's identity; raises ConfigError where the settings can't be used."""
    return settings.open(shipper)
