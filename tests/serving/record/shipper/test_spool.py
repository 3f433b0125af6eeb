"""The spool: an ended pod's outbox is shipped by another pod, once."""

from __future__ import annotations

import shutil

import msgspec
import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.serving.record.outbox.reader import find_files
from customer_risk.serving.record.shipper import spool as module
from customer_risk.serving.record.shipper.lock import Lock
from customer_risk.serving.record.shipper.progress import NAME, Progress
from customer_risk.serving.record.shipper.shipper import Shipper
from customer_risk.serving.record.shipper.spool import recover, spool, spooled
from customer_risk.serving.record.sinks.interface import RecordRefused


@pytest.fixture
def shelf(tmp_path):
    """The spool's folder."""
    return tmp_path / "spool"


@pytest.fixture
def ended(make_config, shelf):
    """Return a function that runs a shipper which ends at once."""

    def end(sink, seconds: float = 0.3, **settings) -> None:
        shipper = Shipper(make_config(spool=str(shelf), **settings), lambda _: [sink])
        shipper.ending.begin(seconds)
        shipper.run()

    return end


@pytest.fixture
def adopting(shelf, tmp_path, make_config, running, until):
    """Return a function that runs another pod's shipper until the spool is empty."""

    def adopt(sink) -> Shipper:
        elsewhere = msgspec.structs.replace(make_config(spool=str(shelf)), folder=str(tmp_path / "another"))
        shipper = Shipper(elsewhere, lambda _: [sink])
        running(shipper)
        until(lambda: not spooled(shelf))
        return shipper

    return adopt


def test_remaining_records_are_shipped_by_another_pod(told, left, down, ended, adopting, shelf, folder) -> None:
    """The pending plan is shipped first, then the rest, each record once; both folders are then empty."""
    _, ids = left(range(1, 8))
    sink = told()
    sink.after = lambda segment: setattr(sink, "before", down) or down(segment)  # written, but the response is lost
    ended(sink, batch_records=3)
    assert not find_files(folder)
    assert len(sink.segments) == 1
    sink.before = sink.after = lambda _: None
    shipper = adopting(sink)
    assert sink.ids == ids
    assert not list(shelf.iterdir())
    assert shipper.status.sinks["told"].lag_records == 0


def test_counts_include_adopted_outboxes(told, left, down, ended, adopting, until) -> None:
    """A shipper's counts include those of the outboxes that it adopted."""
    left(range(1, 4))
    sink = told()
    sink.before = down
    ended(sink)
    sink.before = lambda _: None
    shipper = adopting(sink)
    until(lambda: shipper.status.adopted == 0 and shipper.status.sinks["told"].shipped == 3)


def test_an_identity_leaves_with_its_outbox(told, left, down, ended, shelf, folder) -> None:
    """A container that starts again in the old folder has another identity."""
    left([1])
    sink = told()
    sink.before = down
    ended(sink)
    (place,) = spooled(shelf)
    there, here = Progress(place), Progress(folder)
    assert there.shipper == place.name != here.shipper
    there.close()
    here.close()


def test_nothing_is_spooled_if_all_is_shipped(told, left, ended, shelf, folder) -> None:
    """If all records are shipped, the files stay in the outbox."""
    left([1])
    ended(told(), seconds=10)
    assert find_files(folder)
    assert spooled(shelf) == []


def test_an_outbox_that_is_still_written_is_not_moved(told, outbox, put, down, ended, shelf, folder, caplog) -> None:
    """An outbox with a running writer isn't moved, and the log says so."""
    put(outbox, [1])
    sink = told()
    sink.before = down
    ended(sink)
    assert find_files(folder)
    assert spooled(shelf) == []
    assert "still writes" in caplog.text


def test_an_early_interrupted_move_is_undone(left, shelf, folder, monkeypatch) -> None:
    """A move that was interrupted before the rename is undone."""
    _, ids = left([1, 2])
    shipper = _cut_short(folder, shelf, monkeypatch, "sync_tree")
    recover(folder, shelf)
    assert find_files(folder)[0].last() == len(ids)
    shipper_again = Progress(folder)
    assert shipper_again.shipper == shipper
    shipper_again.close()
    _cut_short(folder, shelf, monkeypatch, "write_file", after=True)
    recover(folder, shelf)
    assert find_files(folder)[0].last() == len(ids)
    assert not list(shelf.iterdir())


def test_a_late_interrupted_move_is_completed(left, shelf, folder, monkeypatch) -> None:
    """A move that was interrupted after the rename is completed, even if another pod has shipped the copy."""
    left([1, 2])
    _cut_short(folder, shelf, monkeypatch, "sync_folder")
    assert find_files(folder)
    shutil.rmtree(spooled(shelf)[0])
    recover(folder, shelf)
    assert not find_files(folder)
    assert not (folder / NAME).exists()


def _cut_short(folder, shelf, monkeypatch, where: str, *, after: bool = False) -> str:
    """Begin a move that fails in one of its steps."""
    progress = Progress(folder)
    progress.close()
    done = getattr(module, where)

    def cut(*arguments) -> None:
        if after:
            done(*arguments)
        raise OSError("power")

    monkeypatch.setattr(module, where, cut)
    with pytest.raises(OSError, match="power"):
        spool(folder, shelf, progress.shipper)
    monkeypatch.setattr(module, where, done)
    return progress.shipper


def test_a_missing_spool_is_refused(left, shelf, folder, monkeypatch) -> None:
    """If a move was interrupted and the spool is missing, the shipper refuses to start."""
    left([1])
    _cut_short(folder, shelf, monkeypatch, "sync_folder")
    for missing in (None, shelf.with_name("unmounted")):
        with pytest.raises(ConfigError, match="spool"):
            recover(folder, missing)
    assert find_files(folder)


def test_two_adopters_do_not_ship_one_outbox(told, left, down, ended, shelf, make_config) -> None:
    """A second shipper leaves an adopted outbox alone."""
    left([1])
    sink = told()
    sink.before = down
    ended(sink)
    (place,) = spooled(shelf)
    lock = Lock(place)
    assert lock.take()
    other = Shipper(msgspec.structs.replace(make_config(), folder=str(place)), lambda _: [told()], adopted=True)
    other.run()
    assert spooled(shelf) == [place]
    lock.release()


def test_dead_letters_outlive_their_outbox(told, left, ended, adopting, shelf) -> None:
    """Dead letters are moved with the outbox, and stay in the spool."""
    left([1, 2])
    sink = told()

    def refuse(segment) -> None:
        if 1 in segment.numbers:
            raise RecordRefused({1: "no"})

    sink.before = refuse
    ended(sink, seconds=10)
    adopting(sink)
    (kept,) = shelf.iterdir()
    assert kept.suffix == ".letters"
    assert len(list(kept.glob("dead/told/*.ndjson"))) == 1
