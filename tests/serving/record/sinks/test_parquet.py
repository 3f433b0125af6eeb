"""Segments as Parquet."""

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


def test_documents_are_read_back_to_the_bit(documents) -> None:
    """Documents are read back in order, each number to the bit."""
    parquet = Parquet()
    assert parquet.decode(parquet.encode(documents)) == documents


def test_the_same_documents_have_the_same_bytes(documents) -> None:
    """A segment's bytes depend only on its documents."""
    first = Parquet().encode(documents)
    other = Parquet()
    other.encode(documents[:3])
    assert other.encode([dict(reversed(each.items())) for each in documents]) == first


def test_every_field_of_a_record_has_its_column(documents) -> None:
    """Every field of a document has a column."""
    names = [column.name for column in COLUMNS]
    assert all(list(each) == names for each in documents)


def test_a_record_with_an_unknown_field_is_refused(documents) -> None:
    """A field without a column is refused."""
    with pytest.raises(ValueError, match="undeclared"):
        Parquet().encode([{**documents[0], "undeclared": 1}])


@pytest.mark.parametrize(
    "changes", [{"probability": "high"}, {"recorded_at": "yesterday"}, {"encoded": "~"}, {"features": [1]}]
)
def test_a_value_of_another_type_is_refused(documents, changes) -> None:
    """A value of another type is refused."""
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
    """Columns that an earlier release didn't write get the values that it implied, and the file is exact."""
    data, stored = earlier
    assert Parquet().decode(data) == stored
    Parquet().check_exact(data, stored)


@pytest.mark.parametrize("change", ["* EXCLUDE (segment)", "*, 1 AS more", "* REPLACE ('2' AS action_rule)"])
def test_a_file_with_other_columns_is_not_exact(tmp_path: Path, documents, change) -> None:
    """A missing column of the first release, an unknown column and a column of another type are found."""
    whole, path = tmp_path / "whole", tmp_path / "changed"
    whole.write_bytes(Parquet().encode(documents))
    duckdb.read_parquet(str(whole)).project(change).write_parquet(str(path))
    with pytest.raises(ValueError, match="columns differ"):
        Parquet().check_exact(path.read_bytes(), documents)


def test_invalid_bytes_are_refused() -> None:
    """Bytes that aren't a segment raise ValueError."""
    with pytest.raises(ValueError, match="not a segment"):
        Parquet().decode(b"PAR1, not")


def test_columns_of_missing_values_keep_their_types(tmp_path: Path, samples: ModuleType) -> None:
    """A segment of refusals has the same column types as any other."""
    types = []
    for made in (samples.refusal(5), samples.record(1)):
        path = tmp_path / made.kind
        path.write_bytes(Parquet().encode([samples.document_of(made)]))
        types.append(duckdb.read_parquet(str(path)).dtypes)
    assert types[0] == types[1]


def test_duckdb_queries_a_folder_of_segments(tmp_path: Path, documents) -> None:
    """DuckDB counts decisions by day and segment, with `dt` as a column."""
    folder = tmp_path / "dt=2026-03-04" / "hour=05"
    folder.mkdir(parents=True)
    (folder / "a.parquet").write_bytes(Parquet().encode(documents))
    found = duckdb.execute(
        "SELECT CAST(dt AS VARCHAR), segment, count(*) FROM read_parquet($1) WHERE kind = 'decision' GROUP BY ALL",
        [f"{tmp_path}/*/*/*.parquet"],
    ).fetchall()
    assert found == [("2026-03-04", "high", 16)]
