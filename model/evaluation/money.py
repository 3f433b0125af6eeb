"""Costs and savings of decisions in EUR per customer, by the loss matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from customer_risk.model.evaluation.metrics import confusion, decision
from customer_risk.model.policy.thresholds import least_cost

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from customer_risk.model.config import Costs

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]


def worth(labels: Flags, proposed: Flags, reviewed: Flags, costs: Costs, weights: Floats) -> dict[str, Floats]:
    """Return the value of one decision per customer: proposed for off-boarding, reviewed (not proposed), or no action.

    labels, proposed, reviewed bool[n]; weights float64[b, n]; results float64[b]. `loss` is the sum of losses and
    spending; `saved` is the loss of no action minus `loss`; `roi` is (avoided loss - spent) / spent, NaN if nothing is
    spent. `net_benefit` is that of Vickers & Elkin (2006): true minus weighted false positives.
    """
    total = weights.sum(axis=1)
    hit, alarm, _, _ = confusion(labels, proposed, weights)
    seen, cleared, _, _ = confusion(labels, reviewed, weights)
    spent = costs.review * (hit + alarm + seen + cleared) + costs.wrongly_flagged * alarm
    avoided = costs.missed_risky * (hit + costs.review_catches * seen)
    nothing = costs.missed_risky * (weights @ labels)
    cut = least_cost(costs)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            **{name: value for name, value in decision(labels, proposed, weights).items() if "accuracy" not in name},
            "flagged_share": (hit + alarm) / total,
            "analyst_share": (hit + alarm + seen + cleared) / total,
            "net_benefit": (hit - alarm * cut / (1 - cut)) / total,
            "loss": (nothing - avoided + spent) / total,
            "saved": (avoided - spent) / total,
            "roi": np.where(spent > 0, (avoided - spent) / spent, np.nan),
        }


def net_benefit(labels: Flags, probabilities: Floats, weights: Floats, cut: float) -> tuple[float, float]:
    """Return the net benefit (Vickers & Elkin 2006) of flagging from the probability `cut` on, and of flagging all."""
    rate = cut / (1 - cut)
    flagged = probabilities >= cut
    total = float(weights.sum())
    model = float(weights @ (labels & flagged)) - rate * float(weights @ (~labels & flagged))
    everybody = float(weights @ labels) - rate * float(weights @ ~labels)
    return model / total, everybody / total
