"""The shipper as a whole: independent sinks, one shipper at a time, and its end."""

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
    """Return a function that makes a shipper to some sinks."""
    return lambda *sinks, **settings: Shipper(make_config(**settings), lambda _: sinks)


def test_records_of_running_writers_are_shipped(shipper, told, outbox, put, running, until) -> None:
    """Records of running writers are shipped, including writers that start later."""
    sink = told()
    running(shipper(sink, batch_seconds=0.05))
    ids = put(outbox, [1, 2])
    until(lambda: sink.ids == ids)
    ids += put(outbox, [3])
    until(lambda: sink.ids == ids)


def test_an_unavailable_sink_does_not_block_others(shipper, told, left, down, running, until) -> None:
    """While one sink is down, the other gets everything; the first catches up later."""
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
    """A second shipper waits until the first ends, and continues where it ended."""
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
    """A waiting shipper can be ended."""
    first, second = shipper(told()), shipper(told())
    running(first)
    until(lambda: first.status.at)
    thread = running(second)
    second.ending.begin(5)
    thread.join(600)
    assert not thread.is_alive()


def test_the_end_waits_for_remaining_records(shipper, told, left, caplog) -> None:
    """At its end the shipper ships all records, if there is time, and logs that no record is left."""
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
    """Records that a server writes while it drains are shipped."""
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


def test_the_last_line_counts_remaining_records(shipper, told, left, down, caplog) -> None:
    """The last line counts the records and bytes that each sink lacks; other sinks get their records."""
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


def test_a_hanging_sink_does_not_delay_the_end(shipper, told, left) -> None:
    """A sink that hangs doesn't delay the end, and other sinks get everything."""
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


def test_an_unusable_sink_ends_the_start(shipper, told, left) -> None:
    """A sink that can't work ends the start before anything is shipped."""
    left([1])
    bad, good = told("bad"), told("good")
    bad.fault = ConfigError("no such table.", remedy="Make it.")
    with pytest.raises(ConfigError, match="table"):
        shipper(good, bad).run()
    assert not good.calls


def test_an_unavailable_sink_does_not_end_the_start(shipper, told, left, running, until) -> None:
    """A sink that is down at the start doesn't end the shipper."""
    _, ids = left([1])
    sink = told()
    sink.fault = SinkUnavailable("It is down.", remedy="Wait.")
    running(shipper(sink))
    until(lambda: sink.ids == ids)


def test_done_files_are_removed_while_it_runs(shipper, told, left, running, until, folder) -> None:
    """Done files are removed while the shipper runs."""
    left([1])
    running(shipper(told(), keep_seconds=0))
    until(lambda: not find_files(folder))


def test_the_status_is_written_to_the_outboxs_folder(shipper, told, left, running, until, folder) -> None:
    """The status is JSON in the outbox's folder, written every second."""
    left([1, 2])
    running(shipper(told()))
    until((folder / NAME).exists)
    first = msgspec.json.decode((folder / NAME).read_bytes(), type=Status)
    assert (first.files, list(first.sinks)) == (1, ["told"])
    until(lambda: msgspec.json.decode((folder / NAME).read_bytes(), type=Status).at > first.at)


def test_an_unreadable_outbox_is_read_again_later(shipper, told, left, running, until, folder) -> None:
    """A folder that can't be read for a while is read again later."""
    (folder / f".{NAME}.partial").mkdir()  # so that its status can't be written
    _, ids = left([1])
    sink = told()
    one = shipper(sink)
    running(one)
    until(lambda: sink.ids == ids)
    (folder / f".{NAME}.partial").rmdir()
    until((folder / NAME).exists)


def test_an_empty_list_of_sinks_is_refused(make_config) -> None:
    """An empty list of sinks is refused, with the name of the setting."""
    with pytest.raises(ConfigError, match=r"record\.ship\.sinks is empty"):
        ship(make_config())


def test_two_sinks_of_one_type_are_refused() -> None:
    """Two sinks of one type are refused, since progress is stored by type."""
    with pytest.raises(ConfigError, match="two of one type"):
        ShipSettings(sinks=(FolderSettings(path="a"), FolderSettings(path="b"))).check()


def test_settings_choose_the_sinks(make_config, left, tmp_path) -> None:
    """A folder in the settings gets the records."""
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
