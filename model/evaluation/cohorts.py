"""Groups customers by the period in which they joined, which is that of their first transaction."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from customer_risk.model.evaluation.intervals import wilson
from customer_risk.model.evaluation.results import CohortRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]

NEVER = "no transaction"


def joined(customers: pl.DataFrame, events: pl.DataFrame) -> tuple[datetime | None, ...]:
    """Return the time (UTC) of each customer's first transaction, or None, in the customers' order."""
    first = events.group_by("customer_id").agg(pl.col("created_at").min().alias("joined"))
    found = customers.select("customer_id").join(first, on="customer_id", how="left", maintain_order="left")
    return tuple(found["joined"].to_list())


def month(day: date | None) -> str:
    """Return the name of the month of a day, such as 2024-08."""
    return NEVER if day is None else f"{day:%Y-%m}"


def week(day: date | None) -> str:
    """Return the name of the ISO week of a day, such as 2024-W31."""
    return NEVER if day is None else "{}-W{:02d}".format(*day.isocalendar()[:2])


def cohort_rows(periods: Sequence[str], suspended: Flags, confidence: float) -> tuple[CohortRow, ...]:
    """Count customers and suspended customers by period, in the order of periods; NEVER is the last."""
    names = np.asarray(periods, dtype=np.str_)
    rows = []
    for period in sorted(set(periods), key=lambda name: (name == NEVER, name)):
        members = names == period
        customers, found = int(members.sum()), int(suspended[members].sum())
        rows.append(
            CohortRow(period=period, customers=customers, suspended=found, rate=wilson(found, customers, confidence))
        )
    return tuple(rows)


def customers_per_week(days: Sequence[date | None]) -> float | None:
    """Return the number of customers per week between the first and the last day of joining; None without days."""
    known = [day for day in days if day is not None]
    if not known:
        return None
    weeks = max(1.0, (max(known) - min(known) + timedelta(days=1)).days / 7)
    return len(days) / weeks
