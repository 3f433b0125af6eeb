"""Columns that are made from structs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Literal

import duckdb
import msgspec
import pytest
from msgspec import UNSET, UnsetType

from customer_risk.serving.contract.columns import (
    Column,
    column,
    columns_of,
    duckdb_columns,
    duckdb_type,
    erased_values,
)


@dataclasses.dataclass
class Pointer:
    """A dataclass that is stored in a column."""

    at: Annotated[str, column("Where")]
    detail: str


class Short(msgspec.Struct):
    """A part of `Part`."""

    name: str


class Part(msgspec.Struct):
    """A struct that is stored in one column."""

    name: Annotated[str, column("Its name")]
    share: Annotated[float | UnsetType, column("From 0 to 1", duckdb="FLOAT")] = UNSET


class Stored(msgspec.Struct):
    """A struct that is stored."""

    text: Annotated[str, column("A text", erased="")]
    choice: Literal["a", "b"]
    count: Annotated[int, column(duckdb="INTEGER", erased=0)]
    size: int
    share: Annotated[float | None, column(erased=None)]
    flag: bool
    raw: bytes
    at: Annotated[str, column(stored="TIMESTAMP")]
    day: Annotated[str | None, column(stored="DATE")]
    part: Part
    parts: Sequence[Short | Part]
    pointers: Annotated[tuple[Pointer, ...], column("All", fields={"detail": "What"}, erased=[])]
    names: list[str]
    later: Annotated[int, column("Since another release", added=True)] = 1


def test_types_and_modes_follow_from_the_fields() -> None:
    """Each field is a column with its name, in the fields' order; the last struct of a union counts."""
    part = (Column("name", "STRING", "REQUIRED", "Its name"), Column("share", "FLOAT", "NULLABLE", "From 0 to 1"))
    pointer = (Column("at", "STRING"), Column("detail", "STRING", "REQUIRED", "What"))
    assert columns_of(Stored) == (
        Column("text", "STRING", "REQUIRED", "A text"),
        Column("choice", "STRING"),
        Column("count", "INTEGER"),
        Column("size", "INTEGER"),
        Column("share", "FLOAT", "NULLABLE"),
        Column("flag", "BOOLEAN"),
        Column("raw", "BYTES"),
        Column("at", "TIMESTAMP"),
        Column("day", "DATE", "NULLABLE"),
        Column("part", "RECORD", fields=part),
        Column("parts", "RECORD", "REPEATED", fields=part),
        Column("pointers", "RECORD", "REPEATED", "All", pointer),
        Column("names", "STRING", "REPEATED"),
        Column("later", "INTEGER", "NULLABLE", "Since another release"),
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("count", "INTEGER"),
        ("size", "BIGINT"),
        ("at", "TIMESTAMPTZ"),
        ("day", "DATE"),
        ("raw", "BLOB"),
        ("names", "VARCHAR[]"),
        ("part", 'STRUCT("name" VARCHAR, "share" FLOAT)'),
        ("pointers", 'STRUCT("at" VARCHAR, "detail" VARCHAR)[]'),
    ],
)
def test_an_annotation_sets_the_type_of_duckdb(name, kind) -> None:
    """An annotation sets an unusual type of DuckDB."""
    by_name = {each.name: each for each in columns_of(Stored)}
    assert duckdb_type(by_name[name]) == kind


def test_duckdb_reads_json_by_the_columns(tmp_path) -> None:
    """A field that a line lacks is null."""
    (tmp_path / "lines").write_text('{"text": "a", "part": {"name": "b"}}\n')
    read = f"FROM read_json('{tmp_path}/lines', columns = {duckdb_columns(columns_of(Stored))})"
    assert duckdb.execute(f"SELECT text, part, size {read}").fetchall() == [("a", {"name": "b", "share": None}, None)]


def test_only_annotated_fields_are_erased() -> None:
    """Erased values are those of the annotations, which may be None."""
    assert erased_values(Stored) == {"text": "", "count": 0, "share": None, "pointers": []}
