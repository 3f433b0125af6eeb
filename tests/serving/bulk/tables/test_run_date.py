"""Which day a run is of."""

from __future__ import annotations

import datetime as dt

from customer_risk.serving.bulk.tables.run_date import day_of

NOW = dt.datetime(2026, 11, 22, 0, 5, tzinfo=dt.UTC)
MINUTE = int(dt.datetime(2026, 11, 21, 23, 50, tzinfo=dt.UTC).timestamp()) // 60


def test_a_job_that_is_tried_again_after_midnight_keeps_its_day() -> None:
    """Its name ends in the minute that it was due."""
    assert day_of(None, f"risk-batch-{MINUTE}", NOW) == dt.date(2026, 11, 21)


def test_a_job_by_hand_is_of_today() -> None:
    """As is a run without a job."""
    assert {day_of(None, name, NOW) for name in ("", "by-hand", "risk-batch-7")} == {NOW.date()}


def test_a_day_that_is_given_goes_first() -> None:
    """Whatever the job is called."""
    assert day_of(dt.date(2026, 1, 2), f"risk-batch-{MINUTE}", NOW) == dt.date(2026, 1, 2)
