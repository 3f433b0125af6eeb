"""The one way of a request through serving: decide or refuse, record, commit, tell the observers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol

from customer_risk.serving.contract.problem import UNEXPECTED, document_of, headers_of
from customer_risk.serving.exchange.outcome import Decided, Outcome, Refused, RequestContext

if TYPE_CHECKING:
    from customer_risk.serving.contract.answer import Answer
    from customer_risk.serving.decisions.service import Service
    from customer_risk.serving.record.recorder import Recorder

_KEPT_FAILURES: Final = 1000  # commits; an outcome is committed in the same turn of the event loop as it is recorded


class Observer(Protocol):
    """Hears of outcomes and responses."""

    def observe(self, outcome: Outcome) -> None:
        """Hear of an outcome, once, after its commit has succeeded or failed."""

    def responded(self, context: RequestContext, status: int, seconds: float) -> None:
        """Hear of a response: its status, and the seconds since the request began."""


class Exchange:
    """Answers requests with `service`, keeps outcomes with `recorder` (None: nothing is recorded), tells `observers`.

    `answer` and `refuse` give an outcome that isn't observed yet and mustn't leave. `commit` makes it final: a decision
    whose record can't be made durable becomes a refusal. Not safe for several threads.
    """

    def __init__(
        self, service: Service, *, recorder: Recorder | None = None, observers: Sequence[Observer] = ()
    ) -> None:
        self.service = service
        self.recorder = recorder
        self._observers = tuple(observers)
        self._batch = 0
        self._failed: dict[int, Refused] = {}  # the last commits that failed, by number

    def answer(self, body: bytes, context: RequestContext, *, at: str = "") -> Outcome:
        """Answer one request's body; `at` points at it in the call's body."""
        began = time.perf_counter()
        try:
            return self.record(self.service.answer(body, at=at), context, time.perf_counter() - began)
        except Exception as error:  # noqa: BLE001  whatever fails, the caller gets an outcome
            return self.refuse(error, context)

    async def answer_large(self, body: bytes, context: RequestContext, *, at: str = "") -> Outcome:
        """Answer one request's body of any size; a large one is read on a thread."""
        began = time.perf_counter()
        try:
            answer = await self.service.offload.call(len(body), self.service.answer, body, at=at)
            return self.record(answer, context, time.perf_counter() - began)
        except Exception as error:  # noqa: BLE001  whatever fails, the caller gets an outcome
            return self.refuse(error, context)

    def record(self, answer: Answer, context: RequestContext, seconds: float = -1e-6) -> Decided:
        """Record a decision that was made elsewhere; raises RecordUnavailable."""
        if self.recorder is not None:
            self.recorder.decided(
                answer,
                caller=context.caller_name,
                route=context.route,
                trace=context.trace,
                took=round(seconds * 1e6),
            )
        return Decided(answer, context, seconds, self._batch)

    def refuse(self, error: Exception, context: RequestContext) -> Refused:
        """Record a refusal."""
        if self.recorder is not None:
            self.recorder.refused(error, caller=context.caller_name, route=context.route, trace=context.trace)
        return _refused(error, context)

    def commit(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Make outcomes final before they leave, and tell the observers; return the final ones, in the same order.

        A commit includes what was recorded for other requests: if it fails, theirs are refused too once they commit.
        """
        batch, self._batch = self._batch, self._batch + 1
        try:
            if self.recorder is not None:
                self.recorder.commit()
        except Exception as error:  # noqa: BLE001  whatever fails, the callers get an outcome
            self._failed[batch] = _refused(error, RequestContext(""))
            if len(self._failed) > _KEPT_FAILURES:
                del self._failed[next(iter(self._failed))]
        final = [self._final(outcome) for outcome in outcomes] if self._failed else list(outcomes)
        for outcome in final:
            for observer in self._observers:
                observer.observe(outcome)
        return final

    def commit_one(self, outcome: Outcome) -> Outcome:
        """Make one outcome final."""
        return self.commit((outcome,))[0]

    def responded(self, context: RequestContext, status: int) -> None:
        """Tell the observers of a response."""
        seconds = time.perf_counter() - context.began
        for observer in self._observers:
            observer.responded(context, status, seconds)

    def _final(self, outcome: Outcome) -> Outcome:
        if isinstance(outcome, Decided):
            refused = self._failed.get(outcome.batch)
            if refused is not None:
                return refused._replace(context=outcome.context)
        return outcome


def _refused(error: Exception, context: RequestContext) -> Refused:
    kind, problem = document_of(error)
    return Refused(kind, problem, headers_of(error), context, error if kind is UNEXPECTED else None)
