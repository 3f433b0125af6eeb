"""Patience with what may succeed later."""

from __future__ import annotations

import threading

import pytest

from customer_risk.serving.bulk.tables.retry import Patience
from customer_risk.serving.errors import NotReady
from customer_risk.serving.record.sinks.interface import SinkUnavailable


class Away:
    """Something that fails so many times, with time passing at each look."""

    def __init__(self, times: int, error: Exception | None = None, tick: float = 1.0) -> None:
        self.left, self.tick, self.now = times, tick, 0.0
        self.error = error or SinkUnavailable("It is away.", remedy="Wait.")

    def __call__(self) -> str:
        """Fail, or give."""
        self.left -= 1
        if self.left >= 0:
            raise self.error
        return "there"

    def clock(self) -> float:
        """Time passes."""
        self.now += self.tick
        return self.now


@pytest.fixture
def quick(monkeypatch) -> None:
    """Waits that take no time."""
    monkeypatch.setattr(threading.Event, "wait", lambda *_: False)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("error", [None, NotReady("Not yet.", remedy="Wait.")])
def test_what_comes_back_is_had(error, caplog) -> None:
    """However often it failed within the time, each said in the log."""
    away = Away(5, error)
    assert Patience(60, clock=away.clock).have(away) == "there"
    assert len(caplog.records) == 5


@pytest.mark.usefixtures("quick")
def test_patience_ends() -> None:
    """Once it has failed for so long on end."""
    away = Away(1000)
    with pytest.raises(SinkUnavailable):
        Patience(60, clock=away.clock).have(away)
    assert 900 < away.left < 1000


def test_no_patience_is_left_once_it_is_to_stop() -> None:
    """It raises at once."""
    stopping, away = threading.Event(), Away(1000)
    stopping.set()
    with pytest.raises(SinkUnavailable):
        Patience(60, stopping=stopping).have(away)
    assert away.left == 999


def test_there_is_none_with_other_errors() -> None:
    """They are raised as they are."""
    away = Away(1, ValueError("broken"))
    with pytest.raises(ValueError, match="broken"):
        Patience(60).have(away)
