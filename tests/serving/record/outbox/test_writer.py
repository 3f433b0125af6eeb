"""The outbox, and what is found of it."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from customer_risk.serving.errors import RecordUnavailable
from customer_risk.serving.record.outbox.file import QUARANTINE, OutboxFile
from customer_risk.serving.record.outbox.reader import find_files
from customer_risk.serving.record.outbox.writer import Outbox


@pytest.fixture
def folder(tmp_path) -> Path:
    """Where the outbox is."""
    return tmp_path / "outbox"


@pytest.fixture
def outbox(folder):
    """An outbox of a megabyte, in files of a hundred thousand bytes."""
    made = Outbox(folder, most_bytes=1_000_000, file_bytes=100_000)
    yield made
    made.close()


def bodies(folder: Path) -> list[bytes]:
    """All records, in order."""
    return [kept.body for file in find_files(folder) for kept in file.read(0, 100_000)]


def test_what_is_committed_is_found(outbox, folder) -> None:
    """In order, with numbers from 1 on, and the names that they were written with."""
    outbox.add(b"a", ("x", "y"), "h")
    outbox.add(b"b", ("x", "y"), "h")
    outbox.commit()
    (file,) = find_files(folder)
    assert [(kept.seq, kept.body) for kept in file.read(0, 10)] == [(1, b"a"), (2, b"b")]
    assert (file.last(), file.read(1, 10)[0].seq, file.read(0, 1)[0].seq) == (2, 2, 1)
    assert file.names("h") == ("x", "y")


def test_what_isnt_committed_isnt_found(outbox, folder) -> None:
    """A decision that didn't leave is none."""
    outbox.add(b"a")
    assert bodies(folder) == []


def test_a_file_lives_as_long_as_its_writer(outbox, folder) -> None:
    """Its lock tells, whatever became of the process."""
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


def test_a_killed_process_leaves_all_that_it_committed(folder) -> None:
    """Every committed record of a killed process is found, and a record that it wrote without a commit may be."""
    subprocess.run([sys.executable, "-c", _DYING, folder], check=False)
    assert bodies(folder) == [*(b"%d" % number for number in range(100)), b"perhaps"]
    assert not any(file.alive for file in find_files(folder))


def test_a_file_is_followed_by_another_after_a_time(folder) -> None:
    """A file with records ends after `file_seconds`, even without new records; an empty file stays in use."""
    outbox = Outbox(folder, most_bytes=10**7, file_bytes=10**6, file_seconds=1.5)
    time.sleep(3)
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


def test_a_commit_after_a_failure_keeps_what_was_written_since(folder) -> None:
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
    """A record that needs more than `file_bytes`, with the names of its features, is kept, and the next one too."""
    outbox = Outbox(folder, most_bytes=10**7, file_bytes=10_000)
    written = [b"x" * size, b"y"]
    for body in written:
        outbox.add(body, ("feature_1", "feature_2"), "0123456789abcdef")
        outbox.commit()
    outbox.close()  # until then, a thread may remove a file in which there was no space for a record
    assert bodies(folder) == written


def test_a_full_file_is_followed_by_another(outbox, folder) -> None:
    """Records stay in order over files."""
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


def test_a_full_outbox_takes_no_more(folder) -> None:
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
    """Nobody who waits for an answer waits for one to be made; at the end none is left that nothing was written to."""
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


def test_a_clock_that_goes_back_costs_nothing(folder) -> None:
    """Files are named by the time, and found all the same."""
    times = itertools.chain((2000.0,), itertools.repeat(1000.0))
    outbox = Outbox(folder, most_bytes=10**7, file_bytes=10, clock=lambda: next(times))
    for body in (b"first", b"x" * 20, b"second"):
        outbox.add(body)
        outbox.commit()
        time.sleep(0.05)
    outbox.close()  # until then, a thread may remove a file in which there was no space for a record
    assert sorted(bodies(folder)) == [b"first", b"second", b"x" * 20]


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


def test_a_changed_record_is_set_aside_and_counted(closed, folder) -> None:
    """The others are given."""
    spoil(closed.path, b"record-07-", b"record-O7-")
    assert [kept.seq for kept in closed.read(0, 100)] == [seq for seq in range(1, 51) if seq != 8]
    assert closed.damaged == 1
    assert (folder / QUARANTINE / f"{closed.source}-8.record").read_bytes().startswith(b"record-O7-")


def test_of_a_torn_file_what_can_be_read_is_given(closed) -> None:
    """Whatever page is lost, the file is no reason to lose the others."""
    data = bytearray(closed.path.read_bytes())
    page = 8192
    middle = len(data) // page // 2
    data[middle * page : (middle + 1) * page] = os.urandom(page)
    closed.path.write_bytes(bytes(data))
    found = [kept.body[:10] for kept in closed.read(0, 64)]
    assert 30 < len(found) < 50
    assert closed.damaged > 0
    assert closed.last() == 50


def test_a_file_can_be_set_aside_whole(closed, folder) -> None:
    """With all that belongs to it."""
    closed.set_aside()
    assert find_files(folder) == []
    assert (folder / QUARANTINE / closed.path.name).exists()


def test_names_that_nobody_wrote_are_an_error(closed) -> None:
    """Rather than features without a name."""
    with pytest.raises(KeyError):
        closed.names("other")


def test_a_removed_file_leaves_nothing(closed, folder) -> None:
    """Neither its log nor its lock."""
    assert closed.size() > 100_000
    closed.remove()
    assert list(folder.iterdir()) == []
