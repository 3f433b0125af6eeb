"""When customers joined."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest

from customer_risk.model.evaluation import cohorts as joining


def test_joining_is_the_first_transaction_in_the_customers_order():
    """Each customer has the time of the first event, or None without events, in the customers' order."""
    customers = pl.DataFrame({"customer_id": ["b", "a", "c"]})
    events = pl.DataFrame(
        {
            "customer_id": ["a", "a", "b"],
            "created_at": [datetime(2024, 8, day, 23, 30, tzinfo=UTC) for day in (3, 1, 9)],
        }
    )
    assert joining.joined(customers, events) == (
        datetime(2024, 8, 9, 23, 30, tzinfo=UTC),
        datetime(2024, 8, 1, 23, 30, tzinfo=UTC),
        None,
    )


def test_periods_are_named():
    """Months and ISO weeks have names that sort by time, also at the turn of a year; no day gives "no transaction"."""
    assert joining.month(date(2024, 8, 9)) == "2024-08"
    assert joining.week(date(2024, 12, 30)) == "2025-W01"
    assert joining.month(None) == joining.week(None) == "no transaction"


def test_cohort_rows_count_by_period():
    """Customers and suspended customers are counted by period, with those without transactions last."""
    rows = joining.cohort_rows(
        ["no transaction", "2024-09", "2024-08", "2024-08"], np.array([True, False, True, False]), 0.95
    )
    assert [(row.period, row.customers, row.suspended) for row in rows] == [
        ("2024-08", 2, 1),
        ("2024-09", 1, 0),
        ("no transaction", 1, 1),
    ]


def test_the_weekly_flow_counts_everyone():
    """Thirty customers over three weeks, with or without a date, are ten per week; without dates it is None."""
    days = [date(2024, 8, 1), date(2024, 8, 21), *[None] * 28]
    assert joining.customers_per_week(days) == pytest.approx(10)
    assert joining.customers_per_week([None]) is None
