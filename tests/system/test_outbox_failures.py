"""An outbox whose disk fails: what each failure costs, and how it ends.

Every failure is provoked from outside, by the file system or by a limit of the process, so that the tests hold for any
outbox with the same interface.
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from customer_risk.serving.errors import RecordUnavailable
from customer_risk.serving.record.outbox.reader import find_files
from customer_risk.serving.record.outbox.writer import Outbox
from tests.failing_disk import full_disk, mounted

pytestmark = pytest.mark.system

MOST_BYTES = 8_000_000
RECORD = 20_000  # bytes
REFUSED = 300  # records for each test
RECOVERY_SECONDS = 60.0  # about two on an idle machine
Cause = Callable[[Path], contextlib.AbstractContextManager[None]]


@contextlib.contextmanager
def no_inodes(folder: Path) -> Iterator[None]:
    """Use up the inodes of the disk, and leave free bytes."""
    made: list[Path] = []
    with contextlib.suppress(OSError):
        while True:
            path = folder.parent / f"filler-{len(made)}"
            path.touch()
            made.append(path)
    yield
    for path in made:
        path.unlink()


@contextlib.contextmanager
def limited(what: int, value: int) -> Iterator[None]:
    """Set a resource limit of this process."""
    soft, hard = resource.getrlimit(what)
    resource.setrlimit(what, (value, hard))
    try:
        yield
    finally:
        resource.setrlimit(what, (soft, hard))


def no_descriptors(_: Path) -> contextlib.AbstractContextManager[None]:
    """Set the limit of descriptors so that this process can open no more files."""
    return limited(resource.RLIMIT_NOFILE, 3)


def io_error(_: Path) -> contextlib.AbstractContextManager[None]:
    """Make the operating system refuse the space for another file."""
    return limited(resource.RLIMIT_FSIZE, 60_000)


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make the folder read-only."""
    mounted(folder, "--bind", str(folder))
    mounted(folder, "-o", "remount,bind,ro")
    yield
    subprocess.run(["umount", "--lazy", folder], check=True)


@contextlib.contextmanager
def moved_away(folder: Path) -> Iterator[None]:
    """Replace the folder by a file."""
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.write_bytes(b"")
    yield
    folder.unlink()
    aside.rename(folder)


@contextlib.contextmanager
def most_bytes(folder: Path) -> Iterator[None]:
    """Fill the outbox up to its bound."""
    filler = folder / "filler"
    with filler.open("wb") as file:
        file.truncate(MOST_BYTES)
    yield
    filler.unlink()


CAUSES = [full_disk, no_inodes, no_descriptors, io_error, read_only, moved_away, most_bytes]


@pytest.fixture
def make(disk) -> Iterator[Callable[[], Outbox]]:
    """Return a function that makes an outbox on the small disk, with files of 100,000 bytes."""
    with contextlib.ExitStack() as stack:

        def made() -> Outbox:
            outbox = Outbox(disk / "outbox", most_bytes=MOST_BYTES, file_bytes=100_000)
            stack.callback(outbox.close)
            return outbox

        yield made


@pytest.fixture(params=CAUSES, ids=lambda cause: cause.__name__)
def cause(request) -> Cause:
    """Return a context manager that makes an outbox fail."""
    return request.param


def write(outbox: Outbox, body: bytes) -> bool:
    """Write and commit a record; return False if it is refused."""
    try:
        outbox.add(body)
        outbox.commit()
    except RecordUnavailable:
        return False
    return True


def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def write_until_refused(outbox: Outbox) -> list[bytes]:
    """Write records until one is refused; return those that were kept."""
    kept: list[bytes] = []
    deadline = time.monotonic() + 60
    while write(outbox, body := b"%06d" % len(kept) + bytes(RECORD)):
        kept.append(body)
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return kept


def descriptors() -> int:
    """Return the number of open descriptors of this process."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  names are enough


def names(folder: Path) -> int:
    """Return the number of an outbox's files, including empty ones."""
    return len([path for path in folder.rglob("*") if path.is_file()])


def bodies(folder: Path) -> list[bytes]:
    """Return all records, in order."""
    return [kept.body for file in find_files(folder) for kept in file.read(0, 100_000)]


def test_refused_records_leave_nothing_open(make, disk, cause) -> None:
    """Refused records don't increase the number of open descriptors."""
    outbox = make()
    assert write(outbox, b"first")
    before = descriptors()
    with cause(disk / "outbox"):
        write_until_refused(outbox)
        for _ in range(REFUSED):
            write(outbox, bytes(RECORD))
        time.sleep(2.5)  # the outbox tries the disk by itself meanwhile
    until(lambda: descriptors() <= before + 4, RECOVERY_SECONDS)  # a spare file has four
    until(lambda: write(outbox, b"last"), RECOVERY_SECONDS)
    assert descriptors() <= before + 4


def test_refused_records_leave_no_files(make, disk, cause) -> None:
    """The folder has as many files after hundreds of refused records as after the first."""
    outbox = make()
    assert write(outbox, b"first")
    folder = disk / "outbox"
    with cause(folder):
        write_until_refused(outbox)
        time.sleep(1.5)  # a thread closes the full file
        place = folder if folder.is_dir() else folder.with_name("aside")
        before = [] if cause is no_descriptors else [names(place)]
        for _ in range(REFUSED):
            assert not write(outbox, bytes(RECORD))
        time.sleep(2.5)
        if before:
            until(lambda: names(place) <= before[0], 1.0)
    if not before:
        assert names(folder) < 4 * len(find_files(folder)) + 4
    until(lambda: write(outbox, b"last"), RECOVERY_SECONDS)
    assert [file.last() for file in find_files(folder) if not file.alive].count(0) == 0


def test_records_are_kept_again_once_the_cause_is_gone(make, disk, cause) -> None:
    """The same outbox recovers within seconds; each committed record is there once, and no refused one."""
    outbox = make()
    assert write(outbox, b"first")
    with cause(disk / "outbox"):
        kept = write_until_refused(outbox)
        assert not write(outbox, b"refused")
    until(lambda: write(outbox, b"last"), RECOVERY_SECONDS)
    assert bodies(disk / "outbox") == [b"first", *kept, b"last"]


def test_a_failure_is_known_and_ends_without_a_call(make, disk, cause) -> None:
    """`failing` says that records would be refused, and when that ends, without a call of `add`."""
    outbox = make()
    assert not outbox.failing
    with cause(disk / "outbox"):
        write_until_refused(outbox)
        assert outbox.failing
        time.sleep(2.5)
        assert outbox.failing
    until(lambda: not outbox.failing, RECOVERY_SECONDS)
    assert write(outbox, b"last")


@contextlib.contextmanager
def file_removed(folder: Path) -> Iterator[None]:
    """Remove the file that is being written."""
    (file,) = find_files(folder)
    file.path.unlink()
    yield


@contextlib.contextmanager
def file_cut(folder: Path) -> Iterator[None]:
    """Cut the file that is being written."""
    (file,) = find_files(folder)
    os.truncate(file.path, 1000)
    yield


@contextlib.contextmanager
def header_altered(folder: Path) -> Iterator[None]:
    """Overwrite the header of the file that is being written."""
    (file,) = find_files(folder)
    with file.path.open("r+b") as opened:
        opened.write(bytes(8))
    yield


@pytest.mark.parametrize("cause", [moved_away, file_removed, file_cut, header_altered])
def test_a_failure_is_noticed_before_a_record_meets_it(make, disk, cause, caplog) -> None:
    """A removed folder and a removed or cut file are noticed and logged, even if no record is written."""
    outbox = make()
    with cause(disk / "outbox"):
        until(lambda: "can't be recorded" in caplog.text, RECOVERY_SECONDS)
    until(lambda: not outbox.failing, RECOVERY_SECONDS)


def test_a_removed_folder_is_made_again(make, disk) -> None:
    """Records in a removed folder are lost; records that are written after the failure are kept."""
    outbox = make()
    assert write(outbox, b"lost")
    for path in (disk / "outbox").iterdir():
        path.unlink()
    (disk / "outbox").rmdir()
    until((disk / "outbox").is_dir, RECOVERY_SECONDS)
    until(lambda: write(outbox, b"kept") and bodies(disk / "outbox") != [], RECOVERY_SECONDS)
    assert set(bodies(disk / "outbox")) == {b"kept"}


def test_an_outbox_without_room_begins_once_there_is_some(make, disk, cause) -> None:
    """An outbox can be made while its disk fails, and takes records once the failure ends."""
    (disk / "outbox").mkdir()
    with cause(disk / "outbox"):
        outbox = make()
        assert outbox.failing
        assert not write(outbox, b"refused")
    until(lambda: write(outbox, b"first"), RECOVERY_SECONDS)
    assert bodies(disk / "outbox") == [b"first"]


def test_refusals_dont_try_the_disk(make, disk) -> None:
    """The folder changes about once a second, however many records are refused."""
    outbox = make()
    with full_disk(disk / "outbox"):
        write_until_refused(outbox)
        began, changes, refused, seen = time.monotonic(), 0, 0, 0
        while time.monotonic() - began < 3.0:
            assert not write(outbox, b"refused")
            refused += 1
            now = (disk / "outbox").stat().st_mtime_ns
            changes += now != seen
            seen = now
    assert refused > 1000
    assert changes < 30  # each try creates and removes a few files


def test_a_failure_and_its_end_are_logged_once(make, disk, caplog) -> None:
    """A failure and its end are each logged once, not for each refused record."""
    outbox = make()
    with full_disk(disk / "outbox"):
        write_until_refused(outbox)
        for _ in range(REFUSED):
            write(outbox, b"refused")
        time.sleep(1.5)
    until(lambda: not outbox.failing, RECOVERY_SECONDS)
    fails, ends = (record.getMessage() for record in caplog.records if record.name == "serving.record")
    assert "can't be recorded" in fails
    assert "the disk is full" in fails
    assert "can be recorded" in ends


def test_every_thread_with_lost_records_gets_an_error(make, disk) -> None:
    """Every thread whose record was lost with its file gets an error at its commit."""
    outbox = make()
    with ThreadPoolExecutor(1) as other:
        other.submit(outbox.add, b"lost").result()
        outbox.add(b"lost")
        (file,) = find_files(disk / "outbox")
        file.path.unlink()
        until(lambda: bool(outbox.failing), RECOVERY_SECONDS)
        with pytest.raises(RecordUnavailable) as own:
            outbox.commit()
        with pytest.raises(RecordUnavailable) as others:
            other.submit(outbox.commit).result()
        assert (own.value.records, others.value.records) == (1, 1)
        outbox.commit()
        other.submit(outbox.commit).result()
    until(lambda: write(outbox, b"last"), RECOVERY_SECONDS)
    assert bodies(disk / "outbox") == [b"last"]


def test_an_outbox_can_be_closed_while_it_fails(make, disk, cause) -> None:
    """Closing a failing outbox leaves no descriptor open, and keeps the committed records."""
    before = descriptors()
    outbox = make()
    assert write(outbox, b"first")
    with cause(disk / "outbox"):
        kept = write_until_refused(outbox)
        outbox.close()
    assert descriptors() <= before
    assert bodies(disk / "outbox") == [b"first", *kept]
