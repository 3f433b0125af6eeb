"""The limits of the results that every report has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from customer_risk.model.evaluation.results import Limit
from customer_risk.model.report.numbers import counted, were, written

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from numpy.typing import NDArray

    from customer_risk.model.evaluation.results import Interval

    Flags = NDArray[np.bool_]

YOUNG_DAYS = 30


def stated_limits(
    suspended: Flags, joined: Sequence[date | None], both_labels: int, average_precision: Interval, notes: Sequence[str]
) -> tuple[Limit, ...]:
    """Return the limits of the results.

    suspended  bool[n]; joined  day of each customer's first transaction; both_labels  customers with two labels
    """
    positives, customers = int(suspended.sum()), len(suspended)
    low, high = average_precision.low, average_precision.high
    width = 0.0 if low is None or high is None else high - low
    last = max((day for day in joined if day is not None), default=None)
    young = np.array([day is not None and last is not None and (last - day).days < YOUNG_DAYS for day in joined])
    few = f" {' '.join(notes)}" if notes else ""
    return (
        Limit(
            title="Few suspended customers",
            text=f"{positives} of {counted(customers)} {were(positives)} suspended. The interval of average precision "
            f"is {width:.2f} wide. An interval half as wide needs about four times as many suspended customers, "
            f"{4 * positives}.{few}",
        ),
        Limit(
            title="No time of suspension",
            text="The tables don't say when a customer was suspended, and a suspended customer stops transacting "
            "because of it. Features count from the customer's own last activity. The model still sees a history that "
            "ended with the suspension, so how early it would have warned can't be measured.",
        ),
        Limit(
            title="Labels are noisy",
            text=f"{counted(both_labels)} {'has' if both_labels == 1 else 'have'} both labels and "
            f"{'counts' if both_labels == 1 else 'count'} as suspended. A suspension is the bank's action, not the "
            "customer's: risky customers who weren't detected are labelled safe, and the model learns that.",
        ),
        Limit(
            title="Young customers look safe",
            text=f"{counted(int(young.sum()))} joined at most {YOUNG_DAYS} days before the newest customer; "
            f"{int((young & suspended).sum())} of them {were(int((young & suspended).sum()))} suspended. Of the "
            f"{counted(int((~young).sum()), 'other customer')}, {int((~young & suspended).sum())} "
            f"{were(int((~young & suspended).sum()))} suspended. A customer who joined recently may not have been "
            "detected yet. The figures by month of joining show the size of this effect.",
        ),
        Limit(
            title="The features were designed on similar customers",
            text="The people who designed the features had seen labelled customers. Selection and tuning happen "
            "inside the folds; the design of the features happened before. Expect somewhat worse results on "
            "customers of another time or bank.",
        ),
        Limit(
            title="The risk rate of the portfolio",
            text=f"The sample's risk rate is {written(positives / customers, 'percent')}. Probabilities are right "
            "only if the portfolio has the stated rate. The table of other risk rates shows the effect of another "
            "rate.",
        ),
    )
