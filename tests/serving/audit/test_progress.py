"""Telling how far a command is."""

from __future__ import annotations

import pytest

from customer_risk.serving.audit import progress
from customer_risk.serving.audit.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_what_takes_long_says_how_far_it_is(clock, capsys) -> None:
    """Every two seconds, on stderr, so that a table on stdout stays whole."""
    watch = Progress("records replayed")
    for _ in range(1500):
        watch.step()
    clock[0] += 2
    watch.step()
    watch.step()
    assert capsys.readouterr() == ("", "1,501 records replayed\n")


def test_what_is_quick_says_nothing(clock, capsys) -> None:
    """Nobody has to read of what is done at once."""
    watch = Progress("records replayed")
    clock[0] += 1.9
    watch.step()
    assert capsys.readouterr().err == ""


def test_reading_much_is_told(run, stored, monkeypatch) -> None:
    """A long verification, search or erasure says how many objects it has read; the outcome alone is on stdout."""
    monkeypatch.setattr(progress, "_QUIET_SECONDS", 0.0)
    result = run("verify", "--from", stored)
    assert "8 objects read" in result.stderr
    assert "objects read" not in result.stdout
