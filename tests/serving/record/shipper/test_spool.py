"""The spool: what a pod leaves, another ships, once."""

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
    """Run a shipper that is told to end at once."""

    def end(sink, seconds: float = 0.3, **settings) -> None:
        shipper = Shipper(make_config(spool=str(shelf), **settings), lambda _: [sink])
        shipper.ending.begin(seconds)
        shipper.run()

    return end


@pytest.fixture
def adopting(shelf, tmp_path, make_config, running, until):
    """Run another pod's shipper until the spool is empty."""

    def adopt(sink) -> Shipper:
        elsewhere = msgspec.structs.replace(make_config(spool=str(shelf)), folder=str(tmp_path / "another"))
        shipper = Shipper(elsewhere, lambda _: [sink])
        running(shipper)
        until(lambda: not spooled(shelf))
        return shipper

    return adopt


def test_what_a_drain_leaves_is_shipped_by_another_pod(told, left, down, ended, adopting, shelf, folder) -> None:
    """The pending plan first, then the rest, each record once; nothing stays in either place."""
    _, ids = left(range(1, 8))
    sink = told()
    sink.after = lambda segment: setattr(sink, "before", down) or down(segment)  # written, but nobody hears
    ended(sink, batch_records=3)
    assert not find_files(folder)
    assert len(sink.segments) == 1
    sink.before = sink.after = lambda _: None
    shipper = adopting(sink)
    assert sink.ids == ids
    assert not list(shelf.iterdir())
    assert shipper.status.sinks["told"].lag_records == 0


def test_what_was_shipped_by_an_adopter_stays_counted(told, left, down, ended, adopting, until) -> None:
    """Its own figures include those of what it took over."""
    left(range(1, 4))
    sink = told()
    sink.before = down
    ended(sink)
    sink.before = lambda _: None
    shipper = adopting(sink)
    until(lambda: shipper.status.adopted == 0 and shipper.status.sinks["told"].shipped == 3)


def test_an_identity_leaves_with_its_outbox(told, left, down, ended, shelf, folder) -> None:
    """A container that starts again in the old place is somebody else."""
    left([1])
    sink = told()
    sink.before = down
    ended(sink)
    (place,) = spooled(shelf)
    there, here = Progress(place), Progress(folder)
    assert there.shipper == place.name != here.shipper
    there.close()
    here.close()


def test_nothing_is_spooled_where_all_is_shipped(told, left, ended, shelf, folder) -> None:
    """Shipped files stay where they are."""
    left([1])
    ended(told(), seconds=10)
    assert find_files(folder)
    assert spooled(shelf) == []


def test_an_outbox_that_is_still_written_is_not_moved(told, outbox, put, down, ended, shelf, folder, caplog) -> None:
    """It couldn't be moved whole; the log says so."""
    put(outbox, [1])
    sink = told()
    sink.before = down
    ended(sink)
    assert find_files(folder)
    assert spooled(shelf) == []
    assert "still writes" in caplog.text


def test_a_move_that_was_cut_short_before_its_end_never_was(left, shelf, folder, monkeypatch) -> None:
    """The copy is thrown away, and the outbox is as it was."""
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


def test_a_move_that_was_cut_short_after_its_end_is_finished(left, shelf, folder, monkeypatch) -> None:
    """What was renamed counts, also where another pod has shipped and removed it meanwhile."""
    left([1, 2])
    _cut_short(folder, shelf, monkeypatch, "sync_folder")
    assert find_files(folder)
    shutil.rmtree(spooled(shelf)[0])
    recover(folder, shelf)
    assert not find_files(folder)
    assert not (folder / NAME).exists()


def _cut_short(folder, shelf, monkeypatch, where: str, *, after: bool = False) -> str:
    """Begin a move that ends with an error in one of its steps."""
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


def test_a_spool_that_is_not_there_is_told(left, shelf, folder, monkeypatch) -> None:
    """Where a move was cut short, nothing is decided without it."""
    left([1])
    _cut_short(folder, shelf, monkeypatch, "sync_folder")
    for missing in (None, shelf.with_name("unmounted")):
        with pytest.raises(ConfigError, match="spool"):
            recover(folder, missing)
    assert find_files(folder)


def test_two_adopters_do_not_ship_one_outbox(told, left, down, ended, shelf, make_config) -> None:
    """The one that comes second leaves it alone."""
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
    """They leave with it, and stay in the spool for somebody to look at."""
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
