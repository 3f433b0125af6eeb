"""The outbox: files of records on the disk, which survive the process that writes them; the shipper reads them.

Each process writes its own file, in the form of `frames`. Space is allocated when a file is made: a full disk is an
error at that time, and never when a record is written.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import mmap
import os
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from customer_risk.serving.contract.identifiers import uuid7
from customer_risk.serving.errors import RecordUnavailable
from customer_risk.serving.record.outbox.frames import (
    END_WORD,
    FRAME,
    HEADER_BYTES,
    MAGIC,
    SUFFIX,
    FrameKind,
    checksum,
    frame_bytes,
    seed_of,
)

UNFINISHED: Final = ".unfinished"  # suffix of the name of a file that is being made
_TICK_SECONDS: Final = 1.0  # between two measurements of the folder, and between two tries after a failure
_LEAST_BYTES: Final = 256 * 1024  # of a file: with smaller files, each request would fail on a nearly full disk
_FILE_SECONDS: Final = 3600.0  # age at which the next file is begun, so that the shipper can remove this one
_POPULATED_BYTES: Final = 128 * 1024  # in one call, which holds the GIL
_POPULATE_WRITE: Final = 23  # MADV_POPULATE_WRITE: Linux 5.14 or later
_FULL: Final = "the outbox is full"
_NO_SPACE: Final = {errno.ENOSPC, errno.EDQUOT}
_log = logging.getLogger("serving.record")


class Outbox:
    """Writes one process's records to `folder`; any thread may call.

    `most_bytes` limits the folder. A file takes `file_bytes`, or less if the folder has little space left.
    The next file begins when a file is full, or `file_seconds` after its first record.
    Making or closing a file may take milliseconds, so a thread makes the next file early and closes the last one.

    After a failure, `add` raises at once without using the disk, and `failing` has the reason. The thread tries the
    disk once a second; the failure ends when a new file can be begun.
    """

    def __init__(
        self,
        folder: Path,
        *,
        most_bytes: int,
        file_bytes: int,
        file_seconds: float = _FILE_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._most = most_bytes
        self._file_bytes = file_bytes
        self._file_seconds = file_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._file: _File | None = None
        self._waiting: Counter[int] = Counter()  # records to be committed, by thread
        self._lost: Counter[int] = Counter()  # records lost before their commit, by thread
        self._failing = ""  # the reason of a failure, during which there is no file; else empty
        self._spare: _File | None = None
        self._newest = ""  # name of the file that was begun last
        self._naming = threading.Lock()
        self._named = 0  # milliseconds since 1970 in the last name
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._try()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    @property
    def failing(self) -> str:
        """The reason why no record can be written now; empty if records can be written."""
        return self._failing

    def add(self, body: bytes, names: tuple[str, ...] = (), names_hash: str = "") -> None:
        """Write a record, to be committed with all others before the next `commit`; raises RecordUnavailable.

        The thread that adds must commit before it sends the decision, and before it waits for anything.
        """
        with self._lock:
            if self._failing:
                raise RecordUnavailable(self._failing)
            try:
                file = self._file
                if file is None or not file.has_space_for(body, names_hash, names):
                    file = self._next(body, names_hash, names)
                file.add(body, names_hash, names)
            except OSError as error:
                self._give_up(_why(error))
                raise RecordUnavailable(_why(error)) from error
            self._waiting[threading.get_ident()] += 1
            if not file.followed and file.half_full:
                file.followed = True
                self._tasks.put(self._make_spare)

    def commit(self) -> None:
        """Make added records durable beyond this process; raises RecordUnavailable if they may be lost."""
        with self._lock:
            self._commit()
            if self._lost and (lost := self._lost.pop(threading.get_ident(), 0)):  # the file with these records failed
                raise RecordUnavailable(self._failing or "the outbox failed", records=lost)

    def close(self) -> None:
        """Commit the last records and close the files."""
        self._tasks.put(None)
        self._thread.join()
        with self._lock:
            file, self._file = self._file, None
            if file is not None:
                file.close()
            self._waiting.clear()
            self._drop_spare()

    def _next(self, body: bytes, names_hash: str, names: tuple[str, ...]) -> _File:
        """Commit and close the file, and begin the next one; raises OSError or RecordUnavailable."""
        self._end_file()
        spare = self._take_spare()
        if spare is not None and not spare.has_space_for(body, names_hash, names):
            spare.close()
            spare = None
        if spare is None:
            least = HEADER_BYTES + frame_bytes(len(body)) + frame_bytes(len(_names(names_hash, names)))
            spare = self._make(max(self._file_bytes, least), least)
        if spare is None:
            self._fail(_FULL)
            raise RecordUnavailable(_FULL)
        return self._begin(spare)

    def _commit(self) -> None:
        if self._file is not None:
            self._file.commit()
        self._waiting.clear()

    def _end_file(self) -> None:
        """Commit the file, and let the thread close it."""
        self._commit()
        if self._file is not None:
            self._tasks.put(self._file.close)
            self._file = None

    def _begin(self, file: _File) -> _File:
        self._file = file
        self._newest = file.path.name
        return file

    def _make(self, wanted: int, least: int) -> _File | None:
        """Make a file of `wanted` bytes, or fewer if there is less space; return None if the outbox is full.

        Raises OSError if the disk has less than `least` bytes, or fails.
        """
        least = max(least, min(_LEAST_BYTES, self._file_bytes), HEADER_BYTES)
        space = self._most - sum(_sizes(self._folder).values())
        if space < least:
            return None
        size = min(max(wanted, least), max(space // 2, least))  # leave space for other processes' files
        while True:
            try:
                return _File(self._folder / f"{self._name()}{SUFFIX}", size)
            except OSError as error:
                if error.errno not in _NO_SPACE or size == least:
                    raise
                size = max(least, size // 4)

    def _name(self) -> str:
        """Return a name that sorts after all earlier names, even if the clock goes back."""
        with self._naming:
            self._named = max(self._named + 1, int(self._clock() * 1000))
            return uuid7(self._named).replace("-", "")

    def _make_spare(self) -> None:
        if self._spare is None and not self._failing:
            self._spare = self._make(self._file_bytes, 0)

    def _take_spare(self) -> _File | None:
        """Return the next file, if it is ready; close it if its name is older, since records would lose their order."""
        spare, self._spare = self._spare, None
        if spare is not None and spare.path.name < self._newest:
            spare.close()
            return None
        return spare

    def _drop_spare(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.close()

    def _give_up(self, why: str) -> None:
        """Leave a file that failed to the shipper, which treats it as the file of a dead process."""
        self._lost += self._waiting
        self._waiting.clear()
        if self._file is not None:
            self._file.close(committed=False)
            self._file = None
        self._fail(why)

    def _fail(self, why: str) -> None:
        if not self._failing:
            _log.error("decisions can't be recorded in %s: %s; the outbox tries again every second", self._folder, why)
        self._failing = why

    def _work(self) -> None:
        """Run tasks as they arrive, and check the disk once a second."""
        due = time.monotonic() + _TICK_SECONDS
        while True:
            try:
                task = self._tasks.get(timeout=max(0.0, due - time.monotonic()))
            except queue.Empty:
                task = self._try if self._failing else self._check
                due = time.monotonic() + _TICK_SECONDS
            if task is None:
                return
            with contextlib.suppress(OSError):  # the next `add` makes the file, and raises
                task()

    def _try(self) -> None:
        """Begin a file if the disk allows it, which ends a failure."""
        try:
            self._drop_spare()
            self._folder.mkdir(parents=True, exist_ok=True)
            file = self._make(self._file_bytes, 0)
        except OSError as error:
            with self._lock:
                self._fail(_why(error))
            return
        with self._lock:
            if file is None:
                self._fail(_FULL)
                return
            self._begin(file)
            if self._failing:
                _log.warning("decisions can be recorded in %s again", self._folder)
                self._failing = ""

    def _check(self) -> None:
        """Detect that the file was removed or that its disk fails, even if no record is written."""
        file = self._file
        if file is None:
            return
        try:
            file.check()
        except OSError as error:
            with self._lock:
                if file is self._file:
                    self._give_up(_why(error))
            return
        if file.age > self._file_seconds:
            self._replace(file)

    def _replace(self, file: _File) -> None:
        """Begin the next file, even if the last one is nearly empty; without space for another, keep the last one."""
        self._make_spare()
        with self._lock:
            if file is self._file and (spare := self._take_spare()) is not None:
                self._end_file()
                self._begin(spare)


class _File:
    """One locked file. Closing it frees unused space, and deletes a file without records."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.followed = False  # whether the next one is being made
        self._size = size
        self._seed = seed_of(path.stem)
        self._known = {""}
        self._repeated = False  # whether the names are written a second time
        self._number = 0  # of the last record
        self._first = 0.0  # when the first record was written, in monotonic seconds
        self._end = self._committed = HEADER_BYTES
        made = path.with_name(path.name + UNFINISHED)
        with contextlib.ExitStack() as undo:  # after an error, close the descriptor and delete the file
            self._descriptor = os.open(made, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            undo.callback(made.unlink, missing_ok=True)
            undo.callback(os.close, self._descriptor)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.posix_fallocate(self._descriptor, 0, size)
            self._map = mmap.mmap(self._descriptor, size)
            undo.callback(self._map.close)
            self._populate()
            self._map[: len(MAGIC)] = MAGIC
            self._words = memoryview(self._map)[:HEADER_BYTES].cast("Q")  # a write of a word is atomic
            self._words[END_WORD] = HEADER_BYTES
            undo.callback(self._words.release)
            made.rename(path)
            undo.pop_all()

    @property
    def half_full(self) -> bool:
        """Whether the next file should be made."""
        return self._end * 2 > self._size

    @property
    def age(self) -> float:
        """Seconds since the first record was written; 0 without records."""
        return time.monotonic() - self._first if self._number else 0.0

    def has_space_for(self, body: bytes, names_hash: str, names: tuple[str, ...]) -> bool:
        """Return whether the file has space for a record, and for its names if it doesn't have them."""
        needed = frame_bytes(len(body))
        if names_hash not in self._known:
            needed += frame_bytes(len(_names(names_hash, names)))
        return self._end + needed <= self._size

    def add(self, body: bytes, names_hash: str, names: tuple[str, ...]) -> None:
        """Write a record; the file must have space for it."""
        if names_hash not in self._known:
            self._write(_names(names_hash, names), 0, FrameKind.NAMES)
            self._known.add(names_hash)
        self._number += 1
        if self._number == 1:
            self._first = time.monotonic()
        self._write(body, self._number, FrameKind.RECORD)
        if not self._repeated and self.half_full:  # so that a damaged frame of names affects only half of the records
            self._known, self._repeated = {""}, True

    def commit(self) -> None:
        """Mark all written frames as committed."""
        self._words[END_WORD] = self._committed = self._end

    def check(self) -> None:
        """Raise OSError if the file was removed, moved, cut or altered, or if its disk refuses a write."""
        found = os.fstat(self._descriptor)
        if not found.st_nlink or not self.path.exists():
            raise OSError(errno.ENOENT, "its file was removed")
        if found.st_size < self._size or self._map[: len(MAGIC)] != MAGIC:
            raise OSError(errno.EIO, "its file was cut or altered")
        os.utime(self._descriptor)

    def close(self, *, committed: bool = True) -> None:
        """Close the file, after a commit if `committed`."""
        if committed:
            self.commit()
        end = self._committed
        self._words.release()
        self._map.close()
        try:
            if end == HEADER_BYTES:
                with contextlib.suppress(OSError):  # the shipper removes it later
                    self.path.unlink(missing_ok=True)
            else:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._descriptor, end)
        finally:
            os.close(self._descriptor)

    def _write(self, content: bytes, number: int, kind: FrameKind) -> None:
        place, start = self._end, self._end + FRAME.size
        FRAME.pack_into(self._map, place, len(content), checksum(content, number, self._seed), number, kind)
        self._map[start : start + len(content)] = content
        self._end = place + frame_bytes(len(content))

    def _populate(self) -> None:
        """Load the file's pages into memory now: otherwise the first record in each page would wait for its page."""
        for place in range(0, self._size, _POPULATED_BYTES):
            try:
                self._map.madvise(_POPULATE_WRITE, place, min(_POPULATED_BYTES, self._size - place))
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                return  # an older kernel loads each page at its first write
            time.sleep(0)


def _names(names_hash: str, names: tuple[str, ...]) -> bytes:
    return json.dumps([names_hash, *names]).encode()


def _sizes(folder: Path) -> dict[str, int]:
    """Return the size of each of a folder's files in bytes, by name."""
    sizes = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # the shipper removed it meanwhile
                sizes[entry.name] = entry.stat().st_size
    return sizes


def _why(error: OSError) -> str:
    if error.errno in _NO_SPACE:
        return "the disk is full"
    # An OSError's text contains a path, which differs between tries.
    return f"the outbox fails ({error.strerror or error})"
