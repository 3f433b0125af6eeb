"""Requests are made from the columns of a table."""

from __future__ import annotations

import json

import duckdb
import pytest
from google.cloud.bigquery import SchemaField

from customer_risk.serving.bulk.forms import Kind, bigquery_kind
from customer_risk.serving.bulk.tables.errors import UnusableInput
from customer_risk.serving.bulk.tables.inputs.columns import BIGQUERY, DUCKDB, request_of
from customer_risk.serving.bulk.tables.inputs.parquet import opened

TEXT, REAL = Kind("text", "VARCHAR"), Kind("real", "DOUBLE")


@pytest.fixture
def requests(tmp_path):
    """The requests that DuckDB makes of a query's rows, for a model that wants `a` and `b`."""

    def make(query: str) -> list[dict]:
        path = tmp_path / "input.parquet"
        with duckdb.connect() as base:
            base.execute("SET TimeZone = 'UTC'")
            base.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
        with opened(path, ("a", "b"), "input.parquet") as rows:
            return [json.loads(line) for some in rows.lines(0) for line in some]

    return make


def test_nested_columns_are_a_request_s_own_fields(requests) -> None:
    """Nested columns become fields of the request; null columns are left out, other columns ignored."""
    rows = """SELECT 'c-1' AS customer_id, {'occupation': NULL::VARCHAR, 'is_pep': true} AS profile,
        [{'id': 't-1', 'amount': 1.5}] AS transactions, true AS history_complete, 3 AS age
        UNION ALL SELECT 'c-2', NULL, [], NULL, 4"""
    assert requests(rows) == [
        {
            "customer_id": "c-1",
            "profile": {"occupation": None, "is_pep": True},
            "transactions": [{"id": "t-1", "amount": 1.5}],
            "history_complete": True,
        },
        {"customer_id": "c-2", "transactions": []},
    ]


def test_columns_of_profile_fields_become_the_profile(requests) -> None:
    """Columns with names of profile fields become the profile."""
    rows = "SELECT 'c-1' AS customer_id, 'STUDENTS' AS occupation, [{'id': 't-1'}] AS transactions, 3 AS age"
    assert requests(rows) == [
        {"customer_id": "c-1", "profile": {"occupation": "STUDENTS"}, "transactions": [{"id": "t-1"}]}
    ]


def test_the_models_features_are_read(requests) -> None:
    """The model's features are read; nulls are missing, and other columns are ignored."""
    rows = "SELECT 'c-1' AS customer_id, NULL::DOUBLE AS a, 2 AS b, 0.5 AS c"
    assert requests(rows) == [{"customer_id": "c-1", "features": {"a": None, "b": 2}}]


def test_a_customer_id_may_be_a_number_or_null(requests) -> None:
    """A numeric id becomes a text; a null is left to the parser to refuse."""
    rows = "SELECT 7 AS customer_id, 1 AS a, 2 AS b UNION ALL SELECT NULL, 1, 2"
    assert [each["customer_id"] for each in requests(rows)] == ["7", None]


@pytest.mark.parametrize(
    ("time", "written"),
    [
        ("TIMESTAMPTZ '2024-08-26 12:33:50.629801+02'", "2024-08-26T10:33:50.629801Z"),
        ("TIMESTAMP '2024-08-26 10:33:50'", "2024-08-26T10:33:50Z"),
        ("'2024-08-26T10:33:50.5+02:00'", "2024-08-26T10:33:50.5+02:00"),
        ("TIMESTAMP_NS '1969-12-31 23:59:59.999999999'", "1969-12-31T23:59:59.999999999Z"),
        ("TIMESTAMP 'infinity'", "infinityZ"),
        ("'2024-08-26 10:33:50'", "2024-08-26 10:33:50"),
        ("'at 2024-08-26 10:33:50'", "at 2024-08-26 10:33:50"),
        ("NULL::TIMESTAMP", None),
    ],
)
def test_times_have_a_zone(requests, time, written) -> None:
    """Timestamps without a zone are UTC; texts are left unchanged."""
    (request,) = requests(f"SELECT 'c-1' AS customer_id, [{{'created_at': {time}}}] AS transactions")
    assert request["transactions"] == [{"created_at": written}]


def test_ids_that_look_like_times_stay_as_they_are(requests) -> None:
    """Only timestamps are changed: not a customer's id, nor a field of a transaction beside a timestamp."""
    (request,) = requests(
        "SELECT '2024-08-26 10:33:50' AS customer_id, [{'id': '2024-08-26 10:33:50', 'a\"b': 1, 'n': {'m': 2},"
        " 'created_at': TIMESTAMP '2024-08-26 10:33:50'}, NULL] AS transactions"
    )
    assert request["customer_id"] == "2024-08-26 10:33:50"
    assert request["transactions"] == [
        {"id": "2024-08-26 10:33:50", 'a"b': 1, "n": {"m": 2}, "created_at": "2024-08-26T10:33:50Z"},
        None,
    ]


def test_timestamps_of_transactions_as_columns_have_a_zone(requests) -> None:
    """Timestamps in lists become times in UTC."""
    (request,) = requests(
        "SELECT 'c' AS customer_id, {'created_at': [TIMESTAMP '2024-08-26 10:33:50', NULL]} AS transactions"
    )
    assert request["transactions"] == {"created_at": ["2024-08-26T10:33:50Z", None]}


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"customer": TEXT}, "has no column customer_id; it has 'customer'"),
        ({"x" * 300_000: TEXT}, r"has no column customer_id; it has 'x{60}\.\.\.'\."),
        ({"customerId": TEXT}, "has no column customer_id, but 'customerId'. Rename it to customer_id"),
        ({"customer_id": TEXT, "a": REAL}, "nor the features 'b'; its other columns are none"),
        ({"customer_id": TEXT, "a": REAL, "B": REAL}, r"its other columns are B \(is b meant\?\)"),
        (
            {"customer_id": TEXT, "transactions": REAL},
            "none of the three forms; its columns are customer_id, transactions",
        ),
    ],
)
def test_a_table_of_no_form_is_refused(columns, why) -> None:
    """The error for a table of no form says what it lacks."""
    with pytest.raises(UnusableInput, match=f"the table.*{why}"):
        request_of(columns, ("a", "b"), DUCKDB, "the table")


def test_a_column_name_is_never_read_as_sql() -> None:
    """A column's name is never read as SQL."""
    columns = {"customer_id": TEXT, "transactions": Kind("nested")}
    assert '"a" b"' not in request_of(columns | {'a" b': REAL}, ('a" b',), DUCKDB, "t")
    assert '"a"" b"' in request_of({"customer_id": TEXT, 'a" b': REAL}, ('a" b',), DUCKDB, "t")
    assert r"`a\` b\\`" in request_of({"customer_id": TEXT, "a` b\\": TEXT}, ("a` b\\",), BIGQUERY, "t")


def test_ignored_columns_are_logged(caplog) -> None:
    """The log names the ignored columns."""
    caplog.set_level("INFO", "serving.batch")
    request_of({"customer_id": TEXT, "a": REAL, "B": REAL, "C": Kind("nested")}, ("a",), DUCKDB, "t")
    assert caplog.messages == ["t: no request has the columns B, C, which are ignored"]


def test_nan_among_bigquery_s_nested_features_is_missing() -> None:
    """A NaN in nested features of BigQuery, which is a text in its JSON, is missing."""
    nested = {"customer_id": TEXT, "features": bigquery_kind(SchemaField("features", "RECORD"))}
    made = request_of(nested, (), BIGQUERY, "t")
    assert """REGEXP_REPLACE(TO_JSON_STRING(`features`), r':"NaN"', r':null')""" in made


def test_bigquery_reads_numerics_as_numbers() -> None:
    """BigQuery writes a NUMERIC with a fraction as a text; amounts and features of that type become numbers."""
    row = SchemaField("t", "RECORD", "REPEATED", fields=(SchemaField("amount", "NUMERIC"),))
    nested = {"customer_id": TEXT, "transactions": bigquery_kind(row)}
    assert """REGEXP_REPLACE(TO_JSON_STRING(`transactions`), r'"amount":""" in request_of(nested, (), BIGQUERY, "t")
    features = {"customer_id": TEXT, "a": bigquery_kind(SchemaField("a", "BIGNUMERIC")), "b": REAL}
    made = request_of(features, ("a", "b"), BIGQUERY, "t")
    assert "STRUCT(CAST(`a` AS FLOAT64) AS `a`, IF(IS_NAN(`b`), NULL, `b`) AS `b`)" in made


@pytest.mark.parametrize("born", ["TIMESTAMP", "DATETIME", "DATE", "STRING"])
def test_bigquery_takes_a_birth_at_midnight_as_its_date(born) -> None:
    """A time at midnight becomes its date in a nested and in a flat profile; dates and texts are unchanged."""
    kind = bigquery_kind(SchemaField("date_of_birth", born))
    rows = {"customer_id": TEXT, "transactions": Kind("nested")}
    nested = rows | {"profile": Kind("nested", "RECORD", {"date_of_birth": kind})}
    for columns in (nested, rows | {"date_of_birth": kind}):
        made = request_of(columns, (), BIGQUERY, "t")
        assert ('"date_of_birth":"' in made) == (born in {"TIMESTAMP", "DATETIME"})


@pytest.mark.parametrize(
    ("column", "accepted"),
    [
        (SchemaField("customer_id", "STRING"), True),
        (SchemaField("customer_id", "INTEGER"), True),
        (SchemaField("customer_id", "NUMERIC", precision=10), True),
        (SchemaField("customer_id", "NUMERIC"), False),
        (SchemaField("customer_id", "NUMERIC", precision=10, scale=2), False),
        (SchemaField("customer_id", "FLOAT"), False),
        (SchemaField("customer_id", "BOOLEAN"), False),
        (SchemaField("customer_id", "BYTES"), False),
        (SchemaField("customer_id", "DATE"), False),
        (SchemaField("customer_id", "STRING", "REPEATED"), False),
    ],
)
def test_bigquery_has_ids_of_texts_and_integers(column, accepted) -> None:
    """An id of another type ends the run, and the message names the type."""
    columns = {"customer_id": bigquery_kind(column), "a": REAL}
    if accepted:
        assert "CAST(customer_id AS STRING)" in request_of(columns, ("a",), BIGQUERY, "t")
    else:
        with pytest.raises(UnusableInput, match=f"customer_id of the type {column.field_type}; expected"):
            request_of(columns, ("a",), BIGQUERY, "t")
