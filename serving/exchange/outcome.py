"""The context of a request, and its outcome: an answer or a refusal."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, NamedTuple

from customer_risk.serving.auth.caller import LOCAL, Caller
from customer_risk.serving.contract.answer import Answer, WireAnswer, render
from customer_risk.serving.contract.batch import BatchItem
from customer_risk.serving.contract.problem import Kind, Problem

if TYPE_CHECKING:
    from customer_risk.serving.contract.trace import Trace


class RequestContext(NamedTuple):
    """The context of a request.

    `route` is the name of the entrance in metrics, the log and the record. `caller` is None before authentication,
    `trace` is None if the caller sent none. `began` is `time.perf_counter()` when the request began; 0 if its duration
    isn't observed.
    """

    route: str
    caller: Caller | None = None
    trace: Trace | None = None
    began: float = 0.0

    @property
    def admitted(self) -> Caller:
        """The authenticated caller."""
        if self.caller is None:
            raise AssertionError("the caller isn't authenticated yet")
        return self.caller

    @property
    def caller_name(self) -> str:
        """The caller's name; empty before authentication."""
        return "" if self.caller is None else self.caller.name

    @property
    def explain(self) -> bool:
        """Whether the caller may see explanations."""
        return self.caller is not None and "explain" in self.caller.scopes


_NOWHERE: Final = RequestContext("", LOCAL)
current: Final[ContextVar[RequestContext]] = ContextVar("request", default=_NOWHERE)


class Decided(NamedTuple):
    """A decision, and the seconds that it took once the body was complete; below 0 if unknown.

    `batch` numbers the commit that makes its record durable.
    """

    answer: Answer
    context: RequestContext
    seconds: float
    batch: int

    @property
    def status(self) -> int:
        """The HTTP status."""
        return 200

    def shown(self) -> WireAnswer:
        """Return the answer in the form that the caller may see."""
        return render(self.answer, explain=self.context.explain)

    def item(self) -> BatchItem:
        """Return the outcome as an item of a batch's response."""
        return BatchItem(status=200, answer=self.shown())


class Refused(NamedTuple):
    """A refusal: its kind, its problem document, and the HTTP headers beside it.

    `retry_after` is in seconds, None if a retry can't succeed. `unrecorded` is whether there was a decision whose
    record can't be written. `customer_id` is None unless it was read for an item of a batch or a file. The error itself
    is kept only if it is unexpected or a MemoryError, for the log and for jobs: its traceback keeps the body in memory.
    """

    kind: Kind
    problem: Problem
    headers: tuple[tuple[str, str], ...]
    context: RequestContext
    unexpected: Exception | None = None
    retry_after: int | None = None
    unrecorded: bool = False
    customer_id: str | None = None

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.kind.status.value

    def item(self) -> BatchItem:
        """Return the outcome as an item of a batch's response."""
        return BatchItem(status=self.status, problem=self.problem, customer_id=self.customer_id)


Outcome = Decided | Refused


class NotAnswered(Exception):
    """Ends a call whose refusal, `refused`, is final."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.problem.detail)
        self.refused = refused
