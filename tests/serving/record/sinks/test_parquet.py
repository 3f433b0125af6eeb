"""Segments as Parquet: whole, the same bytes for the same documents, and readable by anybody."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from customer_risk.serving.record.outbox.record import ADDED
from customer_risk.serving.record.sinks.parquet import COLUMNS, Parquet

if TYPE_CHECKING:
    from types import ModuleType


@pytest.fixture
def documents(samples: ModuleType) -> list[dict[str, object]]:
    """Documents of decisions and refusals."""
    return list(samples.segment(1, 20).documents)


def test_documents_come_back_as_they_were(documents) -> None:
    """What was written is read back whole, to the last bit of each number, and in order."""
    parquet = Parquet()
    assert parquet.decode(parquet.encode(documents)) == documents


def test_the_same_documents_have_the_same_bytes(documents) -> None:
    """A segment's bytes depend on its documents alone: not on when, by whom or after what they were written."""
    first = Parquet().encode(documents)
    other = Parquet()
    other.encode(documents[:3])
    assert other.encode([dict(reversed(each.items())) for each in documents]) == first


def test_every_field_of_a_record_has_its_column(documents) -> None:
    """Columns and documents have the same fields: a new field can't be forgotten."""
    names = [column.name for column in COLUMNS]
    assert all(list(each) == names for each in documents)


def test_a_record_with_another_field_is_no_segment(documents) -> None:
    """A field that no column is for stops the writing, rather than being lost."""
    with pytest.raises(ValueError, match="undeclared"):
        Parquet().encode([{**documents[0], "undeclared": 1}])


@pytest.mark.parametrize(
    "changes", [{"probability": "high"}, {"recorded_at": "yesterday"}, {"encoded": "~"}, {"features": [1]}]
)
def test_a_record_with_a_value_of_another_type_is_no_segment(documents, changes) -> None:
    """It isn't stored as if nothing were there."""
    with pytest.raises(ValueError, match="value"):
        Parquet().encode([{**documents[0], **changes}])


@pytest.fixture
def earlier(tmp_path: Path, documents) -> tuple[bytes, list[dict[str, object]]]:
    """A segment of an earlier release, which lacks the added columns, and its documents."""
    whole, path = tmp_path / "whole", tmp_path / "earlier"
    stored = [each | ADDED for each in documents]
    whole.write_bytes(Parquet().encode(stored))
    duckdb.read_parquet(str(whole)).project(f"* EXCLUDE ({', '.join(ADDED)})").write_parquet(str(path))
    return path.read_bytes(), stored


def test_segments_of_earlier_releases_are_read(earlier) -> None:
    """Columns that an earlier release didn't write have the values that it meant, and the file is exact."""
    data, stored = earlier
    assert Parquet().decode(data) == stored
    Parquet().check_exact(data, stored)


@pytest.mark.parametrize("change", ["* EXCLUDE (segment)", "*, 1 AS more", "* REPLACE ('2' AS action_rule)"])
def test_a_file_with_other_columns_is_not_exact(tmp_path: Path, documents, change) -> None:
    """A column of the first release that is missing, an unknown one, and one of another type are found."""
    whole, path = tmp_path / "whole", tmp_path / "changed"
    whole.write_bytes(Parquet().encode(documents))
    duckdb.read_parquet(str(whole)).project(change).write_parquet(str(path))
    with pytest.raises(ValueError, match="columns differ"):
        Parquet().check_exact(path.read_bytes(), documents)


def test_other_bytes_are_no_segment() -> None:
    """Bytes of something else raise ValueError."""
    with pytest.raises(ValueError, match="not a segment"):
        Parquet().decode(b"PAR1, not")


def test_columns_keep_their_types_where_every_value_is_missing(tmp_path: Path, samples: ModuleType) -> None:
    """A segment of refusals alone has the types of any other."""
    types = []
    for made in (samples.refusal(5), samples.record(1)):
        path = tmp_path / made.kind
        path.write_bytes(Parquet().encode([samples.document_of(made)]))
        types.append(duckdb.read_parquet(str(path)).dtypes)
    assert types[0] == types[1]


def test_duckdb_queries_a_folder_of_segments(tmp_path: Path, documents) -> None:
    """DuckDB counts decisions by day and segment in partitions, with `dt` a column."""
    folder = tmp_path / "dt=2026-03-04" / "hour=05"
    folder.mkdir(parents=True)
    (folder / "a.parquet").write_bytes(Parquet().encode(documents))
    found = duckdb.execute(
        "SELECT CAST(dt AS VARCHAR), segment, count(*) FROM read_parquet($1) WHERE kind = 'decision' GROUP BY ALL",
        [f"{tmp_path}/*/*/*.parquet"],
    ).fetchall()
    assert found == [("2026-03-04", "high", 16)]
