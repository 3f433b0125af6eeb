"""Each sink's progress and its next write, on the disk before the write begins."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import sqlite3
import threading
import time
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from customer_risk.model.atomic import write_file
from customer_risk.serving.record.outbox.file import QUARANTINE
from customer_risk.serving.record.sinks.recovery import Recovered

NAME: Final = "progress.db"
IDENTITY: Final = f"{NAME}.id"  # a copy of the shipper's identity, in case the file is lost
_ROOM: Final = 256 * 1024  # free bytes within the file, so that shipping goes on if the disk is full
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
_log = logging.getLogger("serving.record")


class Plan(NamedTuple):
    """The next write to a sink, which is repeated unchanged after a crash.

    source        the outbox file's id
    first, last   numbers of its first and last record
    left_out      numbers between them that aren't sent: damaged records and dead letters
    place         place of the write, from the sink
    """

    source: str
    first: int
    last: int
    left_out: tuple[int, ...]
    place: bytes


class Progress:
    """The progress of one outbox folder; any thread may call. Each change survives a crash of the machine.

    `shipper` is the shipper's identity, made once: 32 hexadecimal digits. A damaged file is moved to the folder's
    quarantine and replaced by a new one; `was_damaged` is then true. Each sink must then be asked which records it has
    (`lost`).
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.was_damaged = False
        self.broken = False  # whether damage was found after the file was opened
        self._lock = threading.Lock()
        self._cursors: dict[tuple[str, str], int] = {}  # a cache: each is read many times a second
        self._done: dict[str, float] = {}
        try:
            self._base = self._opened()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            _log.error(
                "%s is damaged (%s); it is moved to quarantine, and each sink is asked which records it has",
                folder / NAME,
                error,
            )
            self._quarantine()
            self._base = self._opened()
        (self.shipper,) = self._one("SELECT value FROM meta WHERE key = 'shipper'")
        self._keep_identity()

    def _opened(self) -> sqlite3.Connection:
        base = sqlite3.connect(
            (self._folder / NAME).absolute(), isolation_level=None, check_same_thread=False, timeout=30
        )
        try:
            self._prepare(base)
        except BaseException:
            base.close()
            raise
        return base

    def _prepare(self, base: sqlite3.Connection) -> None:
        if (found := base.execute("PRAGMA quick_check(1)").fetchone()) != ("ok",):
            error = sqlite3.DatabaseError(str(found[0]))
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise error
        # A persistent journal keeps its space on the disk, unlike a write-ahead log; see _ROOM.
        base.execute("PRAGMA journal_mode=PERSIST")
        base.execute("PRAGMA synchronous=FULL")
        base.executescript(_SCHEMA)
        base.execute("BEGIN IMMEDIATE")
        shipper = _identity(self._folder) or uuid.uuid4().hex
        if base.execute("INSERT OR IGNORE INTO meta VALUES ('shipper', ?)", (shipper,)).rowcount:
            base.execute("INSERT INTO meta VALUES ('new', 1)")
        base.execute("COMMIT")
        (free,) = base.execute("PRAGMA freelist_count").fetchone()
        (page,) = base.execute("PRAGMA page_size").fetchone()
        if free * page < _ROOM // 2:
            base.execute("INSERT OR REPLACE INTO meta VALUES ('room', zeroblob(?))", (_ROOM,))
            base.execute("DELETE FROM meta WHERE key = 'room'")

    def _quarantine(self) -> None:
        aside = self._folder / QUARANTINE
        aside.mkdir(exist_ok=True)
        name = f"{time.time_ns()}-"
        for path in (self._folder / NAME, self._folder / f"{NAME}-journal"):
            if path.exists():
                path.replace(aside / (name + path.name))
        self.was_damaged = True

    def lost(self, sink: str) -> bool:
        """Return whether it is unknown which records a sink has: this file is new, and `found` wasn't called."""
        query = "SELECT (SELECT 1 FROM meta WHERE key = 'new') AND NOT EXISTS (SELECT 1 FROM meta WHERE key = ?)"
        return bool(self._one(query, f"found {sink}")[0])

    def found(self, sink: str, recovered: Recovered) -> None:
        """Store which records a sink has, and the identity of the shipper that wrote them."""
        with self._change() as base:
            base.execute("INSERT OR REPLACE INTO meta VALUES (?, 1)", (f"found {sink}",))
            for source, seq in recovered.cursors.items():
                base.execute("INSERT OR REPLACE INTO cursor VALUES (?, ?, ?)", (sink, source, seq))
            if recovered.place:
                base.execute("INSERT OR REPLACE INTO place VALUES (?, ?)", (sink, recovered.place))
            if (run := recovered.begun) is not None:
                values = (sink, *run, "[]", recovered.place)
                base.execute("INSERT OR REPLACE INTO plan VALUES (?, ?, ?, ?, ?, ?)", values)
            if recovered.shipper:
                base.execute("UPDATE meta SET value = ? WHERE key = 'shipper'", (recovered.shipper,))
            self._cursors.clear()
        self.shipper = recovered.shipper or self.shipper
        self._keep_identity()

    def _keep_identity(self) -> None:
        if _identity(self._folder) != self.shipper:
            with contextlib.suppress(OSError):  # for example a full disk: the next start writes it
                write_file(self._folder / IDENTITY, self.shipper.encode(), mode=0o600)

    def cursor(self, sink: str, source: str) -> int:
        """Return the number of the last record of a file that is settled for a sink; 0 before the first."""
        found = self._cursors.get((sink, source))
        if found is None:
            with self._lock:  # held until the cursor is cached: otherwise another thread's change would be missed
                row = self._ask("SELECT seq FROM cursor WHERE sink = ? AND source = ?", sink, source)
                found = self._cursors[sink, source] = row[0] if row else 0
        return found

    def plan(self, sink: str) -> Plan | None:
        """Return the plan of a sink's next write, or None without a plan."""
        row = self._one("SELECT source, first, last, left_out, place FROM plan WHERE sink = ?", sink)
        return None if row is None else Plan(row[0], row[1], row[2], tuple(json.loads(row[3])), row[4])

    def place(self, sink: str) -> bytes:
        """Return the place after a sink's last write; empty before the first."""
        row = self._one("SELECT place FROM place WHERE sink = ?", sink)
        return row[0] if row else b""

    def intend(self, sink: str, plan: Plan) -> None:
        """Store the plan of a sink's next write."""
        values = (sink, plan.source, plan.first, plan.last, json.dumps(plan.left_out), plan.place)
        with self._change() as base:
            base.execute("INSERT OR REPLACE INTO plan VALUES (?, ?, ?, ?, ?, ?)", values)

    def settle(self, sink: str, plan: Plan, place: bytes) -> None:
        """Store that a plan was written, and the place after it; do nothing if the plan was dropped."""
        with self._change() as base:
            if base.execute("DELETE FROM plan WHERE sink = ? AND source = ?", (sink, plan.source)).rowcount:
                base.execute("INSERT OR REPLACE INTO cursor VALUES (?, ?, ?)", (sink, plan.source, plan.last))
                base.execute("INSERT OR REPLACE INTO place VALUES (?, ?)", (sink, place))
                self._cursors.pop((sink, plan.source), None)

    def give_up(self, sink: str) -> None:
        """Drop a sink's plan because its records are gone."""
        with self._change() as base:
            base.execute("DELETE FROM plan WHERE sink = ?", (sink,))

    def rewind(self, sink: str) -> None:
        """Drop a sink's progress, so that it gets all records of the outbox again."""
        with self._change() as base:
            for table in ("cursor", "plan", "place"):
                base.execute(f"DELETE FROM {table} WHERE sink = ?", (sink,))  # noqa: S608  constants
            base.execute("INSERT OR REPLACE INTO meta VALUES (?, 1)", (f"found {sink}",))
            self._cursors.clear()

    def damage(self, source: str, seqs: Collection[int]) -> int:
        """Store the numbers of damaged records; return how many of them are new."""
        with self._change() as base:
            rows = [(source, seq) for seq in seqs]
            return base.executemany("INSERT OR IGNORE INTO damaged VALUES (?, ?)", rows).rowcount

    def damaged(self, source: str) -> int:
        """Return the number of a file's damaged records."""
        row = self._one("SELECT count(*) FROM damaged WHERE source = ?", source)
        return row[0] if row else 0

    def done(self, source: str, now: float) -> float:
        """Return the time when a file was first found done; `now` if this is the first time."""
        if source not in self._done:
            row = self._one("SELECT at FROM done WHERE source = ?", source)
            if row is None:
                with self._change() as base:
                    base.execute("INSERT OR IGNORE INTO done VALUES (?, ?)", (source, now))
            self._done[source] = row[0] if row else now
        return self._done[source]

    def forget(self, source: str) -> None:
        """Drop all rows of a file that was removed."""
        with self._change() as base:
            for table in ("cursor", "damaged", "done"):
                base.execute(f"DELETE FROM {table} WHERE source = ?", (source,))  # noqa: S608  constants
            self._cursors.clear()
            self._done.pop(source, None)

    def close(self) -> None:
        """Close the file; nothing is written afterwards."""
        with self._lock:
            self._base.close()

    def _one(self, query: str, *values: object) -> Any:
        with self._lock:
            return self._ask(query, *values)

    def _ask(self, query: str, *values: object) -> Any:
        with self._noticing():
            return self._base.execute(query, values).fetchone()

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            self.broken = self.broken or is_damage(error)
            raise

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._noticing():
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield self._base
                self._base.execute("COMMIT")
            except BaseException:
                if self._base.in_transaction:
                    self._base.execute("ROLLBACK")
                raise


def read_end(folder: Path, sink: str) -> tuple[str, bytes]:
    """Return a shipper's identity and the place after a sink's last write, each empty if unknown; only read.

    Raises sqlite3.DatabaseError if the progress can't be read.
    """
    with contextlib.closing(sqlite3.connect(f"{(folder / NAME).absolute().as_uri()}?mode=ro", uri=True)) as base:
        shipper = base.execute("SELECT value FROM meta WHERE key = 'shipper'").fetchone()
        place = base.execute("SELECT place FROM place WHERE sink = ?", (sink,)).fetchone()
    return (shipper[0] if shipper else ""), (place[0] if place else b"")


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Return whether the file is damaged; False for errors that may pass, such as a lock or a full disk."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _identity(folder: Path) -> str:
    """Return the shipper's identity from `progress.db.id`; an empty string if the file is missing or damaged."""
    try:
        text = (folder / IDENTITY).read_text("ascii")
    except (FileNotFoundError, UnicodeDecodeError):
        return ""
    return text if re.fullmatch("[0-9a-f]{32}", text) else ""
