"""A store in one SQLite file, which the processes of one machine may share."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from model.errors import ConfigError
from serving.store.store import StoreUnavailable

_SWEEP_SECONDS: Final = 10.0  # between two looks for expired rows
_TABLE: Final = "CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, value BLOB NOT NULL, until REAL NOT NULL)"
_INDEX: Final = "CREATE INDEX IF NOT EXISTS kept_until ON kept (until)"
_SWEEP: Final = "DELETE FROM kept WHERE key IN (SELECT key FROM kept WHERE until <= ? LIMIT 1000)"
_PUT: Final = """
INSERT INTO kept VALUES (?, ?, ?)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, until = excluded.until
"""


class FileStore:
    """Keeps values in the file `path`; `clock` gives seconds since 1970, shared by all who use the file."""

    def __init__(self, path: str, *, timeout: float = 2, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._timeout = timeout
        self._swept = clock()
        try:
            with contextlib.ExitStack() as undo:
                self._file = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
                undo.callback(self._file.close)
                for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", _TABLE, _INDEX):
                    self._file.execute(statement)
                undo.pop_all()
        except sqlite3.Error as error:
            raise ConfigError(f"store.path can't be used: {error}.", remedy="Name a file to write.") from error

    def get(self, key: str) -> bytes | None:
        """Give a value, None where there is none or it has expired."""
        with self._using() as now:
            row = self._file.execute("SELECT value FROM kept WHERE key = ? AND until > ?", (key, now)).fetchone()
        return None if row is None else bytes(row[0])

    def put(self, key: str, value: bytes, *, seconds: float) -> None:
        """Set a value."""
        with self._using() as now:
            self._file.execute(_PUT, (key, value, now + seconds))

    def add(self, key: str, value: bytes, *, seconds: float) -> bool:
        """Set a value where there is none; tell whether there was none."""
        with self._using() as now:
            return self._file.execute(f"{_PUT} WHERE until <= ?", (key, value, now + seconds, now)).rowcount > 0

    def replace(self, key: str, old: bytes, new: bytes, *, seconds: float) -> bool:
        """Set a value where it is `old`; tell whether it was."""
        statement = "UPDATE kept SET value = ?, until = ? WHERE key = ? AND value = ? AND until > ?"
        with self._using() as now:
            return self._file.execute(statement, (new, now + seconds, key, old, now)).rowcount > 0

    def remove(self, key: str, old: bytes | None = None) -> bool:
        """Delete a value, or only where it is `old`; tell whether it was there."""
        statement = "DELETE FROM kept WHERE key = ? AND (? IS NULL OR value = ?) AND until > ?"
        with self._using() as now:
            return self._file.execute(statement, (key, old, old, now)).rowcount > 0

    def keys(self, prefix: str) -> list[str]:
        """Name the keys that begin so and haven't expired, in order."""
        statement = "SELECT key FROM kept WHERE key >= ? AND key < ? AND until > ? ORDER BY key"
        with self._using() as now:
            return [row[0] for row in self._file.execute(statement, (prefix, prefix + "\U0010ffff", now))]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @contextmanager
    def _using(self) -> Iterator[float]:
        now = self._clock()
        try:
            if not self._lock.acquire(timeout=self._timeout):  # threads in line don't add their waits up
                raise StoreUnavailable
            try:
                if now - self._swept >= _SWEEP_SECONDS:
                    self._swept = now
                    self._file.execute(_SWEEP, (now,))
                yield now
            finally:
                self._lock.release()
        except sqlite3.Error as error:
            raise StoreUnavailable from error
