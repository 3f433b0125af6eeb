"""One call about several customers: all of them answered, or none where one can't be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from model.errors import InputError
from serving.answer import Answer
from serving.caller import current, whence
from serving.errors import BodyTooLarge, MalformedBody
from serving.faults import Faults
from serving.gate import Gate
from serving.items import MOST_ITEMS
from serving.observer import Observer

_AT_A_TIME: Final = 16  # customers between two breaths of the event loop

Question = Callable[[], Answer]


class Several:
    """Asks one question after the other for the `current` caller; `gate` counts each, `observer` hears of each."""

    def __init__(self, *, gate: Gate | None = None, observer: Observer | None = None) -> None:
        self._gate = gate or Gate()
        self._observer = observer or Observer()

    async def answer(self, questions: Sequence[Question], *, at: Callable[[int], str]) -> list[Answer]:
        """Answer in order; `at` points at a question by its place.

        Raises BodyTooLarge past MOST_ITEMS, TooManyRequests past the caller's share, and InputError naming the bad
        fields of all questions: nothing is decided then.
        """
        if len(questions) > MOST_ITEMS:
            raise BodyTooLarge(
                f"The call is about {len(questions):,} customers.", remedy=f"Send at most {MOST_ITEMS:,} at a time."
            )
        caller = current.get()
        self._gate.count(caller, max(0, len(questions) - 1))
        faults, answers = Faults(), []
        for place, question in enumerate(questions):
            try:
                answers.append(question())
            except InputError as error:
                for each in error.fields:
                    faults.add(each.pointer, each.detail)
            except MalformedBody:
                faults.add(at(place), "expected a JSON object in UTF-8")
            if place % _AT_A_TIME == _AT_A_TIME - 1:
                await asyncio.sleep(0)  # one of a thousand must not hold up everybody else
        raise_faults(faults)
        route, trace = whence.get()
        for answer in answers:
            self._observer.decided(answer, caller, route=route, trace=trace)
        self._observer.settle()
        return answers


def raise_faults(faults: Faults) -> None:
    """Raise InputError where there are any."""
    if faults.bad:
        raise InputError(tuple(faults.bad))
