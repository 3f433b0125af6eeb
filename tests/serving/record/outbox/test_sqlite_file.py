"""Reading SQLite files of earlier releases."""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from pathlib import Path

import pytest

from customer_risk.serving.record.outbox.file import QUARANTINE
from customer_risk.serving.record.outbox.reader import find_files
from customer_risk.serving.record.outbox.sqlite_file import SqliteFile


@pytest.fixture
def file(tmp_path: Path) -> SqliteFile:
    """A closed file of ten records, with the tables of the earlier release."""
    path = tmp_path / f"{'0' * 32}.outbox"
    with sqlite3.connect(path) as base:
        base.execute("PRAGMA page_size=8192")
        base.execute("PRAGMA journal_mode=WAL")
        base.execute("CREATE TABLE record (seq INTEGER PRIMARY KEY, sum INTEGER NOT NULL, body BLOB NOT NULL)")
        base.execute("CREATE TABLE names (hash TEXT PRIMARY KEY, names TEXT NOT NULL)")
        base.execute("INSERT INTO names VALUES (?, ?)", ("h", json.dumps(["x", "y"])))
        bodies = [b"record-%02d-" % number + b"x" * 3000 for number in range(10)]
        base.executemany("INSERT INTO record (sum, body) VALUES (?, ?)", [(zlib.crc32(body), body) for body in bodies])
    base.close()
    path.with_suffix(".lock").touch()
    return SqliteFile(path, quarantine=True)


def test_records_of_sqlite_files_are_found(file) -> None:
    """The records of an SQLite file are found with their numbers and names, and no process writes it."""
    (found,) = find_files(file.path.parent)
    assert [kept.seq for kept in found.read(2, 3)] == [3, 4, 5]
    assert (found.last(), found.names("h"), found.alive, found.whole()) == (10, ("x", "y"), False, True)
    with pytest.raises(KeyError):
        found.names("other")


def test_a_locked_file_is_not_damaged(file) -> None:
    """A locked file raises OSError, and none of its records counts as damaged."""
    file.patience = 0.05
    holder = sqlite3.connect(file.path, isolation_level=None)
    holder.execute("PRAGMA journal_mode=DELETE")
    holder.execute("BEGIN EXCLUSIVE")
    for ask in (file.last, file.whole, lambda: file.read(0, 10)):
        with pytest.raises(OSError, match="locked"):
            ask()
    holder.execute("ROLLBACK")
    holder.close()
    assert (file.last(), len(file.read(0, 10)), file.damaged, file.whole()) == (10, 10, 0, True)


def test_a_file_without_tables_has_no_records(tmp_path) -> None:
    """A file whose writer was killed before it made the tables has no records."""
    path = tmp_path / "a.outbox"
    path.touch()
    assert (SqliteFile(path).last(), SqliteFile(path).read(0, 10)) == (0, [])


def test_a_removed_file_is_not_created_again(file) -> None:
    """Reading a removed file raises, and doesn't create it again."""
    file.remove()
    with pytest.raises(OSError, match="open"):
        file.last()
    assert list(file.path.parent.iterdir()) == []


def test_a_changed_record_is_quarantined_and_counted(file) -> None:
    """A changed record is moved to quarantine and counted, and the others are read."""
    data = file.path.read_bytes()
    file.path.write_bytes(data.replace(b"record-07-", b"record-O7-"))
    assert [kept.seq for kept in file.read(0, 100)] == [seq for seq in range(1, 11) if seq != 8]
    assert file.damaged == 1
    aside = file.path.parent / QUARANTINE / f"{file.source}-8.record"
    assert aside.read_bytes().startswith(b"record-O7-")


@pytest.mark.parametrize("junk", [b"\xff" * 8192, os.urandom(8192)])
def test_a_lost_page_loses_only_its_records(file, junk) -> None:
    """Only the records of a lost page are lost, and the file is moved to quarantine afterwards."""
    data = bytearray(file.path.read_bytes())
    data[-2 * 8192 : -8192] = junk
    file.path.write_bytes(data)
    assert not file.whole()
    assert 0 < len(file.read(0, 10)) < 10
    assert file.damaged
    file.quarantine()
    assert (file.path.parent / QUARANTINE / file.path.name).exists()
