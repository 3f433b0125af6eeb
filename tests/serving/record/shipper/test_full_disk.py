"""What a shipper leaves on a full disk: no partial file and no open descriptor."""

from __future__ import annotations

import contextlib
import gc
import os
import sqlite3
import time

import msgspec
import pytest

from customer_risk.serving.errors import RecordUnavailable
from customer_risk.serving.record.outbox.file import QUARANTINE
from customer_risk.serving.record.outbox.records_file import RecordsFile
from customer_risk.serving.record.outbox.writer import Outbox
from customer_risk.serving.record.shipper.progress import Progress
from customer_risk.serving.record.shipper.shipper import Shipper
from customer_risk.serving.record.shipper.spool import recover, spool
from customer_risk.serving.record.shipper.status import Status
from customer_risk.serving.record.sinks.folder import LocalObjects
from customer_risk.serving.record.sinks.interface import SinkUnavailable
from tests.failing_disk import full_disk


@pytest.fixture
def descriptors():
    """Return a function that counts this process's open descriptors, without those of uncollected garbage."""
    gc.disable()
    yield lambda: len(os.listdir("/proc/self/fd"))  # noqa: PTH208  names are enough
    gc.enable()


def test_progress_that_cant_be_written_is_closed(disk, descriptors) -> None:
    """Failed attempts to open the progress leave no descriptor open; once there is space, the progress opens."""
    folder = disk / "outbox"
    folder.mkdir()
    before, kept = descriptors(), []
    with full_disk(folder):
        for _ in range(20):
            with pytest.raises(sqlite3.OperationalError) as error:
                Progress(folder)
            kept.append(error)  # a pending log record keeps the error, too
        assert descriptors() == before
    Progress(folder).close()


def test_a_spool_without_room_keeps_no_partial_copy(left, folder, disk, progress) -> None:
    """If the spool has no space, the outbox keeps its files, its shipper goes on, and no partial copy is left."""
    file, _ = left(range(1, 20))
    shelf = disk / "spool"
    shelf.mkdir()
    shipper = progress.shipper
    progress.close()
    kept = sorted(folder.iterdir())
    with full_disk(shelf):
        for _ in range(3):
            with pytest.raises(OSError, match="No space"):
                spool(folder, shelf, shipper)
        assert not list(shelf.iterdir())
    recover(folder, shelf)
    assert (sorted(folder.iterdir()), file.last()) == (kept, 19)
    spool(folder, shelf, shipper)
    assert [path.name for path in shelf.iterdir()] == [shipper]
    assert RecordsFile(shelf / shipper / file.path.name).last() == 19


def test_a_status_that_cant_be_written_leaves_nothing(disk) -> None:
    """A status that can't be written leaves no temporary file."""
    folder = disk / "outbox"
    folder.mkdir()
    with full_disk(folder):
        with pytest.raises(OSError, match="No space"):
            Status(at=0.0).write(folder)
        assert not list(folder.iterdir())


def test_a_segment_that_cant_be_written_leaves_nothing(disk, descriptors) -> None:
    """A segment that can't be written leaves no temporary file and no open descriptor."""
    objects = LocalObjects(disk / "record")
    assert objects.create("first", b"x")
    names, before = sorted((disk / "record").rglob("*")), descriptors()
    with full_disk(disk / "record"):
        for _ in range(20):
            with pytest.raises(SinkUnavailable):
                objects.create("segment", bytes(100_000))
        assert (sorted((disk / "record").rglob("*")), descriptors()) == (names, before)
    assert objects.create("segment", bytes(100_000))


def test_a_failed_quarantine_leaves_nothing(left, disk) -> None:
    """A damaged record is quarantined whole once there is space; before that, no file is left."""
    file, _ = left(range(1, 4), caller="damage-me" * 1000)
    data = file.path.read_bytes()
    moved = disk / "outbox" / file.path.name
    moved.parent.mkdir()
    moved.write_bytes(data.replace(b"damage-me", b"damaged!!", 1))
    read, aside = RecordsFile(moved, quarantine=True), moved.parent / QUARANTINE
    aside.mkdir()
    with full_disk(moved.parent):
        with pytest.raises(OSError, match="No space"):
            read.read(0, 10)
        assert not list(aside.iterdir())
    assert [kept.seq for kept in read.read(0, 10)] == [2, 3]
    assert [path.stat().st_size > 9000 for path in aside.iterdir()] == [True]


def test_shipping_frees_a_full_disk(disk, make_config, told, put, running, until) -> None:
    """Shipping frees a disk that is full of records; new records are then accepted, and each record is shipped once."""
    folder, sink = disk / "outbox", told()
    folder.mkdir()
    Progress(folder).close()  # the progress of an earlier shipper
    outbox, ids = Outbox(folder, most_bytes=10**9, file_bytes=200_000), []
    with contextlib.suppress(RecordUnavailable):
        while True:
            ids += put(outbox, [len(ids)])
    assert outbox.failing
    running(
        Shipper(
            msgspec.structs.replace(make_config(keep_seconds=0, batch_seconds=0.1), folder=str(folder)),
            lambda _: [sink],
        )
    )
    until(lambda: not outbox.failing)
    ids += put(outbox, [len(ids)])
    outbox.close()
    until(lambda: len(sink.ids) >= len(ids))
    assert sorted(sink.ids) == sorted(ids)


def test_a_full_disk_is_logged_once(make_config, disk, told, caplog, running, until) -> None:
    """A full disk is logged once, not every second, while shipping goes on."""
    folder = disk / "outbox"
    shipper = Shipper(msgspec.structs.replace(make_config(), folder=str(folder)), lambda _: [told()])
    running(shipper)
    until((folder / "status.json").exists)
    with full_disk(folder):
        time.sleep(2.5)
    before = shipper.status.at
    until(lambda: shipper.status.at > before)
    assert caplog.text.count("the outbox can't be cleaned or measured") == 1
