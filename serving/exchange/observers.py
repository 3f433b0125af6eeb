"""The observers of a worker: metrics, the request log and the spans of traces."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from customer_risk.serving.contract.problem import KINDS
from customer_risk.serving.contract.trace import Trace, trace_of
from customer_risk.serving.errors import NotServed
from customer_risk.serving.exchange.outcome import Decided, Outcome, RequestContext
from customer_risk.serving.telemetry.tracing import Call, Stage

if TYPE_CHECKING:
    from customer_risk.serving.telemetry.decision_counters import DecisionCounters
    from customer_risk.serving.telemetry.logs import RequestLog
    from customer_risk.serving.telemetry.metrics import Metrics
    from customer_risk.serving.telemetry.tracing import Spans

_SERVER_ERROR: Final = 500
_NOT_SERVED: Final = KINDS[NotServed]  # the caller's mistake, though its status is 501
_MOST_CALLS: Final = 1000  # that wait for their response
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


class SpanObserver:
    """Exports each sampled call as a span, with its stages as children.

    The stages of a call about several customers are added up: a stage begins with that of the first customer and ends
    with that of the last one.
    """

    def __init__(self, spans: Spans) -> None:
        self._spans = spans
        # By the identity of the context: each call has one of its own
        self._calls: dict[int, tuple[RequestContext, list[tuple[Outcome, float]]]] = {}
        self._unsampled: RequestContext | None = None

    def observe(self, outcome: Outcome) -> None:
        """Keep a final outcome of a sampled call until the call's response."""
        context = outcome.context
        if not context.began or context is self._unsampled:
            return
        call = self._calls.get(id(context))
        if call is None:
            if not self._spans.sampled(context.trace):
                self._unsampled = context
                return
            if len(self._calls) >= _MOST_CALLS:
                del self._calls[next(iter(self._calls))]  # its client disconnected before the response
            call = self._calls[id(context)] = (context, [])
        call[1].append((outcome, time.perf_counter()))

    def responded(self, context: RequestContext, status: int, seconds: float) -> None:
        """Export the call."""
        call = self._calls.pop(id(context), None)
        if call is None:
            return
        now, since = time.time_ns(), time.perf_counter_ns()

        def at(moment: float) -> int:
            return now - since + int(moment * 1e9)

        outcomes = call[1]
        attributes: dict[str, str | int] = {
            "http.route": context.route,
            "http.response.status_code": status,
            "customer_risk.customers": len(outcomes),
        }
        first = outcomes[0][0]
        if isinstance(first, Decided):
            attributes["customer_risk.source"] = first.answer.source
            attributes["customer_risk.model"] = first.answer.model.version
            if len(outcomes) == 1:
                attributes["customer_risk.decision_id"] = first.answer.decision_id
        else:
            attributes["customer_risk.refusal"] = first.kind.name
        stages: dict[str, tuple[float, float]] = {}
        for outcome, recorded in outcomes:
            if isinstance(outcome, Decided) and (times := outcome.answer.times) is not None:
                for name, began, ended in (
                    ("decode", times.began, times.decoded),
                    ("features", times.decoded, times.computed),
                    ("score", times.computed, times.scored),
                    ("record", times.scored, recorded),
                ):
                    stages[name] = (stages.get(name, (began,))[0], ended)
        self._spans.add(
            Call(
                route=context.route,
                trace=context.trace,
                began=at(context.began),
                ended=at(context.began + seconds),
                failed=status >= _SERVER_ERROR,
                attributes=attributes,
                stages=tuple(Stage(name, at(began), at(ended)) for name, (began, ended) in stages.items()),
            )
        )
