"""The observers of a worker: its metrics, and the log of requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from customer_risk.serving.exchange.outcome import Decided, Outcome, RequestContext

if TYPE_CHECKING:
    from customer_risk.serving.telemetry.logs import RequestLog
    from customer_risk.serving.telemetry.metrics import Metrics

_SERVER_ERROR: Final = 500


class LogObserver:
    """Logs a share of the decisions, each unexpected error, and the service's other failures."""

    def __init__(self, log: RequestLog) -> None:
        self._log = log

    def observe(self, outcome: Outcome) -> None:
        """Log an outcome if it is in the logged share or a failure of the service."""
        context = outcome.context
        if isinstance(outcome, Decided):
            self._log.answered(
                outcome.answer, context.caller_name, context.trace, seconds=outcome.seconds, route=context.route
            )
        elif outcome.unexpected is not None:
            self._log.failed(outcome.unexpected, context.trace, route=context.route, caller_name=context.caller_name)
        elif outcome.status >= _SERVER_ERROR and context.route:  # probes have no route
            self._log.refused(outcome.kind, route=context.route)

    def responded(self, context: RequestContext, status: int, seconds: float) -> None:
        """Do nothing: `observe` logs the outcomes."""


class MetricsObserver:
    """Counts decisions, refusals and responses."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def observe(self, outcome: Outcome) -> None:
        """Count a decision or a refusal."""
        if isinstance(outcome, Decided):
            self._metrics.decided(outcome.answer)
        else:
            self._metrics.refused(outcome.kind)

    def responded(self, context: RequestContext, status: int, seconds: float) -> None:
        """Count a response."""
        self._metrics.responded(context.route, status, seconds)
