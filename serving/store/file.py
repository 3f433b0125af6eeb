"""A store in one SQLite file, which the processes of one machine may share."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from customer_risk.model.errors import ConfigError
from customer_risk.serving.errors import StoreUnavailable

_SWEEP_SECONDS: Final = 10.0  # between two checks for expired rows and free pages
_STEP_SECONDS: Final = 0.05  # between two steps while more is left
# One step locks the file for 10 to 40 ms, and requests wait for the lock.
_STEP_KEYS: Final = 4
_STEP_BYTES: Final = 4 * 1024 * 1024
_STEP_PAGES: Final = 1024
_WAL_BYTES: Final = 4 * 1024 * 1024  # of the write-ahead log after a checkpoint
_INCREMENTAL: Final = 2
_TABLE: Final = "CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, value BLOB NOT NULL, until REAL NOT NULL)"
_INDEX: Final = "CREATE INDEX IF NOT EXISTS kept_until ON kept (until)"
_EXPIRED: Final = f"SELECT key, length(value) FROM kept WHERE until <= ? LIMIT {_STEP_KEYS}"  # noqa: S608  a constant
_PREFIXED: Final = f"SELECT key, length(value) FROM kept WHERE key >= ? AND key < ? LIMIT {_STEP_KEYS}"  # noqa: S608
_PUT: Final = """
INSERT INTO kept VALUES (?, ?, ?)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, until = excluded.until
"""


class FileStore:
    """Stores values in the file `path`; `clock` returns seconds since 1970, the same in every process."""

    def __init__(self, path: str, *, timeout: float = 2, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._timeout = timeout
        self._swept = clock()
        try:
            with contextlib.ExitStack() as undo:
                self._file = sqlite3.connect(
                    Path(path).absolute(),  # SQLite would take a path that begins with `file:` for a URI
                    timeout=timeout,
                    isolation_level=None,
                    check_same_thread=False,
                )
                undo.callback(self._file.close)
                for statement in (
                    "PRAGMA auto_vacuum=INCREMENTAL",  # only for a new file; an older one doesn't shrink
                    "PRAGMA journal_mode=WAL",
                    "PRAGMA synchronous=NORMAL",
                    f"PRAGMA journal_size_limit={_WAL_BYTES}",
                    _TABLE,
                    _INDEX,
                ):
                    self._file.execute(statement)
                self._shrinks = self._number("auto_vacuum") == _INCREMENTAL
                undo.pop_all()
        except sqlite3.Error as error:
            raise ConfigError(f"store.path can't be used: {error}.", remedy="Name a file to write.") from error

    def get(self, key: str) -> bytes | None:
        """Return a key's value; None if it has no value, or the value has expired."""
        with self._using() as now:
            row = self._file.execute("SELECT value FROM kept WHERE key = ? AND until > ?", (key, now)).fetchone()
        return None if row is None else bytes(row[0])

    def put(self, key: str, value: bytes, *, seconds: float) -> None:
        """Set a value."""
        with self._using() as now:
            self._file.execute(_PUT, (key, value, now + seconds))

    def add(self, key: str, value: bytes, *, seconds: float) -> bool:
        """Set a value if the key has none; return whether the key has this value now."""
        statement = f"{_PUT} WHERE until <= ? OR value = excluded.value"
        with self._using() as now:
            return self._file.execute(statement, (key, value, now + seconds, now)).rowcount > 0

    def replace(self, key: str, old: bytes, new: bytes, *, seconds: float) -> bool:
        """Set the value `new` if the value is `old`; return whether the key has the value `new` now."""
        statement = "UPDATE kept SET value = ?, until = ? WHERE key = ? AND value IN (?, ?) AND until > ?"
        with self._using() as now:
            return self._file.execute(statement, (new, now + seconds, key, old, new, now)).rowcount > 0

    def remove(self, key: str, old: bytes | None = None) -> bool:
        """Delete a value, with `old` only if it equals `old`; return whether it was deleted."""
        statement = "DELETE FROM kept WHERE key = ? AND (? IS NULL OR value = ?) AND until > ?"
        with self._using() as now:
            return self._file.execute(statement, (key, old, old, now)).rowcount > 0

    def keys(self, prefix: str) -> list[str]:
        """Return the keys with a prefix that haven't expired, in order."""
        statement = "SELECT key FROM kept WHERE key >= ? AND key < ? AND until > ? ORDER BY key"
        with self._using() as now:
            return [row[0] for row in self._file.execute(statement, (prefix, prefix + "\U0010ffff", now))]

    def drop(self, prefix: str) -> bool:
        """Delete some of the keys with a prefix, in one short step; return whether there may be more."""
        with self._using():
            more = self._delete(_PREFIXED, (prefix, prefix + "\U0010ffff"))
            self._swept = min(self._swept, self._clock() - _SWEEP_SECONDS)  # sweep next time: there are free pages
            return more

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _delete(self, found: str, arguments: tuple[object, ...]) -> bool:
        """Delete the first keys that a query finds; return whether there may be more."""
        keys: list[str] = []
        size = 0
        for key, length in self._file.execute(found, arguments).fetchall():
            if keys and size + length > _STEP_BYTES:
                return self._delete_keys(keys)
            keys.append(key)
            size += length
        return self._delete_keys(keys) and len(keys) == _STEP_KEYS

    def _delete_keys(self, keys: list[str]) -> bool:
        marks = ", ".join("?" * len(keys))
        self._file.execute(f"DELETE FROM kept WHERE key IN ({marks})", keys)  # noqa: S608  only question marks
        return bool(keys)

    def _sweep(self, now: float) -> bool:
        """Delete expired rows and return free pages to the disk, in one short step; return whether more may be left.

        The step is skipped while another process writes.
        """
        self._file.execute("PRAGMA busy_timeout=0")
        try:
            if self._delete(_EXPIRED, (now,)):
                return True
            if not self._shrinks or not self._number("freelist_count"):
                return False
            self._file.execute(f"PRAGMA incremental_vacuum({_STEP_PAGES})").fetchall()
            if self._number("freelist_count"):
                return True
            self._file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.OperationalError:
            return True
        finally:
            self._file.execute(f"PRAGMA busy_timeout={round(self._timeout * 1000)}")
        return False

    def _number(self, pragma: str) -> int:
        return int(self._file.execute(f"PRAGMA {pragma}").fetchone()[0])

    @contextmanager
    def _using(self) -> Iterator[float]:
        now = self._clock()
        try:
            if not self._lock.acquire(timeout=self._timeout):  # waiting threads must not add up their timeouts
                raise StoreUnavailable
            try:
                if now - self._swept >= _SWEEP_SECONDS:
                    more = self._sweep(now)
                    self._swept = now - _SWEEP_SECONDS + _STEP_SECONDS if more else now
                yield now
            finally:
                self._lock.release()
        except sqlite3.Error as error:
            raise StoreUnavailable from error
