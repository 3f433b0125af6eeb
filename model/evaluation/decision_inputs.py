"""The inputs for evaluating decisions: out-of-fold probabilities at the portfolio's risk rate, and cut-offs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from customer_risk.model.policy.calibration import prior_shift, prior_weights, shifted
from customer_risk.model.policy.thresholds import Cuts, least_cost, max_f1, recall_at_least, segment_cuts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from customer_risk.model.config import Costs

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

Choice = Callable[["NDArray[np.bool_]", "NDArray[np.float64]", "NDArray[np.float64]"], Cuts]


@dataclass(frozen=True, slots=True)
class Flagged:
    """The customers proposed for off-boarding, and those reviewed but not proposed: bool[r, n] each."""

    proposed: Flags
    reviewed: Flags


class OutOfFold(Protocol):
    """Scores of n customers in r repeats, each by a fit that was not trained on the customer."""

    @property
    def labels(self) -> Flags:
        """Who was suspended, bool[n]."""

    @property
    def probabilities(self) -> Floats:
        """Calibrated probabilities float64[r, n] at the sample's risk rate."""

    def cuts(self, cut: Callable[[Flags, Floats], float]) -> Floats:
        """Return the cut-off of each customer's fold; `cut(labels, probabilities)` chooses it on the training side."""


@dataclass(frozen=True, slots=True)
class DecisionInputs:
    """Out-of-fold scores, the portfolio's risk rate (None: the sample's), and the customers scored per week."""

    out_of_fold: OutOfFold
    portfolio_rate: float | None
    per_week: float

    @property
    def labels(self) -> Flags:
        """Who was suspended."""
        return self.out_of_fold.labels

    @property
    def sample_rate(self) -> float:
        """The share of suspended customers in the sample."""
        return float(self.labels.mean())

    @property
    def rate(self) -> float:
        """The risk rate in use: the portfolio's if given, else the sample's."""
        return self.sample_rate if self.portfolio_rate is None else self.portfolio_rate

    @property
    def shift(self) -> float:
        """The difference of the portfolio's and the sample's risk rate in log-odds."""
        return prior_shift(self.sample_rate, self.portfolio_rate)

    @property
    def probabilities(self) -> Floats:
        """Out-of-fold probabilities float64[r, n] at the portfolio's rate."""
        return shifted(self.out_of_fold.probabilities, self.shift)

    def flag(self, cut: Choice) -> Flagged:
        """Return who is flagged by cut-offs that `cut(labels, probabilities, weights)` chose on each training side."""

        def chosen(side: Callable[[Cuts], float]) -> Floats:
            return self.out_of_fold.cuts(
                lambda labels, inner: side(
                    cut(labels, shifted(inner, self.shift), prior_weights(labels, self.portfolio_rate))
                )
            )

        probabilities = self.probabilities
        proposed = probabilities >= chosen(lambda cuts: cuts.high)
        return Flagged(proposed, (probabilities >= chosen(lambda cuts: cuts.medium)) & ~proposed)


def strategies(costs: Costs, per_week: float) -> dict[str, Choice]:
    """Return each strategy's choice of cut-offs by name; both cut-offs are equal if a strategy has no reviews."""

    def single(cut: Callable[[Flags, Floats, Floats], float]) -> Choice:
        def both(labels: Flags, probabilities: Floats, weights: Floats) -> Cuts:
            value = cut(labels, probabilities, weights)
            return Cuts(value, value)

        return both

    return {
        "segments": lambda labels, probabilities, weights: segment_cuts(
            costs, probabilities, labels, weights, per_week
        ),
        "least_cost": single(lambda *_: least_cost(costs)),
        "max_f1": single(max_f1),
        "recall": single(lambda *known: recall_at_least(costs.least_recall, *known)),
        "no_customer": single(lambda *_: 2.0),
    }
