"""What metrics, logs and the record are told: one observer for all, brought to life in each worker after the fork."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from customer_risk.serving.contract.trace import trace_of
from customer_risk.serving.errors import NotReady
from customer_risk.serving.exchange.observer import Observer

if TYPE_CHECKING:
    from collections.abc import Callable

    from customer_risk.serving.auth.caller import Caller
    from customer_risk.serving.contract.answer import Answer
    from customer_risk.serving.contract.trace import Trace
    from customer_risk.serving.decisions.service import Service
    from customer_risk.serving.record.recorder import Recorder
    from customer_risk.serving.telemetry.logs import RequestLog
    from customer_risk.serving.telemetry.metrics import Metrics

_log = logging.getLogger("serving")


class RequestObserver(Observer):
    """Tells a worker's metrics of what happens, `requests` the log, and what `record(unrecorded)` makes the record.

    Before `start` there are no metrics to tell, nor a record.
    """

    def __init__(
        self,
        service: Service,
        make: Callable[[Callable[[Metrics], object]], Metrics],
        requests: RequestLog,
        record: Callable[[Callable[[], object]], Recorder] | None = None,
    ) -> None:
        self._service = service
        self._requests = requests
        self._make = make
        self._record = record
        self._metrics: Metrics | None = None
        self._recorder: Recorder | None = None
        self._unmet: tuple[str, ...] = ()

    @property
    def recordable(self) -> bool:
        """Whether decisions can be recorded, or needn't be recorded."""
        return self._recorder is None or self._recorder.ready

    async def start(self) -> None:
        """Make this worker's metrics and its record."""
        if self._record is not None:
            self._recorder = self._record(self.unrecorded)
        self._metrics = self._make(self._look)
        await self._metrics.start()

    async def stop(self) -> None:
        """Write what is left."""
        if self._recorder is not None:
            self._recorder.close()
        if self._metrics is not None:
            await self._metrics.stop()

    def entered(self) -> None:
        """Count a request in."""
        if self._metrics is not None:
            self._metrics.in_flight.inc()

    def left(self) -> None:
        """Count a request out."""
        if self._metrics is not None:
            self._metrics.in_flight.dec()

    def decided(
        self, answer: Answer, caller: Caller, *, route: str, trace: Trace | None = None, took: float = -1e-6
    ) -> None:
        """Record a decision, and count it."""
        if self._recorder is not None:
            self._recorder.decided(answer, caller=caller.name, route=route, trace=trace, took=round(took * 1e6))
        if self._metrics is not None:
            self._metrics.decided(answer)

    def refused(
        self, error: Exception, *, route: str = "", trace: Trace | None = None, caller: Caller | None = None
    ) -> None:
        """Record and count a refusal."""
        if self._recorder is not None:
            self._recorder.refused(error, caller="" if caller is None else caller.name, route=route, trace=trace)
        if self._metrics is not None:
            self._metrics.refused(error)
        super().refused(error, route=route, trace=trace, caller=caller)

    def settle(self) -> None:
        """Commit what was recorded."""
        if self._recorder is not None:
            self._recorder.settle()

    def unrecorded(self) -> None:
        """Count a decision that was given though it couldn't be recorded."""
        if self._metrics is not None:
            self._metrics.unrecorded()

    def failed(self, error: Exception, *, route: str, trace: Trace | None, caller: Caller | None) -> None:
        """Log a fault of ours, with its trace."""
        name = caller.name if caller is not None else ""
        self._requests.failed(error, trace or trace_of(None), route=route, status=500, caller_name=name)

    def responded(
        self,
        route: str,
        status: int,
        seconds: float,
        *,
        trace: Trace | None = None,
        answer: Answer | None = None,
        caller: Caller | None = None,
    ) -> None:
        """Count a response, and log some of the decisions."""
        if self._metrics is not None:
            self._metrics.responded(route, status, seconds)
        if answer is not None and caller is not None:
            self._requests.answered(answer, caller.name, trace, status=status, seconds=seconds, route=route)

    def shed(self) -> None:
        """Count a request that was turned away since too many waited."""
        if self._metrics is not None:
            self._metrics.shed()

    def waited(self, seconds: float) -> None:
        """Note how long a request that was let in waits."""
        if self._metrics is not None:
            self._metrics.waited(seconds)

    def reloaded(self, result: str) -> None:
        """Count a bundle that was looked at."""
        if self._metrics is not None:
            self._metrics.reloaded(result)

    def lagged(self, seconds: float) -> None:
        """Note how late the event loop was."""
        if self._metrics is not None:
            self._metrics.lagged(seconds)

    def dropped(self, count: int) -> None:
        """Count log lines that found too many waiting."""
        if self._metrics is not None:
            self._metrics.dropped_log_lines(count)

    def exposition(self, accept: str | None) -> tuple[str, bytes]:
        """Return all workers' metrics for Prometheus, and their media type; raises NotReady before `start`."""
        if self._metrics is None:
            raise NotReady("There are no metrics yet.", remedy="Try again shortly.")
        return self._metrics.exposition(accept)

    def _look(self, metrics: Metrics) -> None:
        service = self._service
        failing = self._recorder is not None and self._recorder.failing
        metrics.state(ready=service.ready, rules_forced=service.forced, record_failing=failing)
        if (unmet := service.unmet) != self._unmet:
            self._unmet = unmet
            if unmet:
                _log.warning("readiness waits for %s", " and ".join(unmet))
            else:
                _log.warning("readiness waits for nothing now")
        if service.answering:
            model = service.model()
            metrics.bundle(model.name, model.version)
