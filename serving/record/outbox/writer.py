"""The outbox: records on the disk, which survive the process and which the shipper reads.

Each writing process has a file of SQLite in WAL mode with `synchronous=NORMAL`: committed records survive the end of
any process; only a crash of the machine can lose the most recent ones.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import queue
import sqlite3
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from customer_risk.serving.contract.identifiers import uuid7
from customer_risk.serving.errors import RecordUnavailable

SUFFIX: Final = ".outbox"
_SCHEMA: Final = """
CREATE TABLE record (seq INTEGER PRIMARY KEY, sum INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE names (hash TEXT PRIMARY KEY, names TEXT NOT NULL);
"""
_TICK_SECONDS: Final = 1.0  # between two measurements of the folder, and between two tries after a failure
_LEAST_FREE_BYTES: Final = 256 * 1024  # free bytes that a new file needs: its first records fill them
_FULL: Final = "the outbox is full"
_NO_SPACE: Final = {errno.ENOSPC, errno.EDQUOT}
_NO_DESCRIPTORS: Final = {errno.EMFILE, errno.ENFILE}
_log = logging.getLogger("serving.record")


class Outbox:
    """Writes one process's records to `folder`; any thread may call.

    `most_bytes` bounds the folder; a file that has grown past `file_bytes` is closed and another begun. Making a file
    and closing one may take tens of milliseconds, so a thread has the next one ready, and closes the last.

    After a failure, `add` raises at once, without trying the disk, and `failing` says why. The thread tries the disk
    once a second, and the failure ends once a new file can be begun.
    """

    def __init__(
        self, folder: Path, *, most_bytes: int, file_bytes: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._folder = folder
        self._most = most_bytes
        self._file_bytes = file_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._file: _File | None = None
        self._waiting: Counter[int] = Counter()  # records to be committed, by thread
        self._lost: Counter[int] = Counter()  # records lost before their commit, by thread
        self._failing = ""  # why it fails; while it isn't empty, there is no file
        self._space = 0
        self._spare: _File | None = None
        self._newest = ""  # name of the file that was begun last
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._try()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    @property
    def failing(self) -> str:
        """Why no record can be written now; empty while records can be."""
        return self._failing

    def add(self, body: bytes, names: tuple[str, ...] = (), names_hash: str = "") -> None:
        """Write a record, to be committed with all others before the next `commit`; raises RecordUnavailable.

        The thread that adds must commit before it sends the decision, and before it waits for anything.
        """
        with self._lock:
            if self._failing:
                raise RecordUnavailable(self._failing)
            try:
                file = self._current(len(body))
                if names_hash not in file.known:
                    file.name(names_hash, names)
                file.add(body)
                self._waiting[threading.get_ident()] += 1
            except (OSError, sqlite3.Error) as error:
                self._give_up(_why(error))
                raise RecordUnavailable(_why(error)) from error

    def commit(self) -> None:
        """Make added records durable beyond this process; raises RecordUnavailable if they may be lost."""
        with self._lock:
            file, this = self._file, threading.get_ident()
            if lost := self._lost.pop(this, 0):  # another thread's failure lost this thread's records
                raise RecordUnavailable(self._failing or "the outbox failed", records=lost)
            if file is None or not file.open:
                return
            try:
                file.commit()
            except sqlite3.Error as error:
                self._give_up(_why(error))
                raise RecordUnavailable(_why(error), records=self._lost.pop(this, 0)) from error
            self._waiting.clear()

    def close(self) -> None:
        """Commit the last records and close the files; a failure is only logged, since no response waits for them."""
        self._tasks.put(None)
        self._thread.join()
        with self._lock:
            file, self._file = self._file, None
            try:
                if file is not None:
                    file.close()
            except sqlite3.Error as error:
                _log.error("%d records are not kept: %s", self._waiting.total(), _why(error))
            self._waiting.clear()
            self._drop_spare()

    def _current(self, more: int) -> _File:
        """Return the file to write to; raises RecordUnavailable if there is no space."""
        if self._file is not None and not self._file.open and self._file.written > self._file_bytes:
            self._retire(self._file)
        self._space -= more
        if self._space < 0:
            self._fill()
            raise RecordUnavailable(self._failing)
        file = self._file
        if file is None:
            spare, self._spare = self._spare, None
            if spare is not None and spare.path.name < self._newest:  # an older name: records would lose their order
                spare.abandon()
                spare = None
            file = self._begin(spare or self._make())
        if not file.followed and file.written * 2 > self._file_bytes:
            file.followed = True
            self._tasks.put(self._make_spare)
        return file

    def _begin(self, file: _File) -> _File:
        self._file = file
        self._newest = file.path.name
        return file

    def _retire(self, file: _File) -> None:
        """Close a file, whose log moves into it, which takes a while; the next record begins another."""
        self._file = None
        self._tasks.put(file.close)

    def _make(self) -> _File:
        return _File(self._folder / f"{uuid7(int(self._clock() * 1000)).replace('-', '')}{SUFFIX}")

    def _make_spare(self) -> None:
        if self._spare is None and not self._failing:
            self._spare = self._make()

    def _drop_spare(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.abandon()

    def _give_up(self, why: str) -> None:
        """Leave a file that failed to the shipper, which treats it as the file of a dead process."""
        self._lost += self._waiting
        self._waiting.clear()
        if self._file is not None:
            self._file.abandon()
            self._file = None
        self._fail(why)

    def _fill(self) -> None:
        """Refuse records since there is no space, and close the file: it becomes smaller, and can be shipped."""
        if self._file is not None:
            try:
                if self._file.open:
                    self._file.commit()
            except sqlite3.Error as error:
                self._give_up(_why(error))
                return
            self._waiting.clear()
            self._retire(self._file)
        self._fail(_FULL)

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
                task = self._try if self._failing else self._measure
                due = time.monotonic() + _TICK_SECONDS
            if task is None:
                return
            with contextlib.suppress(OSError, sqlite3.Error):  # the next `add` makes the file, and raises
                task()

    def _try(self) -> None:
        """Begin a file if the disk allows it, which ends a failure."""
        try:
            self._drop_spare()
            self._folder.mkdir(parents=True, exist_ok=True)
            space = self._most - sum(_sizes(self._folder).values())
            file = self._make() if space >= min(_LEAST_FREE_BYTES, self._most // 4) else None
        except (OSError, sqlite3.Error) as error:
            with self._lock:
                self._fail(_why(error))
            return
        with self._lock:
            if file is None:
                self._fail(_FULL)
                return
            self._begin(file)
            self._space = space
            if self._failing:
                _log.warning("decisions can be recorded in %s again", self._folder)
                self._failing = ""

    def _measure(self) -> None:
        """Measure the folder, and detect a failure before a record is written."""
        file = self._file
        try:
            sizes = _sizes(self._folder)
        except OSError as error:
            if error.errno not in _NO_DESCRIPTORS:  # the open file needs no more descriptors
                with self._lock:
                    self._give_up(_why(error))
            return
        with self._lock:
            if file is not None and file is self._file and file.path.name not in sizes:
                self._give_up("its file was removed")
                return
            self._space = self._most - sum(sizes.values())
            if self._space <= 0:
                self._fill()


class _File:
    """One file and its lock file. The process that holds the lock is the writer. Closing removes an empty file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known = {""}
        self.open = False  # whether something waits for its commit
        self.written = 0
        self.followed = False  # whether the next one is being made
        self._kept = False  # whether anything was committed
        with contextlib.ExitStack() as undo:  # a failed attempt must leave no descriptor and no file
            self._lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            undo.callback(self._remove)
            undo.callback(os.close, self._lock)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.posix_fallocate(self._lock, 0, _LEAST_FREE_BYTES)
            os.ftruncate(self._lock, 0)
            self._base = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
            undo.callback(self._base.close)
            for pragma in ("page_size=8192", "journal_mode=WAL", "synchronous=NORMAL", "wal_autocheckpoint=0"):
                self._base.execute(f"PRAGMA {pragma}")
            self._base.executescript(_SCHEMA)
            self._cursor = self._base.cursor()
            undo.pop_all()
        self._insert = self._cursor.execute

    def add(self, body: bytes) -> None:
        if not self.open:
            self._insert("BEGIN IMMEDIATE")
            self.open = True
        self._insert("INSERT INTO record (sum, body) VALUES (?, ?)", (zlib.crc32(body), body))
        self.written += len(body)

    def name(self, names_hash: str, names: tuple[str, ...]) -> None:
        if not self.open:
            self._insert("BEGIN IMMEDIATE")
            self.open = True
        self._insert("INSERT OR IGNORE INTO names VALUES (?, ?)", (names_hash, json.dumps(names)))
        self.known.add(names_hash)

    def commit(self) -> None:
        self._insert("COMMIT")
        self.open = False
        self._kept = True

    def close(self) -> None:
        """Commit open records and close the file; raises sqlite3.Error if the commit fails, after closing the file."""
        try:
            if self.open:
                self.commit()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close the file without a commit."""
        with contextlib.suppress(sqlite3.Error):
            self._cursor.close()  # an open cursor would keep the connection's descriptors open
            self._base.close()
        os.close(self._lock)
        if not self._kept:
            with contextlib.suppress(OSError):  # the shipper removes it later
                self._remove()

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm", "-journal"):
            self.path.with_name(f"{self.path.name}{suffix}").unlink(missing_ok=True)
        self.path.with_suffix(".lock").unlink(missing_ok=True)


def _sizes(folder: Path) -> dict[str, int]:
    """Return the size of each of a folder's files in bytes, by name."""
    sizes = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # the shipper removed it meanwhile
                sizes[entry.name] = entry.stat().st_size
    return sizes


def _why(error: OSError | sqlite3.Error) -> str:
    if "full" in str(error) or (isinstance(error, OSError) and error.errno in _NO_SPACE):
        return "the disk is full"
    # An OSError's text contains a path, which differs between tries.
    return f"the outbox fails ({(isinstance(error, OSError) and error.strerror) or error})"
