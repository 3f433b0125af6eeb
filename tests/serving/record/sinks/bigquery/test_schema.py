"""The record's table, and the migration of an older one."""

from __future__ import annotations

import dataclasses

import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.serving.record.outbox.record import ADDED
from customer_risk.serving.record.sinks.bigquery.schema import (
    CLUSTERED_BY,
    COLUMNS,
    PARTITIONED_BY,
    Column,
    merge,
    version_of,
)
from customer_risk.serving.record.sinks.bigquery.views import views
from customer_risk.serving.record.sinks.factory import open_sink
from customer_risk.serving.record.sinks.settings import BigQuerySettings

BY_NAME = {column.name: column for column in COLUMNS}


def _changed(name: str, **changes) -> tuple[Column, ...]:
    return tuple(dataclasses.replace(each, **changes) if each.name == name else each for each in COLUMNS)


def test_every_field_of_a_document_has_its_column(samples) -> None:
    """Every field, also a nested one, has a column; the model's two fields are top-level columns, for clustering."""
    document = samples.document_of(samples.record(1))
    flat = {name for name in document if name != "model"} | {f"model_{name}" for name in document["model"]}
    assert set(BY_NAME) == flat
    for name in ("reasons", "warnings", "features", "patterns"):
        assert {field.name for field in BY_NAME[name].fields} == document[name][0].keys()


def test_partitions_and_clusters_have_valid_types() -> None:
    """The table is partitioned by a required timestamp and clustered by top-level text columns."""
    assert (BY_NAME[PARTITIONED_BY].type, BY_NAME[PARTITIONED_BY].mode) == ("TIMESTAMP", "REQUIRED")
    assert all((BY_NAME[name].type, BY_NAME[name].mode) == ("STRING", "REQUIRED") for name in CLUSTERED_BY)


def test_a_table_of_this_version_needs_nothing() -> None:
    """A table of this version isn't changed, with the type names of either interface."""
    assert merge(COLUMNS, "t") == COLUMNS
    standard = _changed("took_us", type="INT64")
    assert merge(standard, "t") == standard


def test_missing_columns_are_added_as_nullable() -> None:
    """Missing columns, nested ones too, are added at the end and may be null; the others keep their order."""
    code = BY_NAME["reasons"].fields[:1]
    older = tuple(each for each in _changed("reasons", fields=code) if each.name not in {"cpu", "warnings"})
    merged = merge(older, "t")
    assert [each.name for each in merged] == [*(each.name for each in older), "cpu", "warnings"]
    by_name = {each.name: each for each in merged}
    assert by_name["cpu"].mode == "NULLABLE"
    assert by_name["warnings"].mode == "REPEATED"
    assert {field.mode for field in by_name["warnings"].fields} == {"NULLABLE"}
    assert [(each.name, each.mode) for each in by_name["reasons"].fields[:2]] == [
        ("code", "REQUIRED"),
        ("text", "NULLABLE"),
    ]
    assert merge(merged, "t") == merged


def test_a_table_of_the_first_version_gets_the_columns_of_patterns_and_versions() -> None:
    """Columns that the first version lacked are added at the end, and rows without them are valid."""
    first = COLUMNS[: -len(ADDED)]
    merged = merge(first, "t")
    assert merged[: len(first)] == first
    assert [(each.name, each.mode) for each in merged[len(first) :]] == [
        ("patterns", "REPEATED"),
        ("action_rule", "NULLABLE"),
        ("wordings", "NULLABLE"),
    ]
    assert {field.mode for field in merged[len(first)].fields} == {"NULLABLE"}


def test_an_earlier_release_can_write_to_a_table_of_this_version() -> None:
    """Added columns may be missing, so that rows of servers that aren't upgraded yet are accepted."""
    assert {BY_NAME[name].mode for name in ADDED} == {"REPEATED", "NULLABLE"}


def test_a_column_that_may_be_missing_becomes_nullable() -> None:
    """A column that newer records may lack becomes nullable."""
    assert {each.name: each.mode for each in merge(_changed("probability", mode="REQUIRED"), "t")}["probability"] == (
        "NULLABLE"
    )


def test_unknown_columns_stay() -> None:
    """Unknown columns stay, if rows without them are allowed."""
    found = (*COLUMNS, Column("theirs", "JSON", "NULLABLE"))
    assert merge(found, "t") == found


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (_changed("took_us", type="FLOAT"), "took_us is FLOAT and not INTEGER"),
        (_changed("pointers", mode="NULLABLE"), "pointers is NULLABLE and not REPEATED"),
        (_changed("cpu", mode="REPEATED"), "cpu is REPEATED and not REQUIRED"),
        (_changed("features", fields=(Column("Name", "BYTES"),)), r"features.Name is BYTES and not STRING"),
        ((*COLUMNS, Column("theirs", "STRING")), "column theirs that is required"),
    ],
)
def test_a_table_that_cant_be_migrated_is_refused(found, why) -> None:
    """A table that can't be migrated is refused, with the column and the reason."""
    with pytest.raises(ConfigError, match=why):
        merge(found, "t")


@pytest.mark.parametrize("labels", [{}, {"schema_version": "x"}])
def test_a_table_without_a_version_is_refused(labels) -> None:
    """A table without a version is refused."""
    with pytest.raises(ConfigError, match="wasn't made for the record"):
        version_of(labels, "t")


@pytest.mark.parametrize(
    "wrong", [{"project": "a`b"}, {"dataset": "a.b"}, {"table": ""}, {"table": "x; DROP"}, {"dataset": "d-e"}]
)
def test_invalid_names_are_refused(wrong) -> None:
    """Names that aren't valid in BigQuery are refused, since queries contain them."""
    named = {"project": "p-1", "dataset": "d", "table": "t"}
    with pytest.raises(ConfigError, match=f"bigquery: {next(iter(wrong))}"):
        open_sink(BigQuerySettings(**(named | wrong)), "a" * 32)


def test_every_view_reads_only_the_table() -> None:
    """Each view reads only the table."""
    made = views("p.d.t")
    assert set(made) == {f"p.d.t_{name}" for name in ("latest", "by_day", "mix", "latency", "warnings")}
    assert all("`p.d.t`" in query for query in made.values())
