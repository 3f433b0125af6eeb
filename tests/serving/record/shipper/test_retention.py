"""Which files are removed, and when."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from customer_risk.serving.record.outbox.file import QUARANTINE
from customer_risk.serving.record.shipper.files import Files
from customer_risk.serving.record.shipper.retention import Retention


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The clock of the sweep."""
    return Clock()


@pytest.fixture
def sweep(folder, progress, clock):
    """Return a function that makes the retention of two sinks."""

    def make(**settings) -> Retention:
        known = {"most_bytes": 10**9, "keep_seconds": 100, "clock": clock, **settings}
        return Retention(folder, Files(folder), progress, ("told", "other"), **known)

    return make


@pytest.fixture
def shipped(told, worker):
    """Return a function that marks all records as shipped to some sinks."""

    def ship(*names: str) -> None:
        for name in names:
            one = worker(told(name))
            while one.step(hurry=True):
                pass

    return ship


def test_a_done_file_stays_as_long_as_it_is_kept(left, sweep, shipped, clock) -> None:
    """A done file stays for `keep_seconds` after it was done, also for a later process."""
    file, _ = left([1, 2])
    shipped("told", "other")
    sweep().run()
    clock.now += 99
    sweep().run()
    assert file.path.exists()
    clock.now += 2
    sweep().run()
    assert not list(file.path.parent.glob(f"{file.source}*"))


def test_a_file_stays_until_every_sink_has_it(left, sweep, shipped, clock) -> None:
    """A file stays until every sink has it, even if the outbox is full."""
    file, _ = left([1, 2])
    shipped("told")
    one = sweep(most_bytes=1)
    one.run()
    clock.now += 1e6
    one.run()
    assert file.path.exists()
    shipped("other")
    one.run()
    assert not file.path.exists()


def test_a_file_that_is_written_stays(outbox, put, sweep, shipped, folder) -> None:
    """A file that a process writes stays, even if all its records are shipped."""
    put(outbox, [1])
    shipped("told", "other")
    sweep(keep_seconds=0).run()
    assert len(list(folder.glob("*.records"))) == 1


def test_a_full_outbox_removes_the_oldest_first(left, sweep, shipped) -> None:
    """Above 80% of its size, the outbox loses its oldest done files, as many as necessary."""
    files = [left([number], caller="x" * 3_000_000)[0] for number in (1, 2, 3)]
    shipped("told", "other")
    size = sum(file.size() for file in files)
    sweep(most_bytes=size).run()
    assert [file.path.exists() for file in files] == [False, True, True]


_DYING = """
import os, sys
from pathlib import Path
from customer_risk.serving.record.outbox.writer import Outbox
outbox = Outbox(Path(sys.argv[1]), most_bytes=10**9, file_bytes=10**6)
os.kill(os.getpid(), 9)
"""


def test_a_file_without_records_is_removed_at_once(folder, sweep) -> None:
    """A file without records is removed at once."""
    subprocess.run([sys.executable, "-c", _DYING, folder], check=False)
    assert list(folder.glob("*.records"))
    sweep().run()
    assert not list(folder.glob("*.records*"))


def test_a_damaged_file_is_quarantined_once_its_records_are_shipped(left, sweep, told, worker) -> None:
    """A damaged file is counted and moved to quarantine once its undamaged records are shipped."""
    file, ids = left(range(1, 200))
    with file.path.open("r+b") as opened:
        opened.seek(-20_000, os.SEEK_END)
        opened.write(b"\xff" * 8192)
    counted, sinks = [], [told(), told("other")]
    one = sweep(damaged=counted.append)
    one.run()
    assert file.path.exists()
    for sink in sinks:
        each = worker(sink, counted.append)
        while each.step(hurry=True):
            pass
    one.run()
    assert 100 < len(sinks[0].ids) < 199
    assert sinks[0].ids == sinks[1].ids
    assert set(sinks[0].ids) < set(ids)
    assert counted == [199 - len(sinks[0].ids)]
    assert not file.path.exists()
    assert (file.path.parent / QUARANTINE / file.path.name).exists()


@pytest.mark.parametrize("suffix", [".records", ".outbox"])
def test_a_file_of_noise_is_quarantined(folder, sweep, suffix) -> None:
    """A file of noise is moved to quarantine and counts as one record."""
    path = folder / f"{'a' * 32}{suffix}"
    path.write_bytes(b"\xff" * 100_000)
    counted = []
    sweep(damaged=counted.append).run()
    assert counted == [1]
    assert (folder / QUARANTINE / path.name).exists()


def test_an_interrupted_removal_is_completed(folder, sweep, clock) -> None:
    """Files that an interrupted removal left are removed; new files and files of other kinds stay."""
    names = [f"{'a' * 32}.lock", f"{'b' * 32}.outbox-wal", f"{'c' * 32}.records.unfinished", "shipper.lock"]
    for name in names:
        (folder / name).touch()
    one = sweep()
    one.run()
    assert all((folder / name).exists() for name in names)
    clock.now += 120
    one.run()
    assert [(folder / name).exists() for name in names] == [False, False, False, True]


def test_progress_of_a_removed_file_is_removed(left, sweep, shipped, progress) -> None:
    """Progress has no rows of removed files."""
    file, _ = left([1])
    shipped("told", "other")
    sweep(keep_seconds=0).run()
    assert progress.cursor("told", file.source) == 0
