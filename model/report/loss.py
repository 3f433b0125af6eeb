"""Expected loss for each cut-off, from out-of-fold probabilities at the portfolio's risk rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from customer_risk.model.evaluation.results import RunResults

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Curve:
    """EUR per customer: `loss` float64[k] if customers from `cuts` float64[k] on are flagged, else `no_customer`."""

    cuts: Floats
    loss: Floats
    no_customer: float

    def at(self, cut: float) -> float:
        """Return the loss of the nearest cut-off on the curve."""
        return float(self.loss[np.argmin(np.abs(self.cuts - cut))])


def expected_loss(results: RunResults, *, points: int = 201) -> Curve:
    """Return the expected loss of every cut-off.

    A miss costs `missed_risky`, each flagged customer `review`, and each wrongly flagged customer also
    `wrongly_flagged`. A customer's weight is the share of the label in the portfolio divided by that in the sample
    (Elkan 2001, theorem 2).
    """
    costs, rate, sample = results.decisions.costs, results.decisions.portfolio_rate, results.decisions.sample_rate
    labels = np.array(results.labels)
    probabilities = carried_over(np.array(results.contenders[0].probabilities, dtype=float), sample=sample, rate=rate)
    cuts = np.linspace(0.0, 1.0, points)
    hits = _share_at_or_above(probabilities[:, labels], cuts) * rate
    alarms = _share_at_or_above(probabilities[:, ~labels], cuts) * (1 - rate)
    loss = costs["missed_risky"] * (rate - hits) + costs["review"] * (hits + alarms) + costs["wrongly_flagged"] * alarms
    return Curve(cuts, loss, costs["missed_risky"] * rate)


def carried_over(probabilities: Floats, *, sample: float, rate: float) -> Floats:
    """Return probabilities shifted to another risk rate, by the difference of the rates in log-odds."""
    clipped = np.clip(probabilities, 1e-12, 1 - 1e-12)
    odds = clipped / (1 - clipped) * (rate / (1 - rate)) / (sample / (1 - sample))
    moved: Floats = odds / (1 + odds)
    return moved


def _share_at_or_above(values: Floats, cuts: Floats) -> Floats:
    """Return the share of all values at or above each cut-off."""
    ranked = np.sort(values, axis=None)
    share: Floats = 1 - np.searchsorted(ranked, cuts, side="left") / ranked.size
    return share
