"""The shipper's own metrics."""

from __future__ import annotations

import re
import socket

import httpx2
import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.serving.record.shipper.metrics import serve
from customer_risk.serving.record.shipper.status import SinkStatus, Status


def test_every_count_of_the_status_is_exported(free_port) -> None:
    """Each count of the status is exported, by its sink."""
    status = Status(at=0.0, quarantined=3, sinks={"a": SinkStatus(lag_records=1, lag_seconds=2.5, shipped=4)})
    with serve("127.0.0.1", free_port, lambda: status):
        text = httpx2.get(f"http://127.0.0.1:{free_port}/metrics").text
    found = dict(re.findall(r"^(customer_risk_\S+) (\S+)$", text, re.MULTILINE))
    assert found['customer_risk_record_lag_records{sink="a"}'] == "1.0"
    assert found['customer_risk_record_lag_seconds{sink="a"}'] == "2.5"
    assert found['customer_risk_record_shipped_total{sink="a"}'] == "4.0"
    assert found['customer_risk_record_failures_total{sink="a"}'] == "0.0"
    assert found["customer_risk_record_quarantined_total"] == "3.0"


def test_a_port_in_use_is_a_config_error() -> None:
    """A port in use raises ConfigError that names the setting."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match="metrics_port"), serve("127.0.0.1", port, lambda: Status(at=0.0)):
            pass


@pytest.fixture
def free_port() -> int:
    """A free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
