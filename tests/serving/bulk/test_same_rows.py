"""Parquet as a job and as a table: the same requests, or the same refusal."""

from __future__ import annotations

import json

import duckdb
import pytest

from customer_risk.model.errors import CustomerRiskError, InputError
from customer_risk.serving.bulk.jobs.parquet import ParquetReader
from customer_risk.serving.bulk.jobs.types import JobSettings
from customer_risk.serving.bulk.tables.errors import UnusableInput
from customer_risk.serving.bulk.tables.inputs.parquet import opened

FEATURES = ("a", "b")
ID = "'c-1' AS customer_id"
ROW = f"{ID}, [{{'id': 't-1', 'amount': 1.5}}] AS transactions"


@pytest.fixture
def both(tmp_path):
    """Return a query's rows as requests, made by a job and by a table batch, with what each ignored."""

    def read(query: str, caplog) -> tuple[tuple[list[dict], str], tuple[list[dict], str]]:
        path = tmp_path / "rows.parquet"
        with duckdb.connect() as base:
            base.execute("SET TimeZone = 'UTC'")
            base.execute(f"COPY (SELECT {query}) TO '{path}' (FORMAT parquet)")
        reader = ParquetReader([path.read_bytes()], JobSettings(), known=FEATURES)
        by_job = [json.loads(line) for found in iter(reader.read, None) for line in found.lines]
        caplog.set_level("INFO", "serving.batch")
        caplog.clear()
        with opened(path, FEATURES, "t") as rows:
            by_table = [json.loads(line) for some in rows.lines(0) for line in some]
        said = "".join(caplog.messages).removeprefix("t: no request has the columns ")
        return (by_job, ", ".join(reader.ignored)), (by_table, said.removesuffix(", which are ignored"))

    return read


@pytest.mark.parametrize(
    ("row", "request_"),
    [
        (f"{ROW}, {{'locale': 'de'}} AS profile", {"profile": {"locale": "de"}}),
        (f"{ROW}, {{'locale': 'de'}} AS profile, false AS history_complete", {"history_complete": False}),
        (f"{ROW}, 'de' AS locale, true AS is_pep", {"profile": {"locale": "de", "is_pep": True}}),
        (f"{ID}, 1 AS a, 2.5::DOUBLE AS b", {"features": {"a": 1, "b": 2.5}}),
        (f"{ID}, 1 AS a, 2 AS b, false AS history_complete", {"features": {"a": 1, "b": 2}, "history_complete": False}),
        (f"{ID}, 'nan'::DOUBLE AS a, 'nan'::FLOAT AS b", {"features": {"a": None, "b": None}}),
        (f"{ID}, {{'a': 'nan'::DOUBLE, 'b': 1.5}} AS features", {"features": {"a": None, "b": 1.5}}),
        (f"{ID}, MAP {{'a': 1.5, 'b': 'nan'::DOUBLE}} AS features", {"features": {"a": 1.5, "b": None}}),
        (f"{ID}, 1.25::DECIMAL(10, 2) AS a, 7::UTINYINT AS b", {"features": {"a": 1.25, "b": 7}}),
        ("7::BIGINT AS customer_id, 1 AS a, 2 AS b", {"customer_id": "7"}),
        ("18446744073709551615::UBIGINT AS customer_id, 1 AS a, 2 AS b", {"customer_id": "18446744073709551615"}),
        ("12::DECIMAL(10, 0) AS customer_id, 1 AS a, 2 AS b", {"customer_id": "12"}),
        ("'007' AS customer_id, 1 AS a, 2 AS b", {"customer_id": "007"}),
        ("NULL::BIGINT AS customer_id, 1 AS a, 2 AS b", {"customer_id": None}),
        ("NULL::VARCHAR AS customer_id, [{'id': 't'}] AS transactions", {"customer_id": None, "profile": {}}),
        (f"{ROW}, DATE '1990-01-31' AS date_of_birth", {"profile": {"date_of_birth": "1990-01-31"}}),
        (f"{ROW}, TIMESTAMP '1990-01-31' AS date_of_birth", {"profile": {"date_of_birth": "1990-01-31"}}),
        (f"{ROW}, TIMESTAMPTZ '1990-01-31' AS date_of_birth", {"profile": {"date_of_birth": "1990-01-31"}}),
        (f"{ROW}, NULL::TIMESTAMP AS date_of_birth", {"profile": {"date_of_birth": None}}),
        (
            f"{ROW}, {{'date_of_birth': TIMESTAMP '1990-01-31'}} AS profile",
            {"profile": {"date_of_birth": "1990-01-31"}},
        ),
        (f"{ID}, [{{'amount': 1.25::DECIMAL(18, 2)}}] AS transactions", {"transactions": [{"amount": 1.25}]}),
        (f"{ID}, [{{'amount': 3::BIGINT}}] AS transactions", {"transactions": [{"amount": 3}]}),
        (f"{ID}, {{'amount': [1.5, 2]}} AS transactions", {"transactions": {"amount": [1.5, 2]}}),
        (f"{ID}, [] AS transactions, NULL::BOOLEAN AS history_complete", {"transactions": [], "profile": {}}),
    ],
)
def test_jobs_and_batches_read_a_row_alike(both, caplog, row, request_) -> None:
    """A row gives the same request, in each form and with each type of ids, dates, decimals and missing values."""
    (by_job, ignored), (by_table, said) = both(row, caplog)
    assert by_job == by_table
    assert len(by_job) == 1
    assert {name: by_job[0][name] for name in request_} == request_
    assert (ignored, said) == ("", "")


@pytest.mark.parametrize("born", ["TIMESTAMP '1990-01-31 12:00:00'", "TIMESTAMPTZ '1990-01-31 00:00:00+02'"])
@pytest.mark.parametrize("row", ["{} AS date_of_birth", "{{'date_of_birth': {}}} AS profile"])
def test_a_birth_that_isnt_at_midnight_stays_a_time(both, caplog, row, born) -> None:
    """Such a time is left unchanged, and the request's parser refuses it."""
    found = both(f"{ROW}, {row.format(born)}", caplog)
    assert all(len(rows[0]["profile"]["date_of_birth"]) > 10 for rows, _ in found)


@pytest.mark.parametrize(
    ("row", "ignored"),
    [
        (f"{ID}, 1 AS a, 2 AS b, 'x' AS snapshot, 3 AS c", "snapshot, c"),
        (f'{ID}, 1 AS a, 2 AS b, 4 AS "A "', "A"),
        (f"{ROW}, 'de' AS locale, 'x' AS Occupation_", "Occupation_ (is occupation meant?)"),
        (
            f"{ROW}, {{'locale': 'de'}} AS profile, true AS HistoryComplete",
            "HistoryComplete (is history_complete meant?)",
        ),
        (f"{ID}, 1 AS a, 2 AS b, 1 AS {'x' * 200}", "x" * 60 + "..."),
    ],
)
def test_other_columns_are_ignored_and_listed(both, caplog, row, ignored) -> None:
    """A job lists them in its view and a batch in its log, with the name that may be meant."""
    (_, by_job), (_, by_table) = both(row, caplog)
    assert (by_job, by_table) == (ignored, ignored)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("12.0::DOUBLE AS customer_id, 1 AS a, 2 AS b", "customer_id of the type DOUBLE; expected texts or integers"),
        ("12.5::DECIMAL(4, 1) AS customer_id, 1 AS a, 2 AS b", "customer_id of the type DECIMAL"),
        ("true AS customer_id, 1 AS a, 2 AS b", "customer_id of the type BOOLEAN"),
        ("'c'::BLOB AS customer_id, 1 AS a, 2 AS b", "customer_id of the type BLOB"),
        ("DATE '2024-01-01' AS customer_id, 1 AS a, 2 AS b", "customer_id of the type DATE"),
        ("[1] AS customer_id, 1 AS a, 2 AS b", "customer_id of the type INTEGER"),
        ("'c' AS customerId, 1 AS a, 2 AS b", "no column customer_id, but 'customerId'. Rename it to customer_id"),
        (f"1 AS a, 2 AS {'y' * 300}", "it has 'a', 'yyyyy"),
        (f"{ID}, 1 AS c", "none of the three forms; its columns are customer_id, c. Give customer_id with the nested"),
        (f"{ID}, {{'locale': 'de'}} AS Profile", "Profile (is profile meant?)"),
    ],
)
def test_jobs_and_batches_refuse_a_file_alike(both, caplog, row, why) -> None:
    """The message has the column and its type, or the possible forms."""
    with pytest.raises(InputError) as by_job:
        both(row, caplog)
    assert why in by_job.value.fields[0].detail
    assert "y" * 100 not in by_job.value.fields[0].detail


@pytest.mark.parametrize("row", ["12.0::DOUBLE AS customer_id, 1 AS a, 2 AS b", f"{ID}, 1 AS c", "'c' AS customerId"])
def test_a_table_is_refused_in_the_same_words(tmp_path, row) -> None:
    """The message of a batch is that of a job, after the file's name."""
    path = tmp_path / "rows.parquet"
    with duckdb.connect() as base:
        base.execute(f"COPY (SELECT {row}) TO '{path}' (FORMAT parquet)")
    with pytest.raises(UnusableInput) as by_table, opened(path, FEATURES, "t"):
        pass
    with pytest.raises(InputError) as by_job:
        ParquetReader([path.read_bytes()], JobSettings(), known=FEATURES).read()
    assert str(by_table.value) == f"t {by_job.value.fields[0].detail}"
    assert isinstance(by_table.value, CustomerRiskError)
