"""The summary of the training data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from customer_risk.model.evaluation.cohorts import cohort_rows, month, week
from customer_risk.model.evaluation.results import DataSummary, Trap
from customer_risk.model.tables.traps import TRAPS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from numpy.typing import NDArray

    from customer_risk.model.tables.cleaning import Cohort

    Flags = NDArray[np.bool_]


def summarise(
    cohort: Cohort, joined: Sequence[date | None], excluded_types: Sequence[str], confidence: float
) -> DataSummary:
    """Return counts of customers, transactions (without excluded types), irregularities, and joining periods."""
    customers, events = pl.DataFrame(cohort.customers), pl.DataFrame(cohort.events)
    suspended = customers["suspended"].to_numpy()
    each = transactions(customers, events, excluded_types)
    return DataSummary(
        customers=customers.height,
        suspended=int(suspended.sum()),
        event_rows=events.height,
        transactions=int(each.sum()),
        without_transactions=int((each == 0).sum()),
        median_transactions=float(np.median(each.to_numpy())),
        greatest_transactions=int(each.to_numpy().max()),
        first_event=_day(events, "min"),
        last_event=_day(events, "max"),
        traps=tuple(
            Trap(key=key, sentence=TRAPS.get(key, key.replace("_", " ")), count=count)
            for key, count in cohort.counts.items()
        ),
        months=cohort_rows([month(day) for day in joined], suspended, confidence),
        weeks=cohort_rows([week(day) for day in joined], suspended, confidence),
    )


def transactions(customers: pl.DataFrame, events: pl.DataFrame, excluded_types: Sequence[str]) -> pl.Series:
    """Return each customer's number of transactions without excluded types, in the customers' order."""
    counted = (
        events.filter(~pl.col("type").is_in(list(excluded_types))).group_by("customer_id").agg(pl.col("id").n_unique())
    )
    return customers.join(counted, on="customer_id", how="left", maintain_order="left")["id"].fill_null(0)


def _day(events: pl.DataFrame, end: str) -> str | None:
    if events.is_empty():
        return None
    days = events["created_at"].dt.date()
    return str(days.min() if end == "min" else days.max())
