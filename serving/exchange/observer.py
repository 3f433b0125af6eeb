"""What is told of answers and refusals: the place where metrics, logs and the record listen."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from customer_risk.serving.contract.problem import UNEXPECTED, kind_of

if TYPE_CHECKING:
    from customer_risk.serving.auth.caller import Caller
    from customer_risk.serving.contract.answer import Answer
    from customer_risk.serving.contract.trace import Trace

_log = logging.getLogger("serving")


class Observer:
    """Hears of everything, and logs our own faults; those who listen override what concerns them."""

    def entered(self) -> None:
        """Hear of a request that waits for something; those that are answered at once never do."""

    def left(self) -> None:
        """Hear that it waits no more."""

    def decided(
        self, answer: Answer, caller: Caller, *, route: str, trace: Trace | None = None, took: float = -1e-6
    ) -> None:
        """Hear of a decision before its answer leaves; an error raised here is answered in its place.

        `took` is in seconds from the whole body to the decision, below 0 where nobody knows.
        """

    def settle(self) -> None:
        """See to it that what was heard outlives the process, before answers leave; or raise what they get instead."""

    def refused(
        self, error: Exception, *, route: str = "", trace: Trace | None = None, caller: Caller | None = None
    ) -> None:
        """Hear of a request, or an item of one, that got a problem document; what nobody expected is logged."""
        if kind_of(error) is UNEXPECTED:
            self.failed(error, route=route, trace=trace, caller=caller)

    def failed(self, error: Exception, *, route: str, trace: Trace | None, caller: Caller | None) -> None:  # noqa: ARG002  for those who write more
        """Log a fault of ours."""
        _log.error("a request failed", exc_info=error)

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
        """Hear of a response: its route, its status, and the seconds since its body was asked for.

        `trace` is the one that the caller named, `answer` the decision where the response is one.
        """
