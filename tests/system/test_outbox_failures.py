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

from serving.record.outbox import Outbox, RecordUnavailable
from serving.record.reading import find_files
from tests.system.failing import full_disk, mounted

pytestmark = pytest.mark.system

MOST_BYTES = 8_000_000
RECORD = 20_000  # bytes
REFUSED = 300  # records for each test
RECOVERY_SECONDS = 5.0  # about two are promised; a busy machine takes longer
Cause = Callable[[Path], contextlib.AbstractContextManager[None]]


@contextlib.contextmanager
def no_inodes(folder: Path) -> Iterator[None]:
    """Leave bytes on the disk, and no room for another name."""
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
    """Set a limit of this process."""
    soft, hard = resource.getrlimit(what)
    resource.setrlimit(what, (value, hard))
    try:
        yield
    finally:
        resource.setrlimit(what, (soft, hard))


def no_descriptors(_: Path) -> contextlib.AbstractContextManager[None]:
    """Let this process open nothing more."""
    return limited(resource.RLIMIT_NOFILE, 3)


def io_error(_: Path) -> contextlib.AbstractContextManager[None]:
    """Let the system refuse a commit's write."""
    return limited(resource.RLIMIT_FSIZE, 60_000)


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let nothing be opened in the folder to be written."""
    mounted(folder, "--bind", str(folder))
    mounted(folder, "-o", "remount,bind,ro")
    yield
    subprocess.run(["umount", "--lazy", folder], check=True)


@contextlib.contextmanager
def moved_away(folder: Path) -> Iterator[None]:
    """Put a file in the folder's place."""
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.write_bytes(b"")
    yield
    folder.unlink()
    aside.rename(folder)


@contextlib.contextmanager
def most_bytes(folder: Path) -> Iterator[None]:
    """Fill the outbox as far as it may grow."""
    filler = folder / "filler"
    with filler.open("wb") as file:
        file.truncate(MOST_BYTES)
    yield
    filler.unlink()


CAUSES = [full_disk, no_inodes, no_descriptors, io_error, read_only, moved_away, most_bytes]


@pytest.fixture
def make(disk) -> Iterator[Callable[[], Outbox]]:
    """Make an outbox on the small disk, in files of a hundred thousand bytes."""
    with contextlib.ExitStack() as stack:

        def made() -> Outbox:
            outbox = Outbox(disk / "outbox", most_bytes=MOST_BYTES, file_bytes=100_000)
            stack.callback(outbox.close)
            return outbox

        yield made


@pytest.fixture(params=CAUSES, ids=lambda cause: cause.__name__)
def cause(request) -> Cause:
    """What makes an outbox fail while its context lasts."""
    return request.param


def write(outbox: Outbox, body: bytes) -> bool:
    """Write and commit a record; False where it is refused."""
    try:
        outbox.add(body)
        outbox.commit()
    except RecordUnavailable:
        return False
    return True


def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def write_until_refused(outbox: Outbox) -> list[bytes]:
    """Write records until one is refused; returns those that were kept."""
    kept: list[bytes] = []
    deadline = time.monotonic() + 60
    while write(outbox, body := b"%06d" % len(kept) + bytes(RECORD)):
        kept.append(body)
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return kept


def descriptors() -> int:
    """Count what this process has open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  names are enough


def names(folder: Path) -> int:
    """Count the files of an outbox, empty ones too."""
    return len([path for path in folder.rglob("*") if path.is_file()])


def bodies(folder: Path) -> list[bytes]:
    """All records, in order."""
    return [kept.body for file in find_files(folder) for kept in file.read(0, 100_000)]


def test_refused_records_leave_nothing_open(make, disk, cause) -> None:
    """However many records are refused, no more descriptors are open than while records were kept."""
    outbox = make()
    assert write(outbox, b"first")
    before = descriptors()
    with cause(disk / "outbox"):
        write_until_refused(outbox)
        for _ in range(REFUSED):
            write(outbox, bytes(RECORD))
        time.sleep(2.5)  # it tries the disk by itself meanwhile
    until(lambda: descriptors() <= before + 4, RECOVERY_SECONDS)  # a file that is ready ahead of its use has four
    until(lambda: write(outbox, b"last"), RECOVERY_SECONDS)
    assert descriptors() <= before + 4


def test_refused_records_leave_no_files(make, disk, cause) -> None:
    """The folder has as many files after hundreds of refused records as after the first."""
    outbox = make()
    assert write(outbox, b"first")
    folder = disk / "outbox"
    with cause(folder):
        write_until_refused(outbox)
        time.sleep(1.5)  # what is full is closed beside the calls
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
    """Within seconds, by the same outbox; whatever was committed is there once, and nothing that was refused."""
    outbox = make()
    assert write(outbox, b"first")
    with cause(disk / "outbox"):
        kept = write_until_refused(outbox)
        assert not write(outbox, b"refused")
    until(lambda: write(outbox, b"last"), RECOVERY_SECONDS)
    assert bodies(disk / "outbox") == [b"first", *kept, b"last"]


def test_a_failure_is_known_and_ends_without_a_call(make, disk, cause) -> None:
    """What asks before it sends records learns that they would be refused, and when they wouldn't be any more."""
    outbox = make()
    assert not outbox.failing
    with cause(disk / "outbox"):
        write_until_refused(outbox)
        assert outbox.failing
        time.sleep(2.5)
        assert outbox.failing
    until(lambda: not outbox.failing, RECOVERY_SECONDS)
    assert write(outbox, b"last")


@pytest.mark.parametrize("cause", [moved_away, most_bytes])
def test_a_failure_is_noticed_before_a_record_meets_it(make, disk, cause) -> None:
    """A folder that is gone, or that others have filled, is known although nobody writes."""
    outbox = make()
    with cause(disk / "outbox"):
        until(lambda: bool(outbox.failing), RECOVERY_SECONDS)
    until(lambda: not outbox.failing, RECOVERY_SECONDS)


def test_a_removed_folder_is_made_again(make, disk) -> None:
    """What was in it is lost; what comes a moment later is kept."""
    outbox = make()
    assert write(outbox, b"lost")
    for path in (disk / "outbox").iterdir():
        path.unlink()
    (disk / "outbox").rmdir()
    until((disk / "outbox").is_dir, RECOVERY_SECONDS)
    until(lambda: write(outbox, b"kept") and bodies(disk / "outbox") != [], RECOVERY_SECONDS)
    assert set(bodies(disk / "outbox")) == {b"kept"}


def test_an_outbox_without_room_begins_once_there_is_some(make, disk, cause) -> None:
    """A process that starts on a full disk doesn't end of it."""
    (disk / "outbox").mkdir()
    with cause(disk / "outbox"):
        outbox = make()
        assert outbox.failing
        assert not write(outbox, b"refused")
    until(lambda: write(outbox, b"first"), RECOVERY_SECONDS)
    assert bodies(disk / "outbox") == [b"first"]


def test_refusals_dont_try_the_disk(make, disk) -> None:
    """The folder is touched about once a second, however often records are refused."""
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
    assert changes < 30  # a few names are made and removed for each try


def test_a_failure_and_its_end_are_logged_once(make, disk, caplog) -> None:
    """Not once for each refused record."""
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


def test_a_failure_is_told_to_every_thread_whose_records_it_took(make, disk) -> None:
    """Nobody lets a decision out that is lost, whoever's commit it was that failed."""
    outbox = make()
    assert write(outbox, b"first")
    with ThreadPoolExecutor(1) as other, io_error(disk):
        other.submit(outbox.add, b"lost").result()
        outbox.add(bytes(200_000))
        with pytest.raises(RecordUnavailable) as own:
            outbox.commit()
        with pytest.raises(RecordUnavailable) as others:
            other.submit(outbox.commit).result()
        assert (own.value.records, others.value.records) == (1, 1)
        outbox.commit()
        other.submit(outbox.commit).result()
    until(lambda: write(outbox, b"last"), RECOVERY_SECONDS)
    assert bodies(disk / "outbox") == [b"first", b"last"]


def test_an_outbox_can_be_closed_while_it_fails(make, disk, cause) -> None:
    """Nothing stays open, and what was committed stays."""
    before = descriptors()
    outbox = make()
    assert write(outbox, b"first")
    with cause(disk / "outbox"):
        kept = write_until_refused(outbox)
        outbox.close()
    assert descriptors() <= before
    assert bodies(disk / "outbox") == [b"first", *kept]
