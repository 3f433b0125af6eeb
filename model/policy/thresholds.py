"""Cut-offs on the calibrated probability, computed from the loss matrix, the review capacity or the labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from customer_risk.model.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from customer_risk.model.config import Costs

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

Strategy = Literal["segments", "least_cost", "max_f1", "recall"]
GREATEST: float = 1.0


@dataclass(frozen=True, slots=True)
class Cuts:
    """Probabilities from which a customer is reviewed (medium) and proposed for off-boarding (high)."""

    medium: float
    high: float


def least_cost(costs: Costs) -> float:
    """Return the probability from which flagging a customer costs less than not flagging (Elkan 2001, equation 2).

    Flagging costs a review, and `wrongly_flagged` if the customer is good. Not flagging costs `missed_risky` if the
    customer is risky.
    """
    return (costs.review + costs.wrongly_flagged) / (costs.missed_risky + costs.wrongly_flagged)


def loss_matrix_cuts(costs: Costs) -> Cuts:
    """Return the cut-offs of least expected cost for three actions (Yao 2010): no action, review, proposal.

    A review costs `review` and recognises a risky customer with probability `review_catches`; it doesn't harm a good
    customer. A proposal also costs a review, because a named person signs it, and `wrongly_flagged` if the customer is
    good. Raises ConfigError if one of the actions would never cost the least.
    """
    review = costs.review / (costs.review_catches * costs.missed_risky)
    missed = (1 - costs.review_catches) * costs.missed_risky
    propose = costs.wrongly_flagged / (costs.wrongly_flagged + missed)
    if not 0 < review < propose < GREATEST:
        raise ConfigError(
            f"costs: reviewing pays from probability {review:.3f} and proposing from {propose:.3f}: "
            "one of the actions would never be taken.",
            remedy="Correct costs.missed_risky, wrongly_flagged, review or review_catches (0 < catches < 1).",
        )
    return Cuts(review, propose)


def segment_cuts(costs: Costs, probabilities: Floats, labels: Flags, weights: Floats, per_week: float) -> Cuts:
    """Return the shipped cut-offs: High by the configured strategy, Medium by the loss matrix within review capacity.

    probabilities, weights  float64[n], out of fold, at the portfolio's risk rate
    labels                  bool[n]
    per_week                how many customers are scored a week

    An analyst looks at each customer at or above Medium. Medium is raised until the expected number of these customers
    fits `costs.reviews_per_week`; High is never below Medium.
    """
    cuts = loss_matrix_cuts(costs)
    high = {
        "segments": lambda: cuts.high,
        "least_cost": lambda: least_cost(costs),
        "max_f1": lambda: max_f1(labels, probabilities, weights),
        "recall": lambda: recall_at_least(costs.least_recall, labels, probabilities, weights),
    }[costs.strategy]()
    medium = max(cuts.medium, within_capacity(costs.reviews_per_week / max(per_week, 1e-12), probabilities, weights))
    return Cuts(min(medium, high), high) if costs.strategy != "segments" else Cuts(medium, max(medium, high))


def within_capacity(share: float, probabilities: Floats, weights: Floats) -> float:
    """Return the least cut-off that at most `share` of the weighted customers reach; 0 if all may reach it."""
    if share >= 1:
        return 0.0
    order = np.argsort(-probabilities, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    fitting = int(np.searchsorted(reached, share, side="right"))
    if fitting == 0:
        return float(np.nextafter(probabilities[order[0]], np.inf))
    ranked = probabilities[order]
    if ranked[fitting - 1] == ranked[fitting]:  # equal probabilities exceed the capacity: exclude all of them
        above = ranked[ranked > ranked[fitting]]
        return float(_between(ranked[fitting], above[-1])) if above.size else float(np.nextafter(ranked[0], np.inf))
    return float(_between(ranked[fitting], ranked[fitting - 1]))


def max_f1(labels: Flags, probabilities: Floats, weights: Floats) -> float:
    """Return the cut-off with the greatest F1 on these customers, midway between neighbouring probabilities."""
    cuts, hits, alarms, positives = _steps(labels, probabilities, weights)
    return float(cuts[np.argmax(2 * hits / (hits + alarms + positives))])


def recall_at_least(recall: float, labels: Flags, probabilities: Floats, weights: Floats) -> float:
    """Return the highest cut-off that finds at least `recall` of the suspended customers."""
    cuts, hits, _, positives = _steps(labels, probabilities, weights)
    return float(cuts[np.argmax(hits / positives >= recall - 1e-12)])


def _steps(labels: Flags, probabilities: Floats, weights: Floats) -> tuple[Floats, Floats, Floats, float]:
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    hits = np.cumsum((weights * labels)[order])[last]
    alarms = np.cumsum((weights * ~labels)[order])[last]
    values = ranked[last]
    return np.append(_between(values[1:], values[:-1]), values[-1]), hits, alarms, float(hits[-1])


def _between(below: Floats, above: Floats) -> Floats:
    """Return a value in (below, above]: the midpoint, or `above` if no float is between."""
    middle = below + (above - below) / 2
    return np.where(middle > below, middle, above)
