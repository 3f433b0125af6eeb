"""The shipper as a whole: sinks that don't know of each other, one shipper at a time, and its end."""

from __future__ import annotations

import threading
import time

import msgspec
import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.serving.record.outbox.reader import find_files
from customer_risk.serving.record.shipper.settings import ShipSettings
from customer_risk.serving.record.shipper.shipper import Shipper, ship
from customer_risk.serving.record.shipper.status import NAME, Status
from customer_risk.serving.record.sinks.interface import SinkUnavailable
from customer_risk.serving.record.sinks.parquet import Parquet
from customer_risk.serving.record.sinks.settings import FolderSettings


@pytest.fixture
def shipper(make_config):
    """Make a shipper to some sinks."""
    return lambda *sinks, **settings: Shipper(make_config(**settings), lambda _: sinks)


def test_a_living_writers_records_are_shipped_as_they_come(shipper, told, outbox, put, running, until) -> None:
    """Also those of a process that begins to write later."""
    sink = told()
    running(shipper(sink, batch_seconds=0.05))
    ids = put(outbox, [1, 2])
    until(lambda: sink.ids == ids)
    ids += put(outbox, [3])
    until(lambda: sink.ids == ids)


def test_a_sink_that_is_down_holds_up_no_other(shipper, told, left, down, running, until) -> None:
    """The one gets everything meanwhile; the other does once it is back."""
    _, ids = left(range(1, 11))
    bad, good = told("bad"), told("good")
    bad.before = down
    one = shipper(bad, good, batch_records=3)
    running(one)
    until(lambda: good.ids == ids)
    until(lambda: "good" in one.status.sinks and one.status.sinks["good"].lag_records == 0)
    until(lambda: one.status.sinks["bad"].failures > 0)
    assert one.status.sinks["bad"].lag_records == 10
    assert "down" in one.status.sinks["bad"].error
    bad.before = lambda _: None
    until(lambda: bad.ids == ids)


def test_a_second_shipper_waits_for_the_first(shipper, told, left, running, until) -> None:
    """It ships nothing while the first lives, and goes on where that one ended."""
    _, ids = left([1, 2])
    sink = told()
    first, second = shipper(sink), shipper(sink)
    thread = running(first)
    until(lambda: sink.ids == ids)
    running(second)
    ids += left([3])[1]
    until(lambda: sink.ids == ids)
    assert second.status.at == 0
    first.ending.begin(5)
    thread.join(600)
    ids += left([4])[1]
    until(lambda: sink.ids == ids)
    until(lambda: second.status.at > 0)


def test_a_shipper_that_waits_can_be_ended(shipper, told, running, until) -> None:
    """Without having become the one."""
    first, second = shipper(told()), shipper(told())
    running(first)
    until(lambda: first.status.at)
    thread = running(second)
    second.ending.begin(5)
    thread.join(600)
    assert not thread.is_alive()


def test_the_end_waits_for_what_is_left(shipper, told, left, caplog) -> None:
    """All is shipped, however much waits, as long as there is time; the last line says so."""
    caplog.set_level("INFO", "serving.record")
    _, ids = left(range(1, 30))
    sink = told()
    sink.before = lambda _: time.sleep(0.02)
    one = shipper(sink, batch_records=2)
    one.ending.begin(600)
    one.run()
    assert sink.ids == ids
    assert "nothing is left" in caplog.messages[-1]


def test_the_end_waits_for_a_writer_that_ends_too(shipper, told, outbox, put, running) -> None:
    """What a server still answers while the pod ends is shipped."""
    sink = told()
    ids = put(outbox, [1])
    one = shipper(sink)
    one.ending.begin(600)
    thread = running(one)
    time.sleep(0.3)
    assert thread.is_alive()
    ids += put(outbox, [2])
    outbox.close()
    thread.join(600)
    assert not thread.is_alive()
    assert sink.ids == ids


def test_the_last_line_tells_what_is_left(shipper, told, left, down, caplog) -> None:
    """Records and bytes, for each sink that lacks some; what other sinks can take they get."""
    _, ids = left(range(1, 4))
    bad, good = told("bad"), told("good")
    bad.before = down
    one = shipper(bad, good)
    one.ending.begin(5)
    status = one.run()
    assert good.ids == ids
    assert (status.sinks["bad"].lag_records, status.sinks["good"].lag_records) == (3, 0)
    assert "3 records" in caplog.messages[-1]
    assert "bad" in caplog.messages[-1]
    assert "down" in caplog.messages[-1]


def test_a_sink_that_hangs_does_not_keep_the_shipper(shipper, told, left) -> None:
    """The end comes in time; other sinks get everything."""
    _, ids = left([1, 2])
    hangs, good, over = told("hangs"), told("good"), threading.Event()
    hangs.before = lambda _: over.wait(3600)
    one = shipper(hangs, good)
    one.ending.begin(5)
    begun = time.monotonic()
    one.run()
    assert time.monotonic() - begun < 600
    assert good.ids == ids
    over.set()


def test_a_sink_that_can_never_work_is_told_at_the_start(shipper, told, left) -> None:
    """Before anything is shipped."""
    left([1])
    bad, good = told("bad"), told("good")
    bad.fault = ConfigError("no such table.", remedy="Make it.")
    with pytest.raises(ConfigError, match="table"):
        shipper(good, bad).run()
    assert not good.calls


def test_a_sink_that_cannot_be_checked_now_is_tried_all_the_same(shipper, told, left, running, until) -> None:
    """A store that is down at the start doesn't end the shipper."""
    _, ids = left([1])
    sink = told()
    sink.fault = SinkUnavailable("It is down.", remedy="Wait.")
    running(shipper(sink))
    until(lambda: sink.ids == ids)


def test_done_files_are_removed_while_it_runs(shipper, told, left, running, until, folder) -> None:
    """Without anybody's help."""
    left([1])
    running(shipper(told(), keep_seconds=0))
    until(lambda: not find_files(folder))


def test_its_status_lies_beside_the_outbox(shipper, told, left, running, until, folder) -> None:
    """As JSON, written anew every second."""
    left([1, 2])
    running(shipper(told()))
    until((folder / NAME).exists)
    first = msgspec.json.decode((folder / NAME).read_bytes(), type=Status)
    assert (first.files, list(first.sinks)) == (1, ["told"])
    until(lambda: msgspec.json.decode((folder / NAME).read_bytes(), type=Status).at > first.at)


def test_an_outbox_that_cannot_be_looked_at_now_is_looked_at_again(shipper, told, left, running, until, folder) -> None:
    """A disk that fails for a while ends nothing."""
    (folder / f".{NAME}.partial").mkdir()  # so that its status can't be written
    _, ids = left([1])
    sink = told()
    one = shipper(sink)
    running(one)
    until(lambda: sink.ids == ids)
    (folder / f".{NAME}.partial").rmdir()
    until((folder / NAME).exists)


def test_shipping_to_nowhere_is_told_at_the_start(make_config) -> None:
    """The message names the setting."""
    with pytest.raises(ConfigError, match=r"record\.ship\.sinks is empty"):
        ship(make_config())


def test_two_sinks_of_one_type_are_told_at_the_start() -> None:
    """Their progress couldn't be told apart."""
    with pytest.raises(ConfigError, match="two of one type"):
        ShipSettings(sinks=(FolderSettings(path="a"), FolderSettings(path="b"))).check()


def test_settings_choose_the_sinks(make_config, left, tmp_path) -> None:
    """A folder in the settings ends up with the records."""
    _, ids = left(range(1, 8))
    config = make_config(sinks=(FolderSettings(path=str(tmp_path / "record")),), batch_records=3)
    one = Shipper(config)
    one.ending.begin(600)
    ship(config, one)
    found = [
        each["decision_id"]
        for path in (tmp_path / "record").glob("dt=*/*/*.parquet")
        for each in Parquet().decode(path.read_bytes())
    ]
    assert sorted(found) == ids
