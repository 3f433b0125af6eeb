"""One call about several customers: all of them answered, or none where one can't be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from customer_risk.model.errors import InputError
from customer_risk.serving.auth.access import AccessControl
from customer_risk.serving.auth.caller import current, whence
from customer_risk.serving.contract.answer import Answer
from customer_risk.serving.contract.batch import MOST_ITEMS, too_many_items
from customer_risk.serving.decisions.validation import Faults
from customer_risk.serving.errors import MalformedBody
from customer_risk.serving.exchange.observer import Observer
from customer_risk.serving.offload import Offload, Turns


class Question(NamedTuple):
    """A question about one customer, and the number of bytes that are read to answer it."""

    ask: Callable[[], Answer]
    size: int


class AllOrNone:
    """Asks one question after the other for the `current` caller; `gate` counts each, `observer` hears of each."""

    def __init__(
        self, *, gate: AccessControl | None = None, observer: Observer | None = None, offload: Offload | None = None
    ) -> None:
        self._gate = gate or AccessControl()
        self._offload = offload or Offload()
        self._observer = observer or Observer()

    async def answer(self, questions: Sequence[Question], *, at: Callable[[int], str]) -> list[Answer]:
        """Answer in order; `at` points at a question by its place.

        Raises BodyTooLarge past MOST_ITEMS. Raises InputError, before anything is decided, naming the bad fields of all
        questions, or the first MOST_FAULTS.
        """
        if len(questions) > MOST_ITEMS:
            raise too_many_items()
        caller = current.get()
        self._gate.count(caller, max(0, len(questions) - 1))
        faults, answers, turns = Faults(), [], Turns()
        for place, question in enumerate(questions):
            if turns.due(question.size):
                await asyncio.sleep(0)
            try:
                answers.append(await self._offload.call(question.size, question.ask))
            except InputError as error:
                for each in error.fields:
                    faults.add(each.pointer, each.detail)
            except MalformedBody:
                faults.add(at(place), "expected a JSON object in UTF-8")
        raise_faults(faults)
        route, trace = whence.get()
        for answer in answers:
            if turns.due(0):
                self._observer.settle()  # commit first: a failure during the wait would lose uncommitted records
                await asyncio.sleep(0)
            self._observer.decided(answer, caller, route=route, trace=trace)
        self._observer.settle()
        return answers


def raise_faults(faults: Faults) -> None:
    """Raise InputError where there are any."""
    if faults.bad:
        raise InputError(tuple(faults.bad))
