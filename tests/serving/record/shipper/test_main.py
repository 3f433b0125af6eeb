"""The shipper's process: how it ends, and its exit code."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from customer_risk.serving.record.shipper.main import run
from customer_risk.serving.record.sinks.settings import FolderSettings


@pytest.fixture
def handlers():
    """Restore the signal handlers."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_shipper_once_all_is_shipped(number, make_config, left, tmp_path) -> None:
    """After a signal, the shipper ends with exit code 0 once all records are shipped."""
    left([1, 2])
    timer = threading.Timer(0.3, os.kill, (os.getpid(), number))
    timer.start()
    assert run(make_config(sinks=(FolderSettings(path=str(tmp_path / "record")),))) == 0
    assert list(tmp_path.glob("record/dt=*/*/*.parquet"))


@pytest.mark.usefixtures("handlers")
def test_remaining_records_set_the_exit_code(make_config, left, tmp_path) -> None:
    """The exit code is 1 if records are left after the time to drain."""
    record = tmp_path / "record"

    left([1])

    def end() -> None:
        while not list(record.rglob("*.json")):  # the manifest, written last
            time.sleep(0.01)
        record.rename(tmp_path / "aside")
        record.write_bytes(b"")
        left([2])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=end).start()
    assert run(make_config(sinks=(FolderSettings(path=str(record)),), drain_seconds=0.5)) == 1
