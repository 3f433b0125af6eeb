"""Estimates how long a request waits for the event loop, and refuses it if that is too long.

A worker answers one request after the other. Requests wait in sockets that the current turn of the event loop has
found readable but hasn't read, and in tasks that haven't run yet. The estimate is the time since the turn began. For a
request that is answered in a task, the number of waiting tasks times the cost of a request is added. A request that is
answered as soon as it is read doesn't wait for tasks. It may have arrived during the previous turn, which can't be
measured: therefore its bound is half of `most_wait`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from customer_risk.serving.errors import Overloaded

_LENIENCE: Final = 10
_WINDOW: Final = 64  # answers between two readings of the CPU clock, which cost a system call each
_WEIGHT: Final = 0.2  # of a new window in the running mean
_EACH: Final = 200e-6  # seconds: the assumed cost of a request until it is measured


def _ignore(*_: object) -> None:
    """Do nothing."""


def overloaded() -> Overloaded:
    """Return the error for a request that isn't admitted."""
    return Overloaded("More requests are waiting than can be answered in time.", remedy="Send it again later.")


class Admission:
    """One worker's queue; refuses requests once the wait exceeds `most_wait` seconds (0: never).

    While `lenient()` the bound is ten times as long: loading another bundle blocks the interpreter for a moment, which
    shouldn't cause refusals. `shed()` is called for each refusal, `waited(seconds)` for each admitted request.
    """

    def __init__(
        self,
        most_wait: float,
        *,
        lenient: Callable[[], bool] = lambda: False,
        shed: Callable[[], object] = _ignore,
        waited: Callable[[float], object] = _ignore,
        clock: Callable[[], float] = time.perf_counter,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        self._most = most_wait or float("inf")
        self._lenient, self._shed, self._waited = lenient, shed, waited
        self._clock, self._cpu = clock, cpu
        self._turn: float | None = None  # when the current turn of the event loop began its first request
        self.turns = 0  # ended turns of the event loop in which there was a request
        self._queued = 0
        self._each = _EACH
        self._answers = 0
        self._cpu_then = 0.0

    def admits(self, *, directly: bool = False, again: bool = False) -> bool:
        """Return whether to answer a request that was just read, `directly` or in a task; count it in both cases.

        `again` is whether its connection already had a request in this turn of the event loop. Then half of the bound
        applies, so that a client that sends many requests at once doesn't make others wait.
        """
        wait = self.wait(directly=directly)
        most = self._most / 2 if directly else self._most
        if again:
            most /= 2
        if wait > most and not (self._lenient() and wait < _LENIENCE * most):
            self._shed()
            return False
        self._waited(wait)
        return True

    def wait(self, *, directly: bool = False) -> float:
        """Return the estimated wait of a request that was just read, past and future, in seconds."""
        now = self._clock()
        if self._turn is None:
            self._turn = now
            asyncio.get_running_loop().call_soon(self._turned)
        lasted = now - self._turn
        return lasted if directly else lasted + self._queued * self._each

    def queue(self) -> None:
        """Count a request whose task was started."""
        self._queued += 1

    def leave(self, *_: object) -> None:
        """Count a request in a task as answered."""
        self._queued -= 1
        self.answered()

    def answered(self) -> None:
        """Update the cost of a request: the thread's mean CPU time, which slow clients don't affect."""
        self._answers += 1
        if self._answers == _WINDOW:
            cpu, self._answers = self._cpu(), 0
            if self._cpu_then:
                self._each += _WEIGHT * ((cpu - self._cpu_then) / _WINDOW - self._each)
            self._cpu_then = cpu

    def _turned(self) -> None:
        self._turn = None
        self.turns += 1
