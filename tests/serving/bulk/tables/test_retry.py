"""Retries of calls that may succeed later."""

from __future__ import annotations

import threading

import pytest

from customer_risk.serving.bulk.tables.retry import Patience
from customer_risk.serving.errors import NotReady
from customer_risk.serving.record.sinks.interface import SinkUnavailable


class Away:
    """A call that fails a number of times; the clock advances at each call."""

    def __init__(self, times: int, error: Exception | None = None, tick: float = 1.0) -> None:
        self.left, self.tick, self.now = times, tick, 0.0
        self.error = error or SinkUnavailable("It is away.", remedy="Wait.")

    def __call__(self) -> str:
        """Fail, or return a value."""
        self.left -= 1
        if self.left >= 0:
            raise self.error
        return "there"

    def clock(self) -> float:
        """Return the time."""
        self.now += self.tick
        return self.now


@pytest.fixture
def quick(monkeypatch) -> None:
    """Make waits take no time."""
    monkeypatch.setattr(threading.Event, "wait", lambda *_: False)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("error", [None, NotReady("Not yet.", remedy="Wait.")])
def test_a_call_is_retried_until_it_succeeds(error, caplog) -> None:
    """A call that succeeds within the time is retried until then, with a log line for each failure."""
    away = Away(5, error)
    assert Patience(60, clock=away.clock).have(away) == "there"
    assert len(caplog.records) == 5


@pytest.mark.usefixtures("quick")
def test_the_last_error_is_raised_after_the_limit() -> None:
    """The last error is raised when the time is over."""
    away = Away(1000)
    with pytest.raises(SinkUnavailable):
        Patience(60, clock=away.clock).have(away)
    assert 900 < away.left < 1000


def test_no_call_is_retried_once_the_run_is_to_stop() -> None:
    """Once the run is to stop, an error is raised at once."""
    stopping, away = threading.Event(), Away(1000)
    stopping.set()
    with pytest.raises(SinkUnavailable):
        Patience(60, stopping=stopping).have(away)
    assert away.left == 999


def test_other_errors_are_not_retried() -> None:
    """Other errors are raised at once."""
    away = Away(1, ValueError("broken"))
    with pytest.raises(ValueError, match="broken"):
        Patience(60).have(away)
