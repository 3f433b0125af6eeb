"""Calls about several customers: if one customer can't be answered, the whole call is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from customer_risk.model.errors import InputError
from customer_risk.serving.contract.answer import Answer
from customer_risk.serving.contract.batch import MOST_ITEMS, too_many_items
from customer_risk.serving.decisions.validation import Faults
from customer_risk.serving.errors import MalformedBody
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.exchange.outcome import Decided, current
from customer_risk.serving.offload import Turns


class Question(NamedTuple):
    """A question about one customer, and the number of bytes that are read to answer it."""

    ask: Callable[[], Answer]
    size: int


async def answer_all(exchange: Exchange, questions: Sequence[Question], *, at: Callable[[int], str]) -> list[Answer]:
    """Answer the `current` request's questions in order; `at(place)` returns a question's JSON pointer.

    Raises BodyTooLarge past MOST_ITEMS, and NotAnswered if the decisions can't be recorded. Raises InputError, before
    anything is decided, naming the bad fields of all questions, or the first MOST_FAULTS.
    """
    if len(questions) > MOST_ITEMS:
        raise too_many_items()
    context = current.get()
    exchange.access.count(context.admitted, max(0, len(questions) - 1))
    faults, answers, turns = Faults(), [], Turns()
    for place, question in enumerate(questions):
        if turns.due(question.size):
            await asyncio.sleep(0)
        try:
            answers.append(await exchange.service.offload.call(question.size, question.ask))
        except InputError as error:
            for each in error.fields:
                faults.add(each.pointer, each.detail)
        except MalformedBody:
            faults.add(at(place), "expected a JSON object in UTF-8")
    raise_faults(faults)
    kept: list[Decided] = []
    for answer in answers:
        if turns.due(0):
            exchange.commit_all(kept)  # before the wait: a failure during it would lose uncommitted records
            kept.clear()
            await asyncio.sleep(0)
        kept.append(exchange.keep(answer, context))
    exchange.commit_all(kept)
    return answers


def raise_faults(faults: Faults) -> None:
    """Raise InputError if there are faults."""
    if faults.bad:
        raise InputError(tuple(faults.bad))
