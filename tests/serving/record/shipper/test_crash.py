"""A shipper is killed at any step; the next shipper omits no record and sends no record twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from customer_risk.serving.record.shipper.shipper import Shipper, ship
from customer_risk.serving.record.sinks.interface import RecordRefused
from customer_risk.serving.record.sinks.object_sink import ObjectSink
from customer_risk.serving.record.sinks.parquet import Parquet
from customer_risk.serving.record.sinks.settings import FolderSettings

_DYING = """
import os, sys
import msgspec
from customer_risk.serving.record.shipper import sink_worker as worker
from customer_risk.serving.record.shipper.progress import Progress
from customer_risk.serving.record.shipper.settings import ShipperConfig
from customer_risk.serving.record.shipper.shipper import Shipper
from customer_risk.serving.record.sinks.folder import LocalObjects
from customer_risk.serving.record.sinks.object_sink import ObjectSink
from customer_risk.serving.record.sinks.interface import RecordRefused

where, at = sys.argv[1], int(sys.argv[2])
owner, name, when = {
    "before the plan": (Progress, "intend", "before"),
    "after the plan": (Progress, "intend", "after"),
    "between segment and manifest": (LocalObjects, "create", "after"),
    "after the write": (ObjectSink, "write", "after"),
    "after settling": (Progress, "settle", "after"),
    "after the dead letter": (worker, "bury", "after"),
}[where]
whole, calls = getattr(owner, name), []

def dying(*arguments, **named):
    calls.append(1)
    if when == "before" and len(calls) == at:
        os._exit(9)
    done = whole(*arguments, **named)
    if when == "after" and len(calls) == at:
        os._exit(9)
    return done

setattr(owner, name, dying)
write = ObjectSink.write

def refusing(self, segment, place):
    if segment.documents[0]["caller"] == "odd":
        raise RecordRefused({segment.first: "odd"})
    return write(self, segment, place)

ObjectSink.write = refusing
shipper = Shipper(msgspec.json.decode(sys.stdin.buffer.read(), type=ShipperConfig))
shipper.ending.begin(600)
shipper.run()
"""
_write = ObjectSink.write


def _refusing(self, segment, place) -> bytes:
    """Refuse the records that the dead shipper's sink refused."""
    if segment.documents[0]["caller"] == "odd":
        raise RecordRefused({segment.first: "odd"})
    return _write(self, segment, place)


_PLACES = (
    "before the plan",
    "after the plan",
    "between segment and manifest",
    "after the write",
    "after settling",
    "after the dead letter",
)


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("where", _PLACES)
def test_a_crash_at_any_step_loses_and_repeats_nothing(
    where, at, make_config, left, tmp_path, folder, monkeypatch
) -> None:
    """A crash at each step of a first and of a later plan loses and repeats nothing."""
    _, ids = left(range(1, 8))
    left([8], caller="odd")
    left([9], caller="odd")
    config = make_config(sinks=(FolderSettings(path=str(tmp_path / "record")),), batch_records=3)
    command = [sys.executable, "-c", _DYING, where, str(at)]
    assert subprocess.run(command, input=msgspec.json.encode(config), check=False).returncode == 9
    monkeypatch.setattr(ObjectSink, "write", _refusing)
    one = Shipper(config)
    one.ending.begin(600)
    one.run()
    assert sorted(each["decision_id"] for each in stored(tmp_path / "record")) == ids
    assert len(list(folder.glob("dead/folder/*"))) == 2


def stored(folder: Path) -> list[dict[str, object]]:
    """Return the documents of all segments."""
    parquet = Parquet()
    return [each for path in folder.glob("dt=*/*/*.parquet") for each in parquet.decode(path.read_bytes())]


def test_a_restarted_shipper_sends_nothing_twice(make_config, left, tmp_path) -> None:
    """A shipper that is restarted many times sends each record once."""
    _, ids = left(range(1, 8))
    config = make_config(sinks=(FolderSettings(path=str(tmp_path / "record")),))
    for _ in range(3):
        one = Shipper(config)
        one.ending.begin(600)
        ship(config, one)
    assert sorted(each["decision_id"] for each in stored(tmp_path / "record")) == ids
