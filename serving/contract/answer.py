"""The answer that callers get: its full form, and its form without explanations."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from customer_risk.model.features.input_warning import InputWarning
from customer_risk.model.patterns.found_pattern import FoundPattern
from customer_risk.model.scoring.reasons import Reason
from customer_risk.model.scoring.scorer import Verdict
from customer_risk.model.scoring.segments import Action, Segment
from customer_risk.serving.contract.columns import column
from customer_risk.serving.contract.identifiers import uuid7

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from customer_risk.model.features.encoded import Encoded

Source = Literal["model", "rules"]


class ModelName(msgspec.Struct, frozen=True):
    """The name of the model or the rules that answered, and the hash of their bundle or rule set."""

    name: str
    version: Annotated[str, column("The bundle's hash, or the rules' version")]


class Basis(msgspec.Struct, frozen=True, kw_only=True):
    """The inputs of a decision, for the record.

    `values` float64[f] are the features in the order of `names`, NaN where missing; `encoded` are the transactions as
    the kernel read them, None if features were given. `history_complete` is false if the caller said so. `action_rule`
    and `wordings` are the versions of the rule that led to the action and of the texts of the reasons.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    encoded: Encoded | None
    history_complete: bool = True
    action_rule: int = 1
    wordings: int = 1


class Times(NamedTuple):
    """When a decision began, and when its request was decoded, its features computed and its score and reasons known.

    Each is a value of `time.perf_counter()`.
    """

    began: float
    decoded: float
    computed: float
    scored: float


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A complete decision about a customer, as it is recorded; `render` makes the part that the caller may see.

    `times` is known if calls are traced; it isn't recorded.
    """

    decision_id: str
    customer_id: str
    at: int  # microseconds since 1970
    decided_at: str
    decision: Verdict | Ruling
    source: Source
    model: ModelName
    warnings: tuple[InputWarning, ...]
    basis: Basis
    times: Times | None = None


class WireReason(msgspec.Struct, frozen=True):
    """A reason; only callers with the scope `explain` get the fields from `feature` on."""

    # Columns of stored reasons are made from these fields. Add a new field at the end, UNSET by default and nullable:
    # Parquet stores UNSET as null, and reasons that were stored earlier lack the field.
    code: Annotated[str, column("Stable name of the reason")]
    text: Annotated[str, column("Text that the customer may see")]
    direction: Annotated[Literal["raises", "lowers"], column("raises or lowers")]
    feature: str | UnsetType = UNSET
    value: Annotated[float | UnsetType | None, column("Value of the feature; null if it is missing")] = UNSET
    unit: str | UnsetType = UNSET
    contribution: Annotated[
        float | UnsetType | None, column("Part of the probability's log-odds; null if rules answered")
    ] = UNSET
    share: Annotated[float | UnsetType | None, column("Share of all absolute contributions, 0 to 1")] = UNSET
    investigator_text: Annotated[
        str | UnsetType, column("Text for investigators only; the customer must not see it")
    ] = UNSET


class WirePattern(msgspec.Struct, frozen=True):
    """A pattern in the transactions; only callers with the scope `explain` get the fields from `count` on."""

    # The columns of stored patterns are made from these fields, like those of reasons.
    code: Annotated[str, column("Stable name of the pattern")]
    count: Annotated[int | UnsetType, column("Number of transactions that show the pattern")] = UNSET
    amount: Annotated[
        float | UnsetType, column("EUR: the sum of these transactions, or the money that passed through")
    ] = UNSET
    share: Annotated[
        float | UnsetType | None, column("Share of the money in, or of crypto purchases; null for other patterns")
    ] = UNSET
    first_at: Annotated[str | UnsetType, column("Time of the first of these transactions, RFC 3339")] = UNSET
    last_at: Annotated[str | UnsetType, column("Time of the last of these transactions, RFC 3339")] = UNSET
    investigator_text: Annotated[
        str | UnsetType, column("Text for investigators only; the customer must not see it")
    ] = UNSET


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """The decision of fallback rules about a customer: a segment and its reasons, but no probability or patterns."""

    probability: None = None
    patterns: None = None
    segment: Segment
    action: Action
    reasons: tuple[WireReason, ...]


class WireAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a caller; `probability` is null if rules answered instead of the model.

    `patterns` is null if patterns weren't searched: the request gave features, rules answered, or the bundle has no
    action rule.
    """

    decision_id: str
    customer_id: str
    decided_at: Annotated[str, column(stored="TIMESTAMP", duckdb="TIMESTAMP")]  # in jobs' Parquet it has no time zone
    probability: float | None
    segment: Segment
    action: Action
    reasons: Sequence[Reason | WireReason]
    patterns: Sequence[FoundPattern | WirePattern] | None
    source: Source
    model: ModelName
    warnings: tuple[InputWarning, ...]


def answer_of(
    decision: Verdict | Ruling,
    *,
    customer_id: str,
    source: Source,
    model: ModelName,
    warnings: tuple[InputWarning, ...],
    basis: Basis,
    now: float,
    times: Times | None = None,
) -> Answer:
    """Return the answer with a decision's id and time; `now` is in seconds since 1970."""
    at = int(now * 1e6)
    second, microsecond = divmod(at, 1_000_000)
    return Answer(
        decision_id=uuid7(int(now * 1000)),
        customer_id=customer_id,
        at=at,
        decided_at=f"{_to_the_second(second)}.{microsecond:06d}Z",
        decision=decision,
        source=source,
        model=model,
        warnings=warnings,
        basis=basis,
        times=times,
    )


def render(answer: Answer, *, explain: bool) -> WireAnswer:
    """Return the answer for the caller: with `explain` all of it, otherwise only what the customer may see."""
    decision = answer.decision
    # Reasons and patterns have the same fields as the wire's.
    reasons: Sequence[Reason | WireReason] = decision.reasons
    patterns: Sequence[FoundPattern | WirePattern] | None = decision.patterns
    if not explain:
        reasons = [_without_explanation(reason) for reason in reasons]
        patterns = None if patterns is None else [WirePattern(pattern.code) for pattern in patterns]
    return WireAnswer(
        decision_id=answer.decision_id,
        customer_id=answer.customer_id,
        decided_at=answer.decided_at,
        probability=decision.probability,
        segment=decision.segment,
        action=decision.action,
        reasons=reasons,
        patterns=patterns,
        source=answer.source,
        model=answer.model,
        warnings=answer.warnings,
    )


@lru_cache(maxsize=2)
def _to_the_second(second: int) -> str:
    return dt.datetime.fromtimestamp(second, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _without_explanation(reason: Reason | WireReason) -> WireReason:
    return WireReason(code=reason.code, text=reason.text, direction=reason.direction)
