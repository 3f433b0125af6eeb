"""The record's table: its columns, and how an older table is brought up to them.

A column for each field of a record's document, of the same name, but for `model`: BigQuery clusters by top-level
columns alone, so its name and version are columns of their own. Columns are only ever added: who adds one raises
VERSION, and makes it NULLABLE or REPEATED.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from customer_risk.model.errors import ConfigError

VERSION: Final = 1
LABEL: Final = "schema_version"
PARTITIONED_BY: Final = "recorded_at"
CLUSTERED_BY: Final = ("customer_id", "model_version")

Mode = Literal["REQUIRED", "NULLABLE", "REPEATED"]
Type = Literal["STRING", "INTEGER", "FLOAT", "BOOLEAN", "TIMESTAMP", "BYTES", "RECORD"]


@dataclass(frozen=True)
class Column:
    """A column, or a field of a RECORD; types by the names that BigQuery's REST interface gives."""

    name: str
    type: str
    mode: str = "REQUIRED"
    description: str = ""
    fields: tuple[Column, ...] = ()


def _text(name: str, description: str, mode: Mode = "REQUIRED") -> Column:
    return Column(name, "STRING", mode, description)


_REASON: Final = (
    _text("code", "Stable name of the reason"),
    _text("text", "What the customer may be told"),
    _text("direction", "raises or lowers"),
    _text("feature", "", "NULLABLE"),
    Column("value", "FLOAT", "NULLABLE", "Of the feature; none where it was missing"),
    _text("unit", "", "NULLABLE"),
    Column("contribution", "FLOAT", "NULLABLE", "To the margin; none where rules answered"),
    Column("share", "FLOAT", "NULLABLE", "Of all contributions, 0 to 1"),
    _text("investigator_text", "Not for the customer", "NULLABLE"),
)
_WARNING: Final = (
    _text("code", "Stable name of the warning"),
    _text("pointer", "JSON pointer into the request"),
    _text("detail", ""),
)
_FEATURE: Final = (_text("name", ""), Column("value", "FLOAT", "NULLABLE", "None where it is missing"))

COLUMNS: Final = (
    Column("version", "INTEGER", description="Of the record's form"),
    _text("kind", "decision or refusal"),
    _text("decision_id", "UUIDv7; a refusal has one of its own"),
    Column("recorded_at", "TIMESTAMP", description="When it was decided"),
    Column("took_us", "INTEGER", description="Microseconds from the whole body to the decision, -1 where unknown"),
    _text("route", "The way in"),
    _text("caller", "Whose token"),
    _text("trace", "32 hexadecimal digits, or empty"),
    _text("customer_id", "As given or as a keyed hash; empty in a refusal"),
    Column("status", "INTEGER", description="HTTP status of the answer"),
    _text("problem", "A refusal's: stable name of what was wrong"),
    _text("pointers", "A refusal's: JSON pointers at the bad fields", "REPEATED"),
    _text("source", "model or rules; empty in a refusal"),
    _text("model_name", ""),
    _text("model_version", "The bundle's hash, or the rules' version"),
    _text("cpu", "Family of the processor that answered"),
    Column("probability", "FLOAT", "NULLABLE", "None where rules answered"),
    _text("segment", ""),
    _text("action", "What the decision proposes"),
    Column("reasons", "RECORD", "REPEATED", "The heaviest first", _REASON),
    Column("warnings", "RECORD", "REPEATED", "What the decision rests on weakly", _WARNING),
    Column("features", "RECORD", "REPEATED", "All that the model was given, in its order", _FEATURE),
    Column("transactions", "INTEGER", description="Number of transactions that it rests on"),
    Column(
        "encoded", "BYTES", description="The customer as the features were computed from; empty where they were given"
    ),
    Column("history_complete", "BOOLEAN", description="Whether the request said so"),
)
_SAME: Final = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "STRUCT": "RECORD"}


class _Differs(Exception):
    """Why a table can't hold the record."""


def version_of(labels: dict[str, str], table: str) -> int:
    """Read the version that a table was made for; raises ConfigError where it is none of ours."""
    try:
        return int(labels[LABEL])
    except (KeyError, ValueError):
        raise ConfigError(
            f"record.ship.sinks: bigquery: {table} has no label {LABEL!r}: it wasn't made for the record.",
            remedy="Name another table; `customer-risk audit init` makes it.",
        ) from None


def merge(found: Sequence[Column], table: str) -> tuple[Column, ...]:
    """Give a table's columns with ours added; equal to `found` where there is nothing to add.

    Raises ConfigError where adding isn't enough: another type, or a column that we don't know and must be given.
    """
    try:
        return _merge(tuple(found), COLUMNS, "")
    except _Differs as error:
        raise ConfigError(
            f"record.ship.sinks: bigquery: {table} can't hold the record: {error}.",
            remedy="Name another table; `customer-risk audit init` makes it. This one stays as it is.",
        ) from None


def _merge(found: tuple[Column, ...], ours: tuple[Column, ...], at: str) -> tuple[Column, ...]:
    wanted = {column.name.lower(): column for column in ours}  # BigQuery doesn't tell case apart
    merged = []
    for column in found:
        ours_too = wanted.pop(column.name.lower(), None)
        if ours_too is not None:
            merged.append(_fit(column, ours_too, at))
        elif column.mode == "REQUIRED":
            raise _Differs(f"it has a column {at}{column.name} that must be given, which no record has")
        else:
            merged.append(column)
    return (*merged, *(_addable(column) for column in wanted.values()))


def _fit(found: Column, ours: Column, at: str) -> Column:
    kind = _SAME.get(found.type, found.type)
    if kind != ours.type:
        raise _Differs(f"{at}{found.name} is {kind} and not {ours.type}")
    if "REPEATED" in {found.mode, ours.mode} and found.mode != ours.mode:
        raise _Differs(f"{at}{found.name} is {found.mode} and not {ours.mode}")
    mode = found.mode if ours.mode == "REQUIRED" else ours.mode  # what is given always may be given always
    return replace(found, mode=mode, fields=_merge(found.fields, ours.fields, f"{at}{found.name}."))


def _addable(column: Column) -> Column:
    """Make a column one that can be added to rows that lack it."""
    mode = "NULLABLE" if column.mode == "REQUIRED" else column.mode
    return replace(column, mode=mode, fields=tuple(_addable(field) for field in column.fields))
