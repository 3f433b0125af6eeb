"""The line of requests that wait for the event loop: how long it is, and whether it is too long to stand in.

A worker answers one request after the other. What waits stands in two places: in sockets that the present turn of the
event loop has found readable but not come to yet, and in tasks that were started but haven't run. So the wait is how
long the turn has lasted so far, plus the waiting tasks' number times what a request costs. A request may also have
arrived while the turn before was at work, which nobody can see: hence half of `most_wait` is the bound.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

_LENIENCE: Final = 10
_WINDOW: Final = 64  # answers between two looks at the CPU clock, which costs a system call
_WEIGHT: Final = 0.2  # of a new window in the running mean
_EACH: Final = 200e-6  # seconds: what a request is taken to cost before any was measured


def _ignore(*_: object) -> None:
    """Accept the call and do nothing."""


class Admission:
    """One worker's line; refuses once the wait passes `most_wait` seconds (0: never).

    While `lenient()` the bound is ten times as far: loading another bundle takes the interpreter for a moment, and no
    request is to fail for it. `shed()` is told of each refusal, `waited(seconds)` of each request that is let in.
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
        self._most = most_wait / 2 if most_wait else float("inf")
        self._lenient, self._shed, self._waited = lenient, shed, waited
        self._clock, self._cpu = clock, cpu
        self._turn: float | None = None  # when the present turn of the event loop came to its first request
        self._queued = 0
        self._each = _EACH
        self._answers = 0
        self._cpu_then = 0.0

    def admits(self) -> bool:
        """Whether a request that was just read is to be answered; counts it either way."""
        wait = self.wait()
        if wait > self._most and not (self._lenient() and wait < _LENIENCE * self._most):
            self._shed()
            return False
        self._waited(wait)
        return True

    def wait(self) -> float:
        """Estimate in seconds how long a request that was just read has waited, and will."""
        now = self._clock()
        if self._turn is None:
            self._turn = now
            asyncio.get_running_loop().call_soon(self._turned)
        return now - self._turn + self._queued * self._each

    def queue(self) -> None:
        """Count a request that goes into a task."""
        self._queued += 1

    def leave(self, *_: object) -> None:
        """Count it as answered."""
        self._queued -= 1
        self.answered()

    def answered(self) -> None:
        """Learn from an answer what one costs: the thread's CPU time over many, so that no slow caller distorts it."""
        self._answers += 1
        if self._answers == _WINDOW:
            cpu, self._answers = self._cpu(), 0
            if self._cpu_then:
                self._each += _WEIGHT * ((cpu - self._cpu_then) / _WINDOW - self._each)
            self._cpu_then = cpu

    def _turned(self) -> None:
        self._turn = None
