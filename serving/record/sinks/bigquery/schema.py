"""The columns of the record's table, and the migration of an older table.

Each field of a record's document has a column of the same name. The fields of `model` have columns at the top, since
BigQuery clusters only by such columns. Columns are only added, each NULLABLE or REPEATED; the table's version is their
number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from customer_risk.model.errors import ConfigError
from customer_risk.serving.contract.columns import Column, columns_of
from customer_risk.serving.record.outbox.record import Document

LABEL: Final = "schema_version"
PARTITIONED_BY: Final = "recorded_at"
CLUSTERED_BY: Final = ("customer_id", "model_version")


def _at_the_top(columns: Iterable[Column]) -> Iterator[Column]:
    """Yield columns, with those of a single RECORD in its place."""
    for each in columns:
        if each.type == "RECORD" and each.mode != "REPEATED":
            yield from (replace(part, name=f"{each.name}_{part.name}") for part in each.fields)
        else:
            yield each


def _count(columns: Sequence[Column]) -> int:
    return sum(1 + _count(each.fields) for each in columns)


COLUMNS: Final = tuple(_at_the_top(columns_of(Document)))
_BEFORE_THE_FIRST: Final = 38  # version 1 has 39 columns, nested ones included
VERSION: Final = _count(COLUMNS) - _BEFORE_THE_FIRST
_SAME: Final = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "STRUCT": "RECORD"}


class _Differs(Exception):
    """The reason why a table can't store the record."""


def version_of(labels: dict[str, str], table: str) -> int:
    """Return the version that a table was made for; raises ConfigError if it isn't a table of this service."""
    try:
        return int(labels[LABEL])
    except (KeyError, ValueError):
        raise ConfigError(
            f"record.ship.sinks: bigquery: {table} has no label {LABEL!r}: it wasn't made for the record.",
            remedy="Name another table; `customer-risk audit init` makes it.",
        ) from None


def merge(found: Sequence[Column], table: str) -> tuple[Column, ...]:
    """Return a table's columns with the missing ones of `COLUMNS`; equal to `found` if it has all columns.

    Raises ConfigError for a column of another type, and for an unknown column that is required.
    """
    try:
        return _merge(tuple(found), COLUMNS, "")
    except _Differs as error:
        raise ConfigError(
            f"record.ship.sinks: bigquery: {table} can't store the record: {error}.",
            remedy="Name another table; `customer-risk audit init` makes it. This one isn't changed.",
        ) from None


def _merge(found: tuple[Column, ...], ours: tuple[Column, ...], at: str) -> tuple[Column, ...]:
    wanted = {column.name.lower(): column for column in ours}  # BigQuery's names ignore case
    merged = []
    for column in found:
        known = wanted.pop(column.name.lower(), None)
        if known is not None:
            merged.append(_fit(column, known, at))
        elif column.mode == "REQUIRED":
            raise _Differs(f"it has a column {at}{column.name} that is required, which no record has")
        else:
            merged.append(column)
    return (*merged, *(_addable(column) for column in wanted.values()))


def _fit(found: Column, ours: Column, at: str) -> Column:
    kind = _SAME.get(found.type, found.type)
    if kind != ours.type:
        raise _Differs(f"{at}{found.name} is {kind} and not {ours.type}")
    if "REPEATED" in {found.mode, ours.mode} and found.mode != ours.mode:
        raise _Differs(f"{at}{found.name} is {found.mode} and not {ours.mode}")
    mode = found.mode if ours.mode == "REQUIRED" else ours.mode  # a required column of the table always gets a value
    return replace(found, mode=mode, fields=_merge(found.fields, ours.fields, f"{at}{found.name}."))


def _addable(column: Column) -> Column:
    """Return a column as one that may be missing in existing rows."""
    mode = "NULLABLE" if column.mode == "REQUIRED" else column.mode
    return replace(column, mode=mode, fields=tuple(_addable(field) for field in column.fields))
