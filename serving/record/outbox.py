"""The outbox: records on the disk, where a killed process leaves them and the shipper finds them.

A file of SQLite for each writing process, in WAL mode with `synchronous=NORMAL`: what was committed survives any
process's death; only the machine's may cost the last moments.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
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

from serving.errors import Later
from serving.uuid7 import uuid7

SUFFIX: Final = ".outbox"
_SCHEMA: Final = """
CREATE TABLE record (seq INTEGER PRIMARY KEY, sum INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE names (hash TEXT PRIMARY KEY, names TEXT NOT NULL);
"""
_LOOK_SECONDS: Final = 1.0  # between two measurements of the folder


class RecordUnavailable(Later):
    """So many records, the asking thread's, can't be kept."""

    def __init__(self, why: str, *, records: int = 1) -> None:
        super().__init__(f"The decision can't be recorded: {why}.", remedy="Send it again later.", retry_after=5)
        self.records = records


class Outbox:
    """Writes one process's records to `folder`; any thread may call.

    `most_bytes` bound the folder; a file that has grown past `file_bytes` is closed and another begun. Making a file
    and closing one may take tens of milliseconds, so a thread has the next one ready, and closes the last.
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
        self._robbed: Counter[int] = Counter()  # those that were lost before they were
        self._room = 0
        self._looked = -_LOOK_SECONDS
        self._spare: _File | None = None
        self._newest = ""  # name of the file that was begun last
        self._chores: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._keeper: threading.Thread | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, body: bytes, names: tuple[str, ...] = (), names_hash: str = "") -> None:
        """Write a record, to be committed with all others before the next `commit`; raises RecordUnavailable.

        The thread that adds must commit before it lets what it recorded out, and before it waits for anything.
        """
        with self._lock:
            try:
                file = self._current(len(body))
                if names_hash not in file.known:
                    file.name(names_hash, names)
                file.add(body)
                self._waiting[threading.get_ident()] += 1
            except (OSError, sqlite3.Error) as error:
                self._give_up()
                raise RecordUnavailable(_why(error)) from error

    def commit(self) -> None:
        """See to it that what was added survives this process; raises RecordUnavailable where it may not."""
        with self._lock:
            file, this = self._file, threading.get_ident()
            if lost := self._robbed.pop(this, 0):  # another's failure took with it what this thread had added
                raise RecordUnavailable("the outbox failed", records=lost)
            if file is None or not file.open:
                return
            try:
                file.commit()
            except sqlite3.Error as error:
                self._give_up()
                raise RecordUnavailable(_why(error), records=self._robbed.pop(this, 0)) from error
            self._waiting.clear()

    def close(self) -> None:
        """Commit what is left and let go of the file."""
        if self._keeper is not None:
            self._chores.put(None)
            self._keeper.join()
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
            if self._spare is not None:
                self._spare.close()
                self._spare.remove()
                self._spare = None

    def _current(self, more: int) -> _File:
        """Give the file to write to; raises RecordUnavailable where there is no room."""
        if self._file is not None and not self._file.open and self._file.written > self._file_bytes:
            self._retire(self._file)
        now = time.monotonic()
        if now - self._looked >= _LOOK_SECONDS:
            self._looked, self._room = now, self._most - _size(self._folder)
        self._room -= more
        if self._room < 0:
            if self._file is not None and not self._file.open:
                self._retire(self._file)  # closed it is smaller, and can be shipped and removed
            raise RecordUnavailable("the outbox is full")
        if self._file is None:
            spare, self._spare = self._spare, None
            if spare is not None and spare.path.name < self._newest:  # made too late: records would lose their order
                spare.close()
                spare.remove()
                spare = None
            self._file = spare or self._make()
            self._newest = self._file.path.name
        if not self._file.followed and self._file.written * 2 > self._file_bytes:
            self._file.followed = True
            self._have(self._make_spare)
        return self._file

    def _retire(self, file: _File) -> None:
        """Close a file, whose log moves into it, which takes a while; the next record begins another."""
        self._file = None
        self._have(file.close)

    def _have(self, chore: Callable[[], None]) -> None:
        """Have the thread do something."""
        if self._keeper is None:
            self._keeper = threading.Thread(target=self._keep, daemon=True)
            self._keeper.start()
        self._chores.put(chore)

    def _make(self) -> _File:
        return _File(self._folder / f"{uuid7(int(self._clock() * 1000)).replace('-', '')}{SUFFIX}")

    def _make_spare(self) -> None:
        if self._spare is None:
            self._spare = self._make()

    def _give_up(self) -> None:
        """Leave a file that failed to the shipper, as it would a dead process's; the next record begins another."""
        self._robbed += self._waiting
        self._waiting.clear()
        if self._file is not None:
            self._file.abandon()
            self._file = None

    def _keep(self) -> None:
        while (chore := self._chores.get()) is not None:
            with contextlib.suppress(OSError, sqlite3.Error):  # who needs a file next makes it, and hears why not
                chore()


class _File:
    """One file and its lock, which whoever holds is its writer."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known = {""}
        self.open = False  # whether something waits for its commit
        self.written = 0
        self.followed = False  # whether the next one is being made
        self._lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with contextlib.ExitStack() as undo:  # a disk that is full must not cost a descriptor for each attempt
            undo.callback(os.close, self._lock)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._base = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
            undo.callback(self._base.close)
            for pragma in ("page_size=8192", "journal_mode=WAL", "synchronous=NORMAL", "wal_autocheckpoint=0"):
                self._base.execute(f"PRAGMA {pragma}")
            self._base.executescript(_SCHEMA)
            undo.pop_all()
        self._insert = self._base.cursor().execute

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

    def close(self) -> None:
        try:
            if self.open:
                self.commit()
            self._base.close()
        finally:
            os.close(self._lock)

    def remove(self) -> None:
        """Delete one that nothing was written to."""
        for path in (self.path, self.path.with_suffix(".lock")):
            path.unlink(missing_ok=True)

    def abandon(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._base.close()
        os.close(self._lock)


def _size(folder: Path) -> int:
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                total += entry.stat().st_size
            except FileNotFoundError:  # the shipper was here meanwhile
                continue
    return total


def _why(error: Exception) -> str:
    return "the disk is full" if "full" in str(error) else f"the outbox fails ({error})"
