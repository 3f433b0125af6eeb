"""What the run says of its data, and of what its numbers can't show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from customer_risk.model.evaluation.cohorts import cohort_rows, month, week
from customer_risk.model.evaluation.results import DataSummary, Limit, Trap
from customer_risk.model.tables.traps import TRAPS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from numpy.typing import NDArray

    from customer_risk.model.evaluation.results import Contender
    from customer_risk.model.tables.cleaning import Cohort
    from customer_risk.model.training.study import Study

    Flags = NDArray[np.bool_]

YOUNG_DAYS = 30


def summarise(
    cohort: Cohort, joined: Sequence[date | None], excluded_types: Sequence[str], confidence: float
) -> DataSummary:
    """Count the cohort: customers, transactions (collapsed, excluded types left out), traps, months and weeks."""
    customers, events = pl.DataFrame(cohort.customers), pl.DataFrame(cohort.events)
    suspended = customers["suspended"].to_numpy()
    counted = (
        events.filter(~pl.col("type").is_in(list(excluded_types))).group_by("customer_id").agg(pl.col("id").n_unique())
    )
    each = customers.join(counted, on="customer_id", how="left")["id"].fill_null(0)
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


def limits(study: Study, cohort: Cohort, shipped: Contender, notes: Sequence[str]) -> tuple[Limit, ...]:
    """Return sentences on what the numbers can't show, with figures where the tables have them."""
    positives, customers = int(study.suspended.sum()), len(study.suspended)
    found = shipped.metrics["average_precision"]
    width = 0.0 if found.low is None or found.high is None else found.high - found.low
    last = max((day for day in study.joined if day is not None), default=None)
    young = np.array([day is not None and last is not None and (last - day).days < YOUNG_DAYS for day in study.joined])
    both = cohort.counts.get("customers_with_both_labels", 0)
    few = f" {' '.join(notes)}" if notes else ""
    return (
        Limit(
            title="Few suspended customers",
            text=f"{positives} of {customers} customers are suspended. Average precision has an interval {width:.2f} "
            f"wide; halving it takes about four times as many, {4 * positives} suspended customers.{few}",
        ),
        Limit(
            title="No time of suspension",
            text="The tables don't say when a customer was suspended, and a suspended customer stops transacting "
            "because of it. Features are anchored at the customer's own last activity, yet a history cut short by a "
            "suspension is part of what the model sees, and how early it would have warned can't be measured.",
        ),
        Limit(
            title="Labels are noisy",
            text=f"{both} customers stand with both labels and count as suspended. Suspension is what the bank did, "
            "not what the customer did: risky customers whom nobody caught are labelled safe, and the model learns so.",
        ),
        Limit(
            title="Young customers look safe",
            text=f"{int(young.sum())} customers joined within {YOUNG_DAYS} days of the last one, "
            f"{int((young & study.suspended).sum())} of them suspended; of the others "
            f"{int((~young & study.suspended).sum())} of {int((~young).sum())}. Who has just joined has had no time to "
            "be caught. Figures by month of joining show how far that carries.",
        ),
        Limit(
            title="Features were designed with such customers in view",
            text="Which features exist was decided by people who had seen labelled customers. Ranking and tuning "
            "happen inside the folds and are judged honestly; the list of candidates isn't, so expect somewhat less on "
            "customers of another time or bank.",
        ),
        Limit(
            title="A stranger's risk rate",
            text=f"The sample's risk rate is {positives / customers:.1%}. Probabilities mean what they say only where "
            "the portfolio's rate is the one stated; the sensitivity table shows other rates.",
        ),
    )


def _day(events: pl.DataFrame, end: str) -> str | None:
    if events.is_empty():
        return None
    days = events["created_at"].dt.date()
    return str(days.min() if end == "min" else days.max())
