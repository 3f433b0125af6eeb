"""The observers of a worker: metrics and the request log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from customer_risk.serving.contract.problem import KINDS
from customer_risk.serving.contract.trace import Trace, trace_of
from customer_risk.serving.errors import NotServed
from customer_risk.serving.exchange.outcome import Decided, Outcome, RequestContext

if TYPE_CHECKING:
    from customer_risk.serving.telemetry.decision_counters import DecisionCounters
    from customer_risk.serving.telemetry.logs import RequestLog
    from customer_risk.serving.telemetry.metrics import Metrics

_SERVER_ERROR: Final = 500
_NOT_SERVED: Final = KINDS[NotServed]  # the caller's mistake, though its status is 501
_NO_CALL: Final[tuple[RequestContext, Trace | None]] = (RequestContext(""), None)


class LogObserver:
    """Logs a share of the calls, each unexpected error, and the service's other failures.

    All lines of a call have the same trace: a batch is logged as a whole or not at all.
    """

    def __init__(self, log: RequestLog) -> None:
        self._log = log
        self._call = _NO_CALL  # the last call without a trace, and its new trace if the call is logged

    def observe(self, outcome: Outcome) -> None:
        """Log an outcome if it is in the logged share or a failure of the service."""
        context = outcome.context
        if isinstance(outcome, Decided):
            trace = context.trace or self._new_trace(context)
            if trace is not None:
                self._log.answered(
                    outcome.answer, context.caller_name, trace, seconds=outcome.seconds, route=context.route
                )
        elif outcome.unexpected is not None:
            trace = context.trace or self._new_trace(context)
            if trace is None:
                trace = trace_of(None)
                self._call = (context, trace)
            self._log.failed(outcome.unexpected, trace, route=context.route, caller_name=context.caller_name)
        elif outcome.status >= _SERVER_ERROR and outcome.kind is not _NOT_SERVED and context.route:  # probes have none
            self._log.refused(outcome.kind, route=context.route)

    def responded(self, context: RequestContext, status: int, seconds: float) -> None:
        """Do nothing: `observe` logs the outcomes."""

    def _new_trace(self, context: RequestContext) -> Trace | None:
        call = self._call
        if call[0] is not context:
            call = self._call = (context, self._log.draw())
        return call[1]


class MetricsObserver:
    """Counts decisions, refusals and responses; `counters` count decisions by model, too."""

    def __init__(self, metrics: Metrics, counters: DecisionCounters | None = None) -> None:
        self._metrics = metrics
        self._counters = counters

    def observe(self, outcome: Outcome) -> None:
        """Count a decision or a refusal."""
        if isinstance(outcome, Decided):
            self._metrics.decided(outcome.answer)
            if self._counters is not None:
                self._counters.decided(outcome.answer)
        else:
            self._metrics.refused(outcome.kind)

    def responded(self, context: RequestContext, status: int, seconds: float) -> None:
        """Count a response."""
        self._metrics.responded(context.route, status, seconds)
