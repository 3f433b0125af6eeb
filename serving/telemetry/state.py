"""A worker's state, written to its gauges before each flush."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from customer_risk.serving.decisions.service import Service
    from customer_risk.serving.telemetry.metrics import Metrics

_log = logging.getLogger("serving")


class Keys(Protocol):
    """An issuer's keys, which are read again and again."""

    @property
    def keys_age(self) -> float:
        """Seconds since the keys were last read."""


class WorkerState:
    """Sets the gauges of a worker's readiness, and logs each change of what readiness waits for.

    `keys` are the issuer's; None without authentication.
    """

    def __init__(self, service: Service, record_failing: Callable[[], bool], keys: Keys | None = None) -> None:
        self._service = service
        self._record_failing = record_failing
        self._keys = keys
        self._unmet: tuple[str, ...] = ()

    def __call__(self, metrics: Metrics) -> None:
        """Set the gauges to the current state."""
        service = self._service
        metrics.state(ready=service.ready, rules_forced=service.forced, record_failing=self._record_failing())
        if self._keys is not None:
            metrics.keys_read(self._keys.keys_age)
        if (unmet := service.unmet) != self._unmet:
            self._unmet = unmet
            if unmet:
                _log.warning("readiness waits for %s", " and ".join(unmet))
            else:
                _log.warning("readiness waits for nothing now")
        if service.answering:
            model = service.model()
            metrics.bundle(model.name, model.version)
