"""From a table's columns to requests."""

from __future__ import annotations

import json

import duckdb
import pytest

from customer_risk.serving.bulk.tables.errors import UnusableInput
from customer_risk.serving.bulk.tables.inputs.columns import BIGQUERY, DUCKDB, request_of
from customer_risk.serving.bulk.tables.inputs.parquet import opened


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
    """Nulls within stay, a null column is left out, other columns are ignored."""
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


def test_a_flat_profile_is_gathered(requests) -> None:
    """Of the columns that a profile has."""
    rows = "SELECT 'c-1' AS customer_id, 'STUDENTS' AS occupation, [{'id': 't-1'}] AS transactions, 3 AS age"
    assert requests(rows) == [
        {"customer_id": "c-1", "profile": {"occupation": "STUDENTS"}, "transactions": [{"id": "t-1"}]}
    ]


def test_features_are_those_that_the_model_wants(requests) -> None:
    """A null is missing; a column that no feature is called is ignored; so is one of a feature not wanted."""
    rows = "SELECT 'c-1' AS customer_id, NULL::DOUBLE AS a, 2 AS b, 0.5 AS c"
    assert requests(rows) == [{"customer_id": "c-1", "features": {"a": None, "b": 2}}]


def test_a_customer_may_be_a_number_or_have_none(requests) -> None:
    """The one becomes a text, the other is refused by the request's reader."""
    rows = "SELECT 7 AS customer_id, 1 AS a, 2 AS b UNION ALL SELECT NULL, 1, 2"
    assert [each["customer_id"] for each in requests(rows)] == ["7", None]


@pytest.mark.parametrize(
    ("time", "written"),
    [
        ("TIMESTAMPTZ '2024-08-26 12:33:50.629801+02'", "2024-08-26T10:33:50.629801Z"),
        ("TIMESTAMP '2024-08-26 10:33:50'", "2024-08-26T10:33:50Z"),
        ("'2024-08-26T10:33:50.5+02:00'", "2024-08-26T10:33:50.5+02:00"),
        ("'at 2024-08-26 10:33:50'", "at 2024-08-26 10:33:50"),
    ],
)
def test_times_have_a_zone(requests, time, written) -> None:
    """Those of a type without one are UTC; texts that are no times stay."""
    (request,) = requests(f"SELECT 'c-1' AS customer_id, [{{'created_at': {time}}}] AS transactions")
    assert request["transactions"] == [{"created_at": written}]


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"customer": False}, "has no column customer_id; it has customer"),
        ({"x" * 300_000: False}, r"has no column customer_id; it has x{60}\.\.\.\."),
        ({"customer_id": False, "a": False}, "nor the features b"),
        ({"customer_id": False, "transactions": False}, "nor the features a, b"),
    ],
)
def test_a_table_of_no_form_is_said(columns, why) -> None:
    """With what it lacks."""
    with pytest.raises(UnusableInput, match=f"the table.*{why}"):
        request_of(columns, ("a", "b"), DUCKDB, "the table")


def test_a_quote_in_a_name_stays_within_it() -> None:
    """A column's name is never read as SQL."""
    columns = {"customer_id": False, "transactions": True}
    assert '"a" b"' not in request_of(columns | {'a" b': False}, ('a" b',), DUCKDB, "t")
    assert '"a"" b"' in request_of({"customer_id": False, 'a" b': False}, ('a" b',), DUCKDB, "t")
    assert r"`a\` b\\`" in request_of({"customer_id": False, "a` b\\": False}, ("a` b\\",), BIGQUERY, "t")


def test_columns_that_are_left_out_are_named(caplog) -> None:
    """So that who forgot to call one by its name finds out."""
    caplog.set_level("INFO", "serving.batch")
    request_of({"customer_id": False, "a": False, "B": False, "C": True}, ("a",), DUCKDB, "t")
    assert caplog.messages == ["t: no request has the columns B, C, which are ignored"]
