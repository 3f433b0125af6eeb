"""When the progress is lost or damaged, the shipper asks each sink which records it has."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter

import pytest

from customer_risk.model.errors import CustomerRiskError
from customer_risk.serving.record.outbox.file import QUARANTINE
from customer_risk.serving.record.shipper.progress import IDENTITY, NAME, Progress, read_end
from customer_risk.serving.record.shipper.shipper import ProgressDamaged, Shipper
from customer_risk.serving.record.sinks.factory import open_objects, open_sink
from customer_risk.serving.record.sinks.interface import SinkUnavailable
from customer_risk.serving.record.sinks.manifest import Link
from customer_risk.serving.record.sinks.search import find
from customer_risk.serving.record.sinks.settings import FolderSettings
from customer_risk.serving.record.sinks.verification import verify


def _remove(folder) -> None:
    (folder / NAME).unlink()


def _remove_all(folder) -> None:
    for path in folder.glob(f"{NAME}*"):
        path.unlink()


def _overwrite(folder) -> None:
    (folder / NAME).write_bytes(b"no database" * 5000)


def _overwrite_the_middle(folder) -> None:
    with (folder / NAME).open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)


LOSSES = [_remove, _remove_all, _overwrite, _overwrite_the_middle]


@pytest.fixture
def record(tmp_path) -> FolderSettings:
    """The settings of the folder to ship to."""
    return FolderSettings(path=str(tmp_path / "record"))


@pytest.fixture
def ship(make_config, record):
    """Return a function that ships the outbox, to other sinks if they are given, and returns the status."""

    def run(open_sinks=None, **settings):
        shipper = Shipper(make_config(sinks=(record,), **settings), open_sinks)
        shipper.ending.begin(600)
        return shipper.run()

    return run


def _stored(record) -> Counter[str]:
    return Counter(each["decision_id"] for each in find(open_objects(record)))


@pytest.mark.parametrize("lose", LOSSES)
def test_nothing_is_stored_twice_after_the_progress_is_lost(ship, left, folder, record, lose) -> None:
    """Files that were shipped whole, in part or not at all continue where they were, in the same chain."""
    whole = left(range(1, 11))[1] + left(range(11, 16))[1]
    ship(batch_records=4)
    shipper, _ = read_end(folder, "folder")
    more = left(range(20, 30))[1]
    lose(folder)
    ship(batch_records=7)
    assert _stored(record) == Counter(whole + more)
    now, place = read_end(folder, "folder")
    assert now == shipper
    report = verify(open_objects(record), ends={now: Link.read(place)})
    assert (report.problems, report.records) == ((), 25)


@pytest.mark.parametrize("lose", LOSSES)
def test_an_open_file_continues_after_the_loss(ship, put, outbox, folder, record, lose) -> None:
    """Records that are written after the loss follow those that were shipped before, each once."""
    ids = put(outbox, range(1, 8))
    first = _step(folder, record)
    lose(folder)
    ids += put(outbox, range(8, 12))
    outbox.close()
    ship()
    assert first == 7
    assert _stored(record) == Counter(ids)
    assert verify(open_objects(record)).ok


def _step(folder, record) -> int:
    """Ship the due records of a file that is still written, and return how many there were."""
    from customer_risk.serving.record.shipper.files import Files
    from customer_risk.serving.record.shipper.settings import ShipSettings
    from customer_risk.serving.record.shipper.sink_worker import SinkWorker

    progress = Progress(folder)
    worker = SinkWorker(open_sink(record, progress.shipper), folder, Files(folder), progress, ShipSettings())
    worker.step(hurry=True)
    progress.close()
    return worker.counts.shipped


@pytest.mark.parametrize("lose", LOSSES)
def test_a_segment_that_no_manifest_names_yet_is_named(ship, left, folder, record, lose) -> None:
    """If the shipper was killed between segment and manifest, the segment is named and not written again."""
    ids = left(range(1, 11))[1]
    ship(batch_records=5)
    manifests = sorted((folder.parent / "record" / "manifest").rglob("*.json"))
    manifests[-1].unlink()
    lose(folder)
    ship(batch_records=1000)
    assert _stored(record) == Counter(ids)
    report = verify(open_objects(record))
    assert (report.problems, report.segments) == ((), 2)


def test_a_first_segment_that_no_manifest_names_yet_is_named(ship, left, folder, record) -> None:
    """A first segment without a manifest is named, although there is no chain yet."""
    ids = left(range(1, 6))[1]
    ship()
    shutil.rmtree(folder.parent / "record" / "manifest")
    _remove_all(folder)
    ship()
    assert _stored(record) == Counter(ids)
    assert verify(open_objects(record)).ok


def test_the_outboxs_chain_is_found_among_others(ship, left, folder, record, tmp_path) -> None:
    """If the identity is lost too, the outbox's chain is found among others by its files."""
    other = tmp_path / "other"
    other.mkdir()
    left(range(1, 6))
    ship()
    for path in folder.iterdir():
        shutil.move(path, other)
    mine = left(range(10, 15))[1]
    ship()
    shipper, _ = read_end(folder, "folder")
    _remove_all(folder)
    mine += left(range(15, 20))[1]
    ship()
    assert read_end(folder, "folder")[0] == shipper
    assert verify(open_objects(record)).ok
    assert sum(_stored(record).values()) == 5 + len(mine)


@pytest.mark.parametrize("killed", [False, True])
def test_a_segment_that_an_older_manifest_names_gets_no_second_one(
    ship, put, left, outbox, folder, record, killed
) -> None:
    """If the last manifest names a removed file, all manifests are read, and each segment gets one manifest."""
    ids = put(outbox, range(1, 8))
    _step(folder, record)
    file, more = left(range(10, 15))
    assert _step(folder, record) == len(more)
    file.remove()
    if killed:
        ids += put(outbox, range(20, 24))
        assert _step(folder, record) == 4
        max((folder.parent / "record" / "manifest").rglob("*.json")).unlink()
    _remove_all(folder)
    ids += put(outbox, range(30, 33))
    outbox.close()
    ship()
    assert _stored(record) == Counter(ids + more)
    assert verify(open_objects(record)).problems == ()


def test_a_segment_of_another_release_is_kept(ship, make_config, left, record) -> None:
    """A segment with other bytes than this release writes is kept, and a manifest names it."""
    ids = left(range(1, 6))[1]

    def older(shipper: str):
        sink = open_sink(record, shipper)
        encode = sink._encode
        sink._encode = lambda documents: encode(list(reversed(list(documents))))

        def create(key: str, data: bytes) -> bool:
            if key.startswith("manifest/"):
                raise SinkUnavailable("Killed.", remedy="")
            return type(sink._objects).create(sink._objects, key, data)

        sink._objects.create = create
        return [sink]

    shipper = Shipper(make_config(sinks=(record,)), older)
    shipper.ending.begin(1)
    shipper.run()
    ship()
    assert _stored(record) == Counter(ids)
    assert verify(open_objects(record)).ok


def test_a_damaged_progress_is_quarantined_and_counted(ship, left, folder, caplog) -> None:
    """A damaged progress is moved to quarantine, counted once and logged in one line."""
    left(range(1, 6))
    ship()
    _overwrite(folder)
    assert ship().quarantined == 1
    assert ship().quarantined == 0
    assert [path.name.partition("-")[2] for path in (folder / QUARANTINE).iterdir() if path.name.endswith(NAME)] == [
        NAME
    ]
    assert sum("is damaged" in each.getMessage() for each in caplog.records) == 1


def test_an_unavailable_sink_is_queried_again(ship, make_config, left, folder, record, tmp_path) -> None:
    """If a sink can't say which records it has, nothing is written to it, and it is asked again."""
    ids = left(range(1, 6))[1]
    ship()
    _remove(folder)
    (tmp_path / "record").rename(tmp_path / "aside")
    (tmp_path / "record").write_bytes(b"")

    def opened(shipper: str):
        sink = open_sink(record, shipper)
        sink.check = lambda: None
        return [sink]

    shipper = Shipper(make_config(sinks=(record,)), opened)
    shipper.ending.begin(1)
    assert shipper.run().sinks["folder"].lag_records == 5
    (tmp_path / "record").unlink()
    (tmp_path / "aside").rename(tmp_path / "record")
    ship()
    assert _stored(record) == Counter(ids)


def test_a_progress_that_is_damaged_meanwhile_ends_the_shipper(make_config, left, folder, record) -> None:
    """A progress that is damaged while the shipper works ends it, and the next shipper asks the sinks."""
    left(range(1, 6))
    shipper = Shipper(make_config(sinks=(record,)))
    measure = Shipper._tick

    def tick() -> None:
        _overwrite(folder)
        measure(shipper)

    shipper._tick = tick
    with pytest.raises(ProgressDamaged, match="damaged"):
        shipper.run()
    assert issubclass(ProgressDamaged, CustomerRiskError)


def test_reading_the_end_changes_nothing(folder) -> None:
    """Reading the end of a chain doesn't change a damaged file."""
    _overwrite(folder)
    before = (folder / NAME).read_bytes()
    with pytest.raises(sqlite3.DatabaseError):
        read_end(folder, "folder")
    assert (folder / NAME).read_bytes() == before


def test_a_progress_of_an_older_release_is_used(folder) -> None:
    """With the progress of an older release, no sink is asked, and the identity is stored beside it."""
    progress = Progress(folder)
    progress._base.execute("DELETE FROM meta WHERE key = 'new'")
    shipper = progress.shipper
    progress.close()
    (folder / IDENTITY).unlink()
    again = Progress(folder)
    assert not again.lost("folder")
    assert (again.shipper, (folder / IDENTITY).read_text()) == (shipper, shipper)
    again.close()
