"""The steps of every request: admit it, decide or refuse, record, commit, notify the observers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from customer_risk.serving.auth.access import AccessControl
from customer_risk.serving.contract.customer import customer_of
from customer_risk.serving.contract.problem import UNEXPECTED, document_of, headers_of
from customer_risk.serving.errors import Later, RecordUnavailable, as_exhausted
from customer_risk.serving.exchange.outcome import Decided, NotAnswered, Outcome, Refused, RequestContext

if TYPE_CHECKING:
    from customer_risk.serving.contract.answer import Answer
    from customer_risk.serving.decisions.service import Service
    from customer_risk.serving.record.recorder import Recorder

_log = logging.getLogger("serving")
_KEPT_FAILURES: Final = 1000  # of commits; a request commits soon after it has recorded


class Observer(Protocol):
    """Is notified of outcomes and responses."""

    def observe(self, outcome: Outcome) -> None:
        """Handle an outcome; called once, after its commit has succeeded or failed."""

    def responded(self, context: RequestContext, status: int, seconds: float) -> None:
        """Handle a response: its status, and the seconds since the request began."""


class Exchange:
    """Answers requests with `service` as `access` allows, and notifies `observers` of the outcomes.

    `answer` and `refuse` return an outcome that isn't final: don't send it yet; no observer was notified of it.
    `commit` makes it final; a decision whose record can't be made durable becomes a refusal. Any thread may call.

    As a component of a worker it makes the recorder with `record` after the fork (None: nothing is recorded).
    """

    def __init__(
        self,
        service: Service,
        *,
        access: AccessControl | None = None,
        record: Callable[[], Recorder] | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.service = service
        self.access = access or AccessControl()
        self._record = record
        self._recorder: Recorder | None = None
        self._observers = tuple(observers)
        self._batch = 0  # the number of the next commit
        self._failed: dict[int, Refused] = {}  # the last commits that failed, by number

    def open(self) -> None:
        """Make the recorder."""
        if self._record is not None:
            self._recorder = self._record()

    def close(self) -> None:
        """Close the recorder; call it after the last answer."""
        if self._recorder is not None:
            self._recorder.close()

    async def start(self) -> None:
        """Make the recorder of this worker."""
        self.open()

    async def stop(self) -> None:
        """Close the recorder."""
        self.close()

    @property
    def recordable(self) -> bool:
        """Whether decisions can be recorded, or need no record."""
        return self._recorder is None or self._recorder.ready

    @property
    def record_failing(self) -> bool:
        """Whether decisions can't be recorded now."""
        return self._recorder is not None and self._recorder.failing

    def answer(self, body: bytes, context: RequestContext, *, at: str = "", naming: bool = False) -> Outcome:
        """Answer the body of one request; `at` points at it within the call's body.

        With `naming`, a refusal has the customer's id if the body has a valid id.
        """
        began = time.perf_counter()
        try:
            return self.keep(self.service.answer(body, at=at), context, time.perf_counter() - began)
        except Exception as error:  # noqa: BLE001  the caller gets an outcome after any error
            refused = self.refuse(error, context)
            return refused._replace(customer_id=customer_of(body)) if naming else refused

    async def answer_large(
        self, body: bytes, context: RequestContext, *, at: str = "", naming: bool = False
    ) -> Outcome:
        """Answer a body of any size as `answer` does; a large body is read on a thread."""
        began = time.perf_counter()
        try:
            answer = await self.service.offload.call(len(body), self.service.answer, body, at=at)
            return self.keep(answer, context, time.perf_counter() - began)
        except Exception as error:  # noqa: BLE001  the caller gets an outcome after any error
            refused = self.refuse(error, context)
            if not naming:
                return refused
            return refused._replace(customer_id=await self.service.offload.call(len(body), customer_of, body))

    def keep(self, answer: Answer, context: RequestContext, seconds: float = -1e-6) -> Decided:
        """Record a decision that took `seconds` (below 0 if unknown); raises RecordUnavailable."""
        batch = self._batch  # before the record is added: another thread may commit between
        if self._recorder is not None:
            self._recorder.decided(
                answer, caller=context.caller_name, route=context.route, trace=context.trace, took=round(seconds * 1e6)
            )
        return Decided(answer, context, seconds, batch)

    def refuse(self, error: Exception, context: RequestContext) -> Refused:
        """Record a refusal."""
        if self._recorder is not None:
            self._recorder.refused(error, caller=context.caller_name, route=context.route, trace=context.trace)
        return refused_for(error, context)

    def commit(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Make outcomes final and notify the observers; return the final ones in the same order.

        A commit includes the records of other requests. If it fails, the decisions of those requests also become
        refusals when they commit.
        """
        batch, self._batch = self._batch, self._batch + 1
        lost = None
        try:
            if self._recorder is not None:
                self._recorder.commit()
        except Exception as error:  # noqa: BLE001  the callers get an outcome after any error
            lost = self._failed[batch] = refused_for(error, RequestContext(""))._replace(unrecorded=True)
            if len(self._failed) > _KEPT_FAILURES:
                del self._failed[next(iter(self._failed))]
        final = [self._final(outcome, lost) for outcome in outcomes] if self._failed else list(outcomes)
        try:
            for observer in self._observers:
                for outcome in final:
                    observer.observe(outcome)
        except Exception:  # noqa: BLE001  the callers get their answers anyway
            _log.exception("an outcome couldn't be counted or logged")
        return final

    def commit_all(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Make the outcomes of one call final; raises NotAnswered if a decision can't be recorded."""
        final = self.commit(outcomes)
        for outcome in final:
            if isinstance(outcome, Refused) and outcome.unrecorded:
                raise NotAnswered(outcome)
        return final

    def refuse_now(self, error: Exception, context: RequestContext) -> Refused:
        """Refuse a call; the refusal is final."""
        if isinstance(error, NotAnswered):
            return error.refused
        refused = self.refuse(error, context)
        self.commit((refused,))
        return refused

    def responded(self, context: RequestContext, status: int) -> None:
        """Notify the observers of a response."""
        seconds = time.perf_counter() - context.began
        for observer in self._observers:
            observer.responded(context, status, seconds)

    def _final(self, outcome: Outcome, lost: Refused | None) -> Outcome:
        if isinstance(outcome, Decided):
            refused = lost or self._failed.get(outcome.batch)
            if refused is not None:
                return refused._replace(context=outcome.context)
        return outcome


def refused_for(error: Exception, context: RequestContext) -> Refused:
    """Return the refusal that an error causes, without recording it."""
    failed, error = error, as_exhausted(error)
    kind, problem = document_of(error)
    unexpected = failed if kind is UNEXPECTED or isinstance(failed, MemoryError) else None
    unrecorded = isinstance(error, RecordUnavailable)
    retry_after = error.retry_after if isinstance(error, Later) else None
    return Refused(kind, problem, headers_of(error), context, unexpected, retry_after, unrecorded)
