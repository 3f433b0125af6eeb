"""A row of the results: the same columns in BigQuery and in Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from customer_risk.model.errors import BadField
from customer_risk.model.features.input_warning import InputWarning
from customer_risk.model.scoring.reasons import Reason
from customer_risk.serving.contract.answer import WireAnswer, WireReason
from customer_risk.serving.contract.problem import Kind, Problem
from customer_risk.serving.record.sinks.bigquery.schema import Column

_DUCKDB: Final = {
    "STRING": "VARCHAR",
    "INTEGER": "BIGINT",
    "FLOAT": "DOUBLE",
    "TIMESTAMP": "TIMESTAMPTZ",
    "DATE": "DATE",
}
COLUMNS: Final = (
    Column("day", "DATE", "REQUIRED", "of the run"),
    Column("run", "STRING", "REQUIRED", "the run's name and day"),
    Column("plan", "STRING", "REQUIRED", "hash of the run's input, which a run that goes on must find again"),
    Column("part", "STRING", "REQUIRED", "of the run, stored whole or not at all"),
    Column("row", "INTEGER", "REQUIRED", "in the input's file or query, from 0"),
    Column("customer_id", "STRING", "NULLABLE", "null where a refused row's can't be read"),
    Column("status", "INTEGER", "REQUIRED", "200, or that of the problem"),
    Column("decision_id", "STRING", "NULLABLE", "as in the record"),
    Column("decided_at", "TIMESTAMP", "NULLABLE", ""),
    Column("probability", "FLOAT", "NULLABLE", "null where rules answered"),
    Column("segment", "STRING", "NULLABLE", "low, medium or high"),
    Column("action", "STRING", "NULLABLE", "none, review or propose_off_boarding"),
    Column("source", "STRING", "NULLABLE", "model or rules"),
    Column("model_name", "STRING", "NULLABLE", ""),
    Column("model_version", "STRING", "NULLABLE", "the bundle's hash, or the rules'"),
    Column(
        "reasons",
        "RECORD",
        "REPEATED",
        "the strongest first",
        (
            Column("code", "STRING", "NULLABLE", ""),
            Column("text", "STRING", "NULLABLE", "may be shown to the customer"),
            Column("direction", "STRING", "NULLABLE", "raises or lowers"),
            Column("feature", "STRING", "NULLABLE", ""),
            Column("value", "FLOAT", "NULLABLE", ""),
            Column("unit", "STRING", "NULLABLE", ""),
            Column("contribution", "FLOAT", "NULLABLE", ""),
            Column("share", "FLOAT", "NULLABLE", ""),
            Column("investigator_text", "STRING", "NULLABLE", "may not be shown to the customer"),
        ),
    ),
    Column(
        "warnings",
        "RECORD",
        "REPEATED",
        "",
        (
            Column("code", "STRING", "NULLABLE", ""),
            Column("pointer", "STRING", "NULLABLE", "into the request"),
            Column("detail", "STRING", "NULLABLE", ""),
        ),
    ),
    Column("problem", "STRING", "NULLABLE", "why the row was refused, by a name that stays"),
    Column("detail", "STRING", "NULLABLE", "the same in words"),
    Column(
        "errors",
        "RECORD",
        "REPEATED",
        "each bad field of a refused row",
        (
            Column("pointer", "STRING", "NULLABLE", "into the request"),
            Column("detail", "STRING", "NULLABLE", ""),
        ),
    ),
)


class ResultRow(msgspec.Struct, frozen=True, kw_only=True):
    """One customer's result."""

    day: str
    run: str
    plan: str
    part: str
    row: int
    customer_id: str | None
    status: int
    decision_id: str | None = None
    decided_at: str | None = None
    probability: float | None = None
    segment: str | None = None
    action: str | None = None
    source: str | None = None
    model_name: str | None = None
    model_version: str | None = None
    reasons: Sequence[Reason | WireReason] = ()
    warnings: Sequence[InputWarning] = ()
    problem: str | None = None
    detail: str | None = None
    errors: Sequence[BadField] = ()


class Place(msgspec.Struct, frozen=True):
    """Where rows belong: a part of a run."""

    day: str
    run: str
    plan: str
    part: str


def answered(place: Place, row: int, answer: WireAnswer) -> ResultRow:
    """Make the row of a customer who was answered."""
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
    )


def refused(place: Place, row: int, customer_id: str | None, kind: Kind, problem: Problem) -> ResultRow:
    """Make the row of a customer who was refused."""
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


def duckdb_type(column: Column) -> str:
    """Name a column's type as DuckDB does."""
    fields = ", ".join(f"{_quoted(each)} {duckdb_type(each)}" for each in column.fields)
    kind = f"STRUCT({fields})" if fields else _DUCKDB[column.type]
    return f"{kind}[]" if column.mode == "REPEATED" else kind


def duckdb_columns() -> str:
    """Give the columns as DuckDB's reader of JSON takes them."""
    return "{" + ", ".join(f"{_quoted(each)}: '{duckdb_type(each)}'" for each in COLUMNS) + "}"


def _quoted(column: Column) -> str:
    return f'"{column.name}"'
