"""Outbox files that can't be read now, which says nothing of what they hold."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from customer_risk.serving.record.outbox.reader import QUARANTINE, OutboxFile, find_files
from customer_risk.serving.record.outbox.writer import Outbox


@pytest.fixture
def file(tmp_path: Path) -> OutboxFile:
    """A closed file of ten records."""
    outbox = Outbox(tmp_path, most_bytes=10**8, file_bytes=10**7)
    for number in range(10):
        outbox.add(b"%d" % number * 3000)
    outbox.commit()
    outbox.close()
    return find_files(tmp_path)[0]


def test_a_file_that_another_holds_is_not_damaged(file) -> None:
    """A lock raises, rather than making records count as lost."""
    file.patience = 0.05
    holder = sqlite3.connect(file.path, isolation_level=None)
    holder.execute("PRAGMA journal_mode=DELETE")
    holder.execute("BEGIN EXCLUSIVE")
    for ask in (file.last, file.whole, lambda: file.read(0, 10)):
        with pytest.raises(sqlite3.OperationalError):
            ask()
    holder.execute("ROLLBACK")
    holder.close()
    assert (file.last(), len(file.read(0, 10)), file.damaged, file.whole()) == (10, 10, 0, True)


def test_a_file_without_tables_has_no_records_yet(tmp_path) -> None:
    """Its writer may be about to make them."""
    path = tmp_path / "a.outbox"
    path.touch()
    assert (OutboxFile(path).last(), OutboxFile(path).read(0, 10)) == (0, [])


def test_a_file_that_is_gone_is_not_made_anew(file) -> None:
    """Whoever still reads a removed file hears so."""
    file.remove()
    with pytest.raises(sqlite3.OperationalError):
        file.last()
    assert not file.path.exists()


def test_a_torn_file_is_not_whole(file) -> None:
    """A page that can't be read is found, and what can be read is."""
    file.read(0, 1)
    data = bytearray(file.path.read_bytes())
    data[-3 * 8192 :] = b"\xff" * 3 * 8192
    file.path.write_bytes(data)
    assert not file.whole()
    assert 0 < len(file.read(0, 10)) < 10
    assert file.damaged
    file.set_aside()
    assert (file.path.parent / QUARANTINE / file.path.name).exists()
