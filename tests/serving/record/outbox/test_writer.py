"""The outbox's writer, and what readers find of its files."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from customer_risk.serving.errors import RecordUnavailable
from customer_risk.serving.record.outbox import writer
from customer_risk.serving.record.outbox.file import QUARANTINE, OutboxFile
from customer_risk.serving.record.outbox.reader import find_files
from customer_risk.serving.record.outbox.writer import Outbox


@pytest.fixture(autouse=True)
def _quick(monkeypatch) -> None:
    """Shorten the interval between the outbox's checks of its disk to 0.1 s."""
    monkeypatch.setattr(writer, "_TICK_SECONDS", 0.1)


@pytest.fixture
def folder(tmp_path) -> Path:
    """The path of the outbox."""
    return tmp_path / "outbox"


@pytest.fixture
def outbox(folder):
    """An outbox of a megabyte, in files of a hundred thousand bytes."""
    made = Outbox(folder, most_bytes=1_000_000, file_bytes=100_000)
    yield made
    made.close()


def bodies(folder: Path) -> list[bytes]:
    """Return all records, in order."""
    return [kept.body for file in find_files(folder) for kept in file.read(0, 100_000)]


def test_committed_records_are_found(outbox, folder) -> None:
    """Committed records are found in order, with numbers from 1 on and their names."""
    outbox.add(b"a", ("x", "y"), "h")
    outbox.add(b"b", ("x", "y"), "h")
    outbox.commit()
    (file,) = find_files(folder)
    assert [(kept.seq, kept.body) for kept in file.read(0, 10)] == [(1, b"a"), (2, b"b")]
    assert (file.last(), file.read(1, 10)[0].seq, file.read(0, 1)[0].seq) == (2, 2, 1)
    assert file.names("h") == ("x", "y")


def test_an_uncommitted_record_is_not_found(outbox, folder) -> None:
    """A record without a commit isn't found."""
    outbox.add(b"a")
    assert bodies(folder) == []


def test_the_lock_shows_whether_the_writer_is_alive(outbox, folder) -> None:
    """The file's lock shows whether its writer is alive."""
    outbox.add(b"a")
    outbox.commit()
    (file,) = find_files(folder)
    assert file.alive
    outbox.close()
    assert not file.alive


_DYING = """
import os, sys
from pathlib import Path
from customer_risk.serving.record.outbox.writer import Outbox
outbox = Outbox(Path(sys.argv[1]), most_bytes=10**7, file_bytes=10**6)
for number in range(100):
    outbox.add(b"%d" % number)
outbox.commit()
outbox.add(b"perhaps")
os.kill(os.getpid(), 9)
"""


def test_committed_records_of_a_killed_process_are_found(folder) -> None:
    """Every committed record of a killed process is found, and a record that it wrote without a commit may be."""
    subprocess.run([sys.executable, "-c", _DYING, folder], check=False)
    assert bodies(folder) == [*(b"%d" % number for number in range(100)), b"perhaps"]
    assert not any(file.alive for file in find_files(folder))


def test_a_file_is_followed_by_another_after_a_time(folder) -> None:
    """A file with records ends after `file_seconds`, even without new records; an empty file stays in use."""
    outbox = Outbox(folder, most_bytes=10**7, file_bytes=10**6, file_seconds=0.2)
    time.sleep(0.5)
    (first,) = find_files(folder)
    outbox.add(b"a")
    outbox.commit()
    deadline = time.monotonic() + 600
    while first.alive:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    outbox.add(b"b")
    outbox.commit()
    _, second = find_files(folder)
    assert ([kept.body for kept in first.read(0, 9)], [kept.body for kept in second.read(0, 9)]) == ([b"a"], [b"b"])
    outbox.close()


def test_processes_share_the_space_of_a_small_outbox(folder) -> None:
    """Eight writers can all write although `file_bytes` is a quarter of the outbox: their files get smaller."""
    outboxes = [Outbox(folder, most_bytes=16 << 20, file_bytes=4 << 20) for _ in range(8)]
    for outbox in outboxes:
        outbox.add(b"a")
        outbox.commit()
    assert bodies(folder) == [b"a"] * 8
    assert sum(file.size() for file in find_files(folder)) <= 16 << 20
    for outbox in outboxes:
        outbox.close()


def test_a_commit_after_a_failure_keeps_later_records(folder) -> None:
    """A commit that reports lost records also commits those that were written after the failure."""
    outbox = Outbox(folder, most_bytes=10**7, file_bytes=10**6)
    outbox.add(b"lost")
    (file,) = find_files(folder)
    file.path.unlink()
    deadline = time.monotonic() + 600
    while not outbox.failing:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    while outbox.failing:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    outbox.add(b"kept")
    with pytest.raises(RecordUnavailable) as error:
        outbox.commit()
    assert error.value.records == 1
    assert bodies(folder) == [b"kept"]
    outbox.close()


@pytest.mark.parametrize("size", [9_900, 10_000, *range(30_000, 30_008), 400_000])
def test_a_record_larger_than_a_file_gets_a_file_of_its_size(folder, size) -> None:
    """A record that needs more than `file_bytes`, with the names of its features, is kept, and the next record too."""
    outbox = Outbox(folder, most_bytes=10**7, file_bytes=10_000)
    written = [b"x" * size, b"y"]
    for body in written:
        outbox.add(body, ("feature_1", "feature_2"), "0123456789abcdef")
        outbox.commit()
    outbox.close()  # until then, a thread may remove a file in which there was no space for a record
    assert bodies(folder) == written


def test_a_full_file_is_followed_by_another(outbox, folder) -> None:
    """Records stay in order over several files."""
    for number in range(30):
        outbox.add(b"%02d" % number * 5000)
        outbox.commit()
    assert [body[:2] for body in bodies(folder)] == [b"%02d" % number for number in range(30)]
    assert len(find_files(folder)) > 2


def fill(outbox: Outbox) -> None:
    """Write a megabyte."""
    for _ in range(100):
        outbox.add(b"x" * 10_000)
        outbox.commit()


def test_a_full_outbox_refuses_records(folder) -> None:
    """A full outbox refuses records until files are removed from it."""
    outbox = Outbox(folder, most_bytes=200_000, file_bytes=20_000)
    with pytest.raises(RecordUnavailable, match="full"):
        fill(outbox)
    deadline = time.monotonic() + 600
    while True:  # threads close the files that are full
        for file in find_files(folder):
            if not file.alive:
                file.remove()
        try:
            outbox.add(b"y")
            break
        except RecordUnavailable:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    outbox.commit()
    assert bodies(folder)[-1] == b"y"
    outbox.close()


def test_the_next_file_is_ready_before_it_is_needed(outbox, folder) -> None:
    """The next file is made before it is needed, and an empty file is removed at the end."""
    for _ in range(7):
        outbox.add(b"x" * 10_000)
        outbox.commit()
    deadline = time.monotonic() + 600
    while len(find_files(folder)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert [file.last() for file in find_files(folder)] == [7, 0]
    outbox.close()
    assert [file.last() for file in find_files(folder)] == [7]


def test_a_clock_that_goes_back_keeps_the_order(folder) -> None:
    """Files are found in the order of writing, even if the clock goes back."""
    times = itertools.chain((2000.0,), itertools.repeat(1000.0))
    outbox = Outbox(folder, most_bytes=10**7, file_bytes=10, clock=lambda: next(times))
    for body in (b"first", b"x" * 20, b"second"):
        outbox.add(body)
        outbox.commit()
        time.sleep(0.05)
    outbox.close()  # until then, a thread may remove a file in which there was no space for a record
    assert bodies(folder) == [b"first", b"x" * 20, b"second"]


def spoil(path: Path, what: bytes, by: bytes) -> None:
    """Change bytes on the disk."""
    data = path.read_bytes()
    assert what in data
    path.write_bytes(data.replace(what, by))


@pytest.fixture
def closed(folder) -> OutboxFile:
    """A file of 50 records whose writer is gone."""
    outbox = Outbox(folder, most_bytes=1_000_000, file_bytes=200_000)
    for number in range(50):
        outbox.add(b"record-%02d-" % number + b"x" * 2000)
    outbox.commit()
    outbox.close()
    (file,) = find_files(folder, quarantine=True)
    return file


def test_a_changed_record_is_quarantined_and_counted(closed, folder) -> None:
    """A changed record is counted and moved to quarantine, and the other records are read."""
    spoil(closed.path, b"record-07-", b"record-O7-")
    assert [kept.seq for kept in closed.read(0, 100)] == [seq for seq in range(1, 51) if seq != 8]
    assert closed.damaged == 1
    assert (folder / QUARANTINE / f"{closed.source}-8.record").read_bytes().startswith(b"record-O7-")


def test_a_lost_page_loses_only_its_records(closed) -> None:
    """Whatever page of a file is lost, its other records are read."""
    data = bytearray(closed.path.read_bytes())
    page = 8192
    middle = len(data) // page // 2
    data[middle * page : (middle + 1) * page] = os.urandom(page)
    closed.path.write_bytes(bytes(data))
    found = [kept.body[:10] for kept in closed.read(0, 64)]
    assert 30 < len(found) < 50
    assert closed.damaged > 0
    assert closed.last() == 50


def test_a_file_can_be_quarantined(closed, folder) -> None:
    """A file can be moved to quarantine."""
    closed.quarantine()
    assert find_files(folder) == []
    assert (folder / QUARANTINE / closed.path.name).exists()


def test_missing_names_are_an_error(closed) -> None:
    """Asking for names that the file doesn't have raises KeyError."""
    with pytest.raises(KeyError):
        closed.names("other")


def test_a_removed_file_leaves_nothing(closed, folder) -> None:
    """Removing a file leaves no other file."""
    assert closed.size() > 100_000
    closed.remove()
    assert list(folder.iterdir()) == []
