"""Progress of long commands."""

from __future__ import annotations

import pytest

from customer_risk.serving.audit import progress
from customer_risk.serving.audit.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_long_command_writes_progress(clock, capsys) -> None:
    """A long command writes its progress to stderr every two seconds."""
    watch = Progress("records replayed")
    for _ in range(1500):
        watch.step()
    clock[0] += 2
    watch.step()
    watch.step()
    assert capsys.readouterr() == ("", "1,501 records replayed\n")


def test_a_short_command_writes_no_progress(clock, capsys) -> None:
    """A short command writes no progress."""
    watch = Progress("records replayed")
    clock[0] += 1.9
    watch.step()
    assert capsys.readouterr().err == ""


def test_long_reading_writes_progress(run, stored, monkeypatch) -> None:
    """A long verification, search or erasure writes the number of objects read to stderr, and the result to stdout."""
    monkeypatch.setattr(progress, "_QUIET_SECONDS", 0.0)
    result = run("verify", "--from", stored)
    assert "8 objects read" in result.stderr
    assert "objects read" not in result.stdout
