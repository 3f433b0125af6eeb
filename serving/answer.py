"""The answer on the wire, in the two forms that callers may see."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from model.scoring.reasons import Reason
from model.scoring.scorer import Decision, Warned
from model.scoring.segments import Action, Segment
from serving.uuid7 import uuid7


class ModelName(msgspec.Struct, frozen=True):
    """Which model answered: its name and the hash of its bundle."""

    name: str
    version: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A decision about a customer, complete: what the record keeps, whoever asks."""

    decision_id: str
    customer_id: str
    decided_at: str
    decision: Decision
    model: ModelName
    warnings: tuple[Warned, ...]


class WireReason(msgspec.Struct, frozen=True, kw_only=True):
    """A reason; the fields from `feature` on are for those with the `explain` scope alone."""

    code: str
    text: str
    direction: Literal["raises", "lowers"]
    feature: str | UnsetType = UNSET
    value: float | UnsetType | None = UNSET
    unit: str | UnsetType = UNSET
    contribution: float | UnsetType = UNSET
    share: float | UnsetType = UNSET
    investigator_text: str | UnsetType = UNSET


class WireAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller gets."""

    decision_id: str
    customer_id: str
    decided_at: str
    probability: float
    segment: Segment
    action: Action
    reasons: list[WireReason]
    source: Literal["model"]
    model: ModelName
    warnings: tuple[Warned, ...]


def answer_of(
    decision: Decision, *, customer_id: str, model: ModelName, warnings: Sequence[Warned], now: float
) -> Answer:
    """Give a decision its identity and its time; `now` is in seconds since 1970."""
    moment = dt.datetime.fromtimestamp(now, dt.UTC)
    return Answer(
        decision_id=str(uuid7(int(now * 1000))),
        customer_id=customer_id,
        decided_at=moment.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        decision=decision,
        model=model,
        warnings=tuple(warnings),
    )


def render(answer: Answer, *, explain: bool) -> WireAnswer:
    """Show an answer: to everyone, what may reach the customer; with `explain`, what investigators need as well."""
    decision = answer.decision
    return WireAnswer(
        decision_id=answer.decision_id,
        customer_id=answer.customer_id,
        decided_at=answer.decided_at,
        probability=decision.probability,
        segment=decision.segment,
        action=decision.action,
        reasons=[_reason(reason, explain=explain) for reason in decision.reasons],
        source="model",
        model=answer.model,
        warnings=answer.warnings,
    )


def _reason(reason: Reason, *, explain: bool) -> WireReason:
    if not explain:
        return WireReason(code=reason.code, text=reason.text, direction=reason.direction)
    return WireReason(**msgspec.structs.asdict(reason))
