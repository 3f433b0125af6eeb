"""The limits of a run's numbers, which every report states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from customer_risk.model.evaluation.results import Limit

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
    """Return the limits of the numbers, with figures if the tables have them.

    suspended  bool[n]; joined  when each of the n customers first transacted; both_labels  how many have two labels
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
            text=f"{both_labels} customers stand with both labels and count as suspended. Suspension is what the bank "
            "did, not what the customer did: risky customers who weren't detected are labelled safe, and the "
            "model learns that.",
        ),
        Limit(
            title="Young customers look safe",
            text=f"{int(young.sum())} customers joined within {YOUNG_DAYS} days of the last one, "
            f"{int((young & suspended).sum())} of them suspended; of the others "
            f"{int((~young & suspended).sum())} of {int((~young).sum())}. Who has just joined has had no time to "
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
