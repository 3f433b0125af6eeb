"""The observers of outcomes: metrics and the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from customer_risk.serving.exchange.outcome import Decided, Outcome, RequestContext

if TYPE_CHECKING:
    from customer_risk.serving.telemetry.logs import RequestLog
    from customer_risk.serving.telemetry.metrics import Metrics


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


class LogObserver:
    """Logs a share of the decisions, and each failure on our side."""

    def __init__(self, log: RequestLog) -> None:
        self._log = log

    def observe(self, outcome: Outcome) -> None:
        """Log an outcome, if it is to be logged."""
        context = outcome.context
        if isinstance(outcome, Decided):
            self._log.answered(
                outcome.answer, context.caller_name, context.trace, seconds=outcome.seconds, route=context.route
            )
        else:
            self._log.refused(
                outcome.kind,
                context.trace,
                route=context.route,
                caller_name=context.caller_name,
                error=outcome.unexpected,
            )

    def responded(self, context: RequestContext, status: int, seconds: float) -> None:
        """Do nothing: the log has the outcomes."""
