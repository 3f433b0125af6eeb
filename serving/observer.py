"""What is told of answers and refusals: the place where metrics, logs and the record listen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serving.answer import Answer
    from serving.caller import Caller
    from serving.tracing import Trace


class Observer:
    """Hears of everything and does nothing with it; those who listen override what concerns them."""

    def entered(self) -> None:
        """Hear of a request that waits for something; those that are answered at once never do."""

    def left(self) -> None:
        """Hear that it waits no more."""

    def decided(self, answer: Answer, caller: Caller) -> None:
        """Hear of a decision before its answer leaves; an error raised here is answered in its place."""

    def refused(self, error: Exception) -> None:
        """Hear of a request, or an item of one, that got a problem document."""

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
