"""Rows of the results: the same columns in BigQuery and in Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Final

import msgspec

from customer_risk.model.errors import BadField
from customer_risk.model.features.input_warning import InputWarning
from customer_risk.model.patterns.found_pattern import FoundPattern
from customer_risk.model.scoring.reasons import Reason
from customer_risk.serving.contract.answer import WireAnswer, WirePattern, WireReason
from customer_risk.serving.contract.columns import Column, column, columns_of
from customer_risk.serving.contract.problem import Kind, Problem

_POINTER: Final = {"pointer": "JSON pointer into the request"}
_REASON: Final = {
    "text": "may be shown to the customer",
    "direction": "raises or lowers",
    "investigator_text": "may not be shown to the customer",
}
_PATTERN: Final = {
    "count": "number of transactions that show the pattern",
    "amount": "EUR: the sum of these transactions, or the money that passed through",
    "share": "of the money in, or of crypto purchases",
    "first_at": "time of the first of these transactions",
    "last_at": "time of the last of these transactions",
    "investigator_text": "may not be shown to the customer",
}


class ResultRow(msgspec.Struct, frozen=True, kw_only=True):
    """One customer's result."""

    day: Annotated[str, column("day of the run", stored="DATE")]
    run: Annotated[str, column("the run's name and day")]
    plan: Annotated[str, column("hash of the run's input, which must be the same if the run continues")]
    part: Annotated[str, column("number of the part of the run; a part is stored completely or not at all")]
    row: Annotated[int, column("number of the row in the input's file or query, from 0")]
    customer_id: Annotated[str | None, column("null if a refused row has no readable customer_id")]
    status: Annotated[int, column("HTTP status: 200, or the problem's")]
    decision_id: Annotated[str | None, column("id of the decision, as in the record")] = None
    decided_at: Annotated[str | None, column(stored="TIMESTAMP")] = None
    probability: Annotated[float | None, column("null if rules answered")] = None
    segment: Annotated[str | None, column("low, medium or high")] = None
    action: Annotated[str | None, column("none, review or propose_off_boarding")] = None
    source: Annotated[str | None, column("model or rules")] = None
    model_name: str | None = None
    model_version: Annotated[str | None, column("the bundle's hash, or the rules'")] = None
    reasons: Annotated[Sequence[Reason | WireReason], column("the strongest first", fields=_REASON)] = ()
    warnings: Annotated[Sequence[InputWarning], column(fields=_POINTER)] = ()
    problem: Annotated[str | None, column("stable name of the reason for a refusal")] = None
    detail: Annotated[str | None, column("what was wrong, and what to do")] = None
    errors: Annotated[Sequence[BadField], column("each bad field of a refused row", fields=_POINTER)] = ()
    # Also empty if no pattern can be seen: a REPEATED column can't be null.
    patterns: Annotated[Sequence[FoundPattern | WirePattern], column("found in the transactions", fields=_PATTERN)] = ()


def _nullable(columns: Sequence[Column]) -> tuple[Column, ...]:
    """Return the column with all nested columns NULLABLE, as in existing tables."""
    return tuple(
        replace(each, fields=tuple(replace(nested, mode="NULLABLE") for nested in each.fields)) for each in columns
    )


COLUMNS: Final = _nullable(columns_of(ResultRow))


class Place(msgspec.Struct, frozen=True):
    """The part of a run that rows belong to."""

    day: str
    run: str
    plan: str
    part: str


def answered(place: Place, row: int, answer: WireAnswer) -> ResultRow:
    """Return the row of an answered customer."""
    return ResultRow(
        day=place.day,
        run=place.run,
        plan=place.plan,
        part=place.part,
        row=row,
        customer_id=answer.customer_id,
        status=200,
        decision_id=answer.decision_id,
        decided_at=answer.decided_at,
        probability=answer.probability,
        segment=answer.segment,
        action=answer.action,
        source=answer.source,
        model_name=answer.model.name,
        model_version=answer.model.version,
        reasons=answer.reasons,
        warnings=answer.warnings,
        patterns=answer.patterns or (),
    )


def refused(place: Place, row: int, customer_id: str | None, kind: Kind, problem: Problem) -> ResultRow:
    """Return the row of a refused customer."""
    return ResultRow(
        day=place.day,
        run=place.run,
        plan=place.plan,
        part=place.part,
        row=row,
        customer_id=customer_id,
        status=problem.status,
        problem=kind.name,
        detail=problem.detail,
        errors=problem.errors,
    )
