"""How far each sink is, and what it is about to write: on the disk before anything is sent."""

from __future__ import annotations

import json
import sqlite3
import threading
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

NAME: Final = "progress.db"
_ROOM: Final = 256 * 1024  # bytes kept free within the file, so that a full disk doesn't stop what would empty it
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cursor (
    sink TEXT, source TEXT, seq INTEGER NOT NULL, PRIMARY KEY (sink, source)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS plan (
    sink TEXT PRIMARY KEY, source TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    left_out TEXT NOT NULL, place BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS place (sink TEXT PRIMARY KEY, place BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS damaged (source TEXT, seq INTEGER, PRIMARY KEY (source, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS done (source TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID;
"""


class Plan(NamedTuple):
    """What a sink is about to be given: repeated after a crash, it says the same.

    source        the outbox file's id
    first, last   numbers of its first and last record
    left_out      numbers between them that aren't sent: damaged, or dead letters
    place         that the sink gave for it
    """

    source: str
    first: int
    last: int
    left_out: tuple[int, ...]
    place: bytes


class Progress:
    """The progress of one outbox folder; any thread may call. What is said here survives the machine.

    `shipper` is its identity, made once: 32 hexadecimal digits.
    """

    def __init__(self, folder: Path) -> None:
        self._lock = threading.Lock()
        self._cursors: dict[tuple[str, str], int] = {}  # asked for many times a second, of each kept file
        self._done: dict[str, float] = {}
        self._base = sqlite3.connect(folder / NAME, isolation_level=None, check_same_thread=False, timeout=30)
        try:
            self._prepare()
        except BaseException:
            self._base.close()
            raise

    def _prepare(self) -> None:
        # A journal that stays where it is needs no more of the disk, as a log would; see _ROOM.
        self._base.execute("PRAGMA journal_mode=PERSIST")
        self._base.execute("PRAGMA synchronous=FULL")
        self._base.executescript(_SCHEMA)
        self._base.execute("INSERT OR IGNORE INTO meta VALUES ('shipper', ?)", (uuid.uuid4().hex,))
        (self.shipper,) = self._one("SELECT value FROM meta WHERE key = 'shipper'")
        (free,) = self._one("PRAGMA freelist_count")
        (page,) = self._one("PRAGMA page_size")
        if free * page < _ROOM // 2:
            self._make_room()

    def cursor(self, sink: str, source: str) -> int:
        """Return the number of the last record of a file that is settled for a sink; 0 before the first."""
        found = self._cursors.get((sink, source))
        if found is None:
            with self._lock:  # until it is noted, or a change of it by another thread would be missed
                query = "SELECT seq FROM cursor WHERE sink = ? AND source = ?"
                row = self._base.execute(query, (sink, source)).fetchone()
                found = self._cursors[sink, source] = row[0] if row else 0
        return found

    def plan(self, sink: str) -> Plan | None:
        """Return the plan of a sink's next write, None if there is none."""
        row = self._one("SELECT source, first, last, left_out, place FROM plan WHERE sink = ?", sink)
        return None if row is None else Plan(row[0], row[1], row[2], tuple(json.loads(row[3])), row[4])

    def place(self, sink: str) -> bytes:
        """Return the place after a sink's last write; empty before the first."""
        row = self._one("SELECT place FROM place WHERE sink = ?", sink)
        return row[0] if row else b""

    def intend(self, sink: str, plan: Plan) -> None:
        """Write down what a sink is going to be given, before it is."""
        values = (sink, plan.source, plan.first, plan.last, json.dumps(plan.left_out), plan.place)
        with self._change() as base:
            base.execute("INSERT OR REPLACE INTO plan VALUES (?, ?, ?, ?, ?, ?)", values)

    def settle(self, sink: str, plan: Plan, place: bytes) -> None:
        """Write down that a sink has what was planned, and the place after it; nothing where it was given up."""
        with self._change() as base:
            if base.execute("DELETE FROM plan WHERE sink = ? AND source = ?", (sink, plan.source)).rowcount:
                base.execute("INSERT OR REPLACE INTO cursor VALUES (?, ?, ?)", (sink, plan.source, plan.last))
                base.execute("INSERT OR REPLACE INTO place VALUES (?, ?)", (sink, place))
                self._cursors.pop((sink, plan.source), None)

    def give_up(self, sink: str) -> None:
        """Drop a sink's plan, whose records are gone."""
        with self._change() as base:
            base.execute("DELETE FROM plan WHERE sink = ?", (sink,))

    def rewind(self, sink: str) -> None:
        """Forget all that a sink was given, so that it is given everything that the outbox still holds."""
        with self._change() as base:
            for table in ("cursor", "plan", "place"):
                base.execute(f"DELETE FROM {table} WHERE sink = ?", (sink,))  # noqa: S608  names of ours
            self._cursors.clear()

    def damage(self, source: str, seqs: Collection[int]) -> int:
        """Note records that can't be read, and return how many of them are new."""
        with self._change() as base:
            rows = [(source, seq) for seq in seqs]
            return base.executemany("INSERT OR IGNORE INTO damaged VALUES (?, ?)", rows).rowcount

    def damaged(self, source: str) -> int:
        """Count a file's records that couldn't be read."""
        row = self._one("SELECT count(*) FROM damaged WHERE source = ?", source)
        return row[0] if row else 0

    def done(self, source: str, now: float) -> float:
        """Return when a file was first seen to be done, which is `now` the first time."""
        if source not in self._done:
            row = self._one("SELECT at FROM done WHERE source = ?", source)
            if row is None:
                with self._change() as base:
                    base.execute("INSERT OR IGNORE INTO done VALUES (?, ?)", (source, now))
            self._done[source] = row[0] if row else now
        return self._done[source]

    def forget(self, source: str) -> None:
        """Drop what is known of a file that is gone."""
        with self._change() as base:
            for table in ("cursor", "damaged", "done"):
                base.execute(f"DELETE FROM {table} WHERE source = ?", (source,))  # noqa: S608  names of ours
            self._cursors.clear()
            self._done.pop(source, None)

    def close(self) -> None:
        """Close the file; nothing is written afterwards."""
        with self._lock:
            self._base.close()

    def _make_room(self) -> None:
        with self._change() as base:
            base.execute("INSERT OR REPLACE INTO meta VALUES ('room', zeroblob(?))", (_ROOM,))
        with self._change() as base:
            base.execute("DELETE FROM meta WHERE key = 'room'")

    def _one(self, query: str, *values: object) -> Any:
        with self._lock:
            return self._base.execute(query, values).fetchone()

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield self._base
                self._base.execute("COMMIT")
            except BaseException:
                if self._base.in_transaction:
                    self._base.execute("ROLLBACK")
                raise
