"""The shipper's status."""

from __future__ import annotations

import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.serving.record.shipper.files import Files
from customer_risk.serving.record.shipper.status import Measure, SinkStatus, Status, read


@pytest.fixture
def measure(folder, progress, samples):
    """Return a function that measures ten seconds after the first sample was recorded."""
    return Measure(Files(folder), progress, clock=lambda: samples._START / 1e6 + 11)


def test_lag_is_measured_for_each_sink(measure, worker, told, left) -> None:
    """The lag has records, bytes, and the age of the oldest record in seconds."""
    file, _ = left(range(1, 11))
    one, other = worker(told("one"), batch_records=4), worker(told("other"))
    one.step()
    status = measure.take((one, other), quarantined=7)
    assert (status.files, status.bytes, status.quarantined) == (1, file.size(), 7)
    assert status.sinks["one"].lag_records == 6
    assert status.sinks["one"].lag_bytes == file.size() * 6 // 10
    assert status.sinks["one"].lag_seconds == pytest.approx(6)
    assert status.sinks["one"].shipped == 4
    assert status.sinks["other"].lag_records == 10
    assert status.sinks["other"].lag_seconds == pytest.approx(10)


def test_nothing_lags_once_all_is_shipped(measure, worker, told, left) -> None:
    """Once all is shipped, every lag is zero."""
    left([1])
    one = worker(told())
    one.step()
    assert measure.take([one], quarantined=0).sinks["told"] == SinkStatus(shipped=1)


def test_an_unreadable_record_has_no_age(measure, worker, told, outbox) -> None:
    """A record that can't be read has no age, and others are measured."""
    outbox.add(b"no record")
    outbox.commit()
    sink = measure.take([worker(told())], quarantined=0).sinks["told"]
    assert (sink.lag_records, sink.lag_seconds) == (1, 0)


def test_a_status_is_read_as_it_was_written(folder) -> None:
    """A status is read as it was written."""
    status = Status(at=1.5, sinks={"a": SinkStatus(lag_records=1, error="down")})
    status.write(folder)
    assert read(folder) == status


def test_an_outbox_without_a_shipper_has_no_status(folder) -> None:
    """Reading the status of an outbox without a shipper raises ConfigError."""
    with pytest.raises(ConfigError, match="No shipper"):
        read(folder)
