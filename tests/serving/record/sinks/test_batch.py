"""Each sink writes the same from a batch of records as from their documents."""

from __future__ import annotations

import gzip

import duckdb
import msgspec
import numpy as np
import pytest

from customer_risk.serving.record.outbox.record import document, hash_names
from customer_risk.serving.record.sinks import parquet
from customer_risk.serving.record.sinks.batch import RecordBatch
from customer_risk.serving.record.sinks.bigquery.rows import Rows
from customer_risk.serving.record.sinks.ndjson import Lines
from customer_risk.serving.record.sinks.parquet import Parquet


def test_a_batch_has_the_documents_of_its_records(batch) -> None:
    """A batch is a sequence of its records' documents, and can be sliced."""
    documents = [document(each, batch.names[each.names]) for each in batch.records]
    assert list(batch) == documents
    assert list(batch[3:9]) == documents[3:9]
    assert batch.times == [each["recorded_at"] for each in documents]


def test_features_and_names_of_different_numbers_are_refused(batch) -> None:
    """A record with another number of features than names is refused."""
    with pytest.raises(ValueError, match="features"):
        RecordBatch([msgspec.structs.replace(batch.records[0], features=bytes(8))], batch.names)


def test_lines_are_the_same_as_documents(batch) -> None:
    """A batch and its documents have the same lines, to the byte."""
    assert gzip.decompress(Lines().encode(batch)) == gzip.decompress(Lines().encode(list(batch)))


@pytest.mark.parametrize("least", [0, parquet._LEAST_COLUMNS])
@pytest.mark.parametrize("records", [slice(0, 300), slice(0, 1), slice(4, 5), slice(0, 40)], ids=str)
def test_parquet_is_the_same_as_documents(batch, monkeypatch, tmp_path, least, records) -> None:
    """A batch and its documents have the same Parquet values and types, and a batch the same bytes each time."""
    monkeypatch.setattr(parquet, "_LEAST_COLUMNS", least)
    made = batch[records]
    written = [Parquet().encode(each) for each in (made, list(made))]
    assert Parquet().decode(written[0]) == Parquet().decode(written[1])
    types = []
    for place, data in enumerate(written):
        (tmp_path / f"{place}").write_bytes(data)
        types.append(duckdb.read_parquet(str(tmp_path / f"{place}")).dtypes)
    assert types[0] == types[1]
    assert Parquet().encode(made) == written[0]


def test_rows_are_the_same_as_documents(batch) -> None:
    """A batch has the same rows as the protobuf library makes of its documents, to the byte."""
    rows = Rows()
    assert rows.rows(batch) == rows.rows(list(batch))


def test_rows_with_long_names_are_the_same_as_documents(samples) -> None:
    """Rows equal the library's if a length needs two bytes, and whatever values are missing."""
    names = ("short", "x" * 117, "y" * 118, "z" * 300)
    patterns = [[np.nan if bits >> place & 1 else place + 0.5 for place in range(len(names))] for bits in range(16)]
    batch = RecordBatch(
        [
            samples.record(n, names=hash_names(names), features=np.array(each, "<f8").tobytes())
            for n, each in enumerate(patterns)
        ],
        {hash_names(names): names},
    )
    rows = Rows()
    assert rows.rows(batch) == rows.rows(list(batch))


@pytest.mark.parametrize("writer", ["parquet", "rows"])
def test_a_record_with_a_value_that_no_column_takes_is_refused(samples, writer) -> None:
    """A batch with a value that its column can't hold is refused; the error of rows names the record."""
    records = [samples.record(n) for n in range(200)]
    records[150] = msgspec.structs.replace(records[150], took=2**63)
    batch = RecordBatch(records, {records[0].names: samples._NAMES})
    if writer == "parquet":
        with pytest.raises(ValueError, match="value"):
            Parquet().encode(batch)
        assert len(Parquet().decode(Parquet().encode(batch[:150]))) == 150
    else:
        made, wrong = Rows().rows(batch)
        assert (len(made), list(wrong)) == (199, [150])
