"""Settings choose sinks."""

from __future__ import annotations

import msgspec
import pytest

from customer_risk.serving.record.shipper.settings import ShipSettings
from customer_risk.serving.record.sinks.factory import open_sink


@pytest.mark.parametrize(
    "settings",
    [
        {"type": "folder", "path": "record"},
        {"type": "gcs", "bucket": "record", "endpoint": "http://127.0.0.1:1"},
        {
            "type": "bigquery",
            "project": "a-project",
            "dataset": "record",
            "endpoint": "http://127.0.0.1:1",
            "grpc_endpoint": "http://127.0.0.1:1",
        },
    ],
    ids=lambda settings: settings["type"],
)
def test_each_type_of_settings_makes_its_sink(settings) -> None:
    """Each type of settings makes the sink with the type's name, without a request."""
    (read,) = msgspec.convert({"sinks": [settings]}, ShipSettings).sinks
    sink = open_sink(read, "5" * 32)
    assert sink.name == settings["type"]
    sink.close()
