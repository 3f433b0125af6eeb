"""Checks that the body of a response is the answer to its request."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from customer_risk.model.scoring.segments import ACTIONS, Action, Segment
from loadtest.payloads import SEVERAL, Payload

_UUID7: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class _Reason(msgspec.Struct):
    """A reason; only callers with the scope `explain` get `contribution`."""

    code: Annotated[str, Meta(min_length=1)]
    text: str  # empty in a reason whose text an earlier reason of the answer has
    direction: Literal["raises", "lowers"]
    contribution: float | UnsetType | None = UNSET


class _Pattern(msgspec.Struct):
    """A pattern; only callers with the scope `explain` get `count`."""

    code: Annotated[str, Meta(min_length=1)]
    count: Annotated[int, Meta(ge=1)] | UnsetType = UNSET


class _Model(msgspec.Struct):
    version: str


class _Answer(msgspec.Struct):
    decision_id: str
    customer_id: str
    probability: float | None
    segment: Segment
    action: Action
    reasons: Annotated[list[_Reason], Meta(max_length=5)]
    patterns: list[_Pattern] | None
    source: str
    model: _Model


class _Problem(msgspec.Struct):
    status: int
    errors: Annotated[list[dict[str, str]], Meta(min_length=1)]


class _Item(msgspec.Struct):
    status: int
    answer: _Answer | None = None
    problem: _Problem | None = None


class _Items(msgspec.Struct):
    items: list[_Item]


class Checked(NamedTuple):
    """The ids of the decisions in a response, and what is wrong with it; empty if nothing is."""

    decisions: tuple[str, ...]
    wrong: str


class WrongAnswerError(Exception):
    """A response is not the answer to its request."""


class Checker:
    """Checks each response, and the values that must differ or be equal in all responses.

    `minimum_patterns` is the minimum of the bundle's action rule.
    """

    def __init__(self, minimum_patterns: int = 1) -> None:
        self._minimum = minimum_patterns
        self._has_rule: dict[str, bool] = {}  # by version of the model
        self._seen: set[str] = set()
        self._probabilities: dict[tuple[int, int, str], float] = {}
        self._answer = msgspec.json.Decoder(_Answer)
        self._items = msgspec.json.Decoder(_Items)
        self._problem = msgspec.json.Decoder(_Problem)

    def check(self, number: int, payload: Payload, body: bytes) -> Checked:
        """Check the body of the response to payload `number`; its status was the expected one."""
        decisions: list[str] = []
        try:
            for place, item in enumerate(self._decode(payload, body)):
                if item.answer is not None:
                    decisions.append(item.answer.decision_id)
                self._check_item(number, place, payload, item)
        except (msgspec.MsgspecError, UnicodeDecodeError, WrongAnswerError) as error:
            return Checked(tuple(decisions), str(error))
        return Checked(tuple(decisions), "")

    def _decode(self, payload: Payload, body: bytes) -> Sequence[_Item]:
        if payload.path == SEVERAL:
            items = self._items.decode(body).items
            if len(items) != len(payload.customers):
                raise WrongAnswerError(f"{len(items)} items for {len(payload.customers)} requests")
            return items
        if payload.statuses[0] == 200:
            return [_Item(200, answer=self._answer.decode(body))]
        problem = self._problem.decode(body)
        return [_Item(problem.status, problem=problem)]

    def _check_item(self, number: int, place: int, payload: Payload, item: _Item) -> None:
        expected = payload.statuses[place]
        if item.status != expected:
            raise WrongAnswerError(f"item {place} has status {item.status} instead of {expected}")
        if expected == 200 and item.answer is not None:
            self._check(number, place, payload, item.answer)
        elif expected == 200 or item.problem is None or item.answer is not None:
            raise WrongAnswerError(
                f"item {place} {'lacks an answer' if expected == 200 else 'lacks a problem, or has an answer too'}"
            )

    def _check(self, number: int, place: int, payload: Payload, answer: _Answer) -> None:
        customer, identity, probability = payload.customers[place], answer.decision_id, answer.probability
        if not _UUID7.fullmatch(identity):
            raise WrongAnswerError(f"decision_id {identity!r} is not a UUID of version 7")
        if identity in self._seen:
            raise WrongAnswerError(f"decision_id {identity} was returned twice")
        self._seen.add(identity)
        if answer.customer_id != customer:
            raise WrongAnswerError(f"the answer is about {answer.customer_id!r}, the request about {customer!r}")
        if answer.source != "model":
            raise WrongAnswerError(f"{answer.source} answered, not the model")
        if probability is None or not 0 <= probability <= 1:
            raise WrongAnswerError(f"{probability} is not a probability")
        self._check_action(answer, features=payload.kind == "features")
        _check_reasons(answer)
        before = self._probabilities.setdefault((number, place, answer.model.version), probability)
        if before != probability:
            raise WrongAnswerError(f"the same request had probability {before}, now {probability}")

    def _check_action(self, answer: _Answer, *, features: bool) -> None:
        """Check the action by the action rule, or by the segment alone if the bundle has no rule."""
        found, version = answer.patterns, answer.model.version
        if features and found is not None:
            raise WrongAnswerError(f"{len(found)} patterns, although only features were given")
        if not features and self._has_rule.setdefault(version, found is not None) != (found is not None):
            raise WrongAnswerError(
                f"patterns {'null' if found is None else 'given'}, unlike in other answers of this model"
            )
        by_segment = ACTIONS[answer.segment]
        enough = found is not None and len(found) >= self._minimum
        by_rule = "review" if answer.segment == "high" and not enough else by_segment
        has_rule = self._has_rule.get(version)  # None: this model was sent no transactions yet
        if answer.action not in {True: {by_rule}, False: {by_segment}, None: {by_rule, by_segment}}[has_rule]:
            told = "patterns null" if found is None else f"{len(found)} patterns"
            raise WrongAnswerError(f"action {answer.action} in segment {answer.segment} with {told}")


def _check_reasons(answer: _Answer) -> None:
    """Check that the strongest reason is first and has a text.

    In the segments medium and high, reasons that raise the risk come before all others.
    """
    if not answer.reasons:
        raise WrongAnswerError("no reasons")
    if not answer.reasons[0].text:
        raise WrongAnswerError("the first reason has no text for the customer")
    # The service orders contributions that are equal to nine decimals by another rule.
    keys = [
        (
            answer.segment != "low" and reason.direction == "lowers",
            -round(abs(reason.contribution), 9) if isinstance(reason.contribution, float) else 0.0,
        )
        for reason in answer.reasons
    ]
    if keys != sorted(keys):
        raise WrongAnswerError("the reasons are out of order")
