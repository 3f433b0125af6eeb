"""Reads outbox files of earlier releases: SQLite databases in WAL mode."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from customer_risk.serving.record.outbox.file import QUARANTINE, NumberedRecord, quarantine_record

SQLITE_SUFFIX: Final = ".outbox"


class SqliteFile:
    """One SQLite file, by its path, with its write-ahead log and its lock."""

    def __init__(self, path: Path, *, quarantine: bool = False) -> None:
        self.path = path
        self._quarantine = quarantine
        self.source = path.stem
        self.damaged = 0
        self.patience = 5.0  # seconds to wait for a lock
        self._names: dict[str, tuple[str, ...]] = {"": ()}

    @property
    def alive(self) -> bool:
        """Whether a process still writes the file."""
        try:
            lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(lock)
        return False

    def last(self) -> int:
        """Return the number of the last record, 0 without records; in a damaged file, of the last readable record."""
        try:
            with self._base() as base:
                return int(base.execute("SELECT coalesce(max(seq), 0) FROM record").fetchone()[0])
        except sqlite3.DatabaseError as error:
            return self._last_by_trying() if _torn(error) else _none_yet(error, 0)

    def read(self, after: int, most: int) -> list[NumberedRecord]:
        """Return the records with numbers above `after`, in order, without damaged ones."""
        try:
            with self._base() as base:
                rows = base.execute(
                    "SELECT seq, sum, body FROM record WHERE seq > ? ORDER BY seq LIMIT ?", (after, most)
                ).fetchall()
        except sqlite3.DatabaseError as error:
            if not _torn(error):
                return _none_yet(error, [])
            rows = [row for seq in range(after + 1, after + 1 + most) if (row := self._row(seq)) is not None]
        return [NumberedRecord(seq, body) for seq, total, body in rows if self._sound(seq, total, body)]

    def names(self, names_hash: str) -> tuple[str, ...]:
        """Return the features' names by their hash; raises KeyError if the file doesn't have them."""
        if names_hash not in self._names:
            try:
                with self._base() as base:
                    row = base.execute("SELECT names FROM names WHERE hash = ?", (names_hash,)).fetchone()
            except sqlite3.DatabaseError as error:
                if not _torn(error):
                    raise _unreadable(error) from error
                row = None
            if row is None:
                raise KeyError(names_hash)
            self._names[names_hash] = tuple(json.loads(row[0]))
        return self._names[names_hash]

    def whole(self) -> bool:
        """Return whether all of the file can be read; reads all of it."""
        try:
            with self._base() as base:
                return bool(base.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
        except sqlite3.DatabaseError as error:
            if not _torn(error):
                raise _unreadable(error) from error
            return False

    def size(self) -> int:
        """Return the file's size in bytes, with its write-ahead log."""
        return sum(path.stat().st_size for path in self._files() if path.exists())

    def used(self) -> int:
        """Return the number of bytes that the file's records take."""
        return self.size()

    def shrink(self) -> None:
        """Do nothing: SQLite allocates space only when it writes."""

    def remove(self) -> None:
        """Delete the file, its write-ahead log and its lock."""
        for path in self._files():
            path.unlink(missing_ok=True)

    def quarantine(self) -> None:
        """Move the file to quarantine: its other records can't be read."""
        aside = self.path.parent / QUARANTINE
        aside.mkdir(exist_ok=True)
        for path in self._files():
            if path.exists():
                path.replace(aside / path.name)

    def _files(self) -> list[Path]:
        names = (self.path.name, f"{self.path.name}-wal", f"{self.path.name}-shm", f"{self.source}.lock")
        return [self.path.with_name(name) for name in names]

    def _sound(self, seq: int, total: int, body: bytes) -> bool:
        if isinstance(body, bytes) and zlib.crc32(body) == total:
            return True
        self.damaged += 1
        if self._quarantine:
            quarantine_record(self, seq, body if isinstance(body, bytes) else b"")
        return False

    def _row(self, seq: int) -> tuple[int, int, bytes] | None:
        try:
            with self._base() as base:
                row: tuple[int, int, bytes] | None = base.execute(
                    "SELECT seq, sum, body FROM record WHERE seq = ?", (seq,)
                ).fetchone()
        except sqlite3.DatabaseError as error:
            if not _torn(error):
                raise _unreadable(error) from error
            self.damaged += 1
            return None
        return row

    def _last_by_trying(self) -> int:
        """Return the number of a damaged file's last readable record, by trying all numbers: they have no gaps."""
        last, misses = 0, 0
        while misses < _MOST_MISSES:
            try:
                with self._base() as base:
                    row = base.execute("SELECT seq FROM record WHERE seq = ?", (last + misses + 1,)).fetchone()
            except sqlite3.DatabaseError as error:
                if not _torn(error):
                    raise _unreadable(error) from error
                row = None
            if row is None:
                misses += 1
            else:
                last, misses = last + misses + 1, 0
        return last

    @contextmanager
    def _base(self) -> Iterator[sqlite3.Connection]:
        # Don't create the file again if it was removed meanwhile.
        base = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=self.patience
        )
        try:
            yield base
        finally:
            base.close()


_MOST_MISSES: Final = 64
_TORN: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_Nothing = TypeVar("_Nothing")


def _torn(error: sqlite3.DatabaseError) -> bool:
    """Return whether the file is damaged; False for errors that may pass, such as a lock or a failing disk."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _TORN


def _none_yet(error: sqlite3.DatabaseError, nothing: _Nothing) -> _Nothing:
    """Return `nothing` if the writer hasn't made its tables yet; raise any other error."""
    if "no such table" not in str(error):
        raise _unreadable(error) from error
    return nothing


def _unreadable(error: sqlite3.Error) -> OSError:
    return OSError(errno.EIO, str(error))
