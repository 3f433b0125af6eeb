"""Columns of text read as their types."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest

from customer_risk.model.tables import parsing
from customer_risk.model.tables.parsing import read_dates, read_flags, read_numbers, read_times

MOMENT = datetime(2024, 8, 26, 10, 33, 50, tzinfo=UTC)


@pytest.mark.parametrize(
    ("read", "dtype"),
    [
        (read_times, pl.Datetime("us", "UTC")),
        (read_numbers, pl.Float64()),
        (read_flags, pl.Boolean()),
        (read_dates, pl.Date()),
    ],
)
def test_a_column_keeps_its_name_and_its_nulls(read, dtype) -> None:
    """Nulls, empty texts and an empty column have no value, of the column's type."""
    for texts in ([], [None], ["", None, "x"]):
        column = read(pl.Series("a", texts, dtype=pl.String))
        assert (column.name, column.dtype, column.to_list()) == ("a", dtype, [None] * len(texts))


def test_a_line_feed_in_a_text_makes_that_text_unreadable(monkeypatch) -> None:
    """A text with a line feed is unreadable, and doesn't change its neighbours."""
    monkeypatch.setattr(parsing, "_AT_ONCE", 2)
    texts = ["2024-08-26 10:33:50", "2024-08-26 10:33:50\n2024-08-26 10:33:50", "\n", None, "2024-08-26T10:33:50Z"]
    assert read_times(pl.Series(texts)).to_list() == [MOMENT, None, None, None, MOMENT]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("1989-12-31", date(1989, 12, 31)),
        ("1989-12-31 00:00:00", date(1989, 12, 31)),
        ("1989-12-31T00:00:00.000Z", date(1989, 12, 31)),
        ("1989-12-31 00:00:00 UTC", date(1989, 12, 31)),
        ("1989-12-31 00:00:01", None),
        ("1989-12-31 12:00:00", None),
        ("1989-12-31 00:00:00.001", None),
        ("1989-12-31 00:00:00+02:00", None),
        ("1989-12-31 00:00:00 00:00:00", None),
        ("31.12.1989", None),
        ("1989-02-31", None),
        ("1989-12-31 ", None),
        ("0000-01-01", None),
        ("-001-01-01", None),
        ("10000-01-01", None),
        ("\u0661989-12-31", None),
    ],
)
def test_dates_of_the_years_1_to_9999_are_read(text, day) -> None:
    """A date is read as YYYY-MM-DD, with or without a midnight after it."""
    assert read_dates(pl.Series([text])).to_list() == [day]
