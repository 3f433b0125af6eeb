"""Retries calls that may succeed later, with a log line, up to a time limit."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

from customer_risk.model.errors import CustomerRiskError
from customer_risk.serving.backoff import Backoff
from customer_risk.serving.errors import Later
from customer_risk.serving.record.sinks.interface import SinkUnavailable

Made = TypeVar("Made")
PASSING: Final = (SinkUnavailable, Later)
_FIRST_SECONDS: Final = 0.5
_MOST_SECONDS: Final = 30.0
_log = logging.getLogger("serving.batch")


class Patience:
    """Retries calls for up to `seconds`, or until `stopping` is set; `clock` returns seconds."""

    def __init__(
        self, seconds: float, *, stopping: threading.Event | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._stopping = stopping or threading.Event()
        self._clock = clock

    def have(self, what: Callable[[], Made], *, of: tuple[type[CustomerRiskError], ...] = PASSING) -> Made:
        """Call `what` until it succeeds and return its result; after the limit, raise the last error of a type `of`."""
        began, backoff = self._clock(), Backoff(_FIRST_SECONDS, _MOST_SECONDS)
        while True:
            try:
                return what()
            except of as error:
                left = began + self._seconds - self._clock()
                if left <= 0 or self._stopping.is_set():
                    raise
                wait = backoff.next(most=max(left, 0.01))
                _log.warning("retrying in %.1f s, for at most %.0f s more: %s", wait, left, error.problem)
                self._stopping.wait(wait)
