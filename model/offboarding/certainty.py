"""How sure the model is of a score: what models fitted on resampled customers make of the same customer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from customer_risk.model.scoring.bundle import Bundle

_LOW, _HIGH = 0.05, 0.95
_AGREED = 0.8  # of the resampled models; below it a score is called unsure


class Certainty(msgspec.Struct, frozen=True, kw_only=True):
    """The spread of one customer's score over `models` resampled models.

    `low` and `high` are the 5% and 95% quantiles of the probability, `high_share` the share of models that put the
    customer in the High segment. All are None for a bundle without resampled models.
    """

    models: int
    low: float | None = None
    high: float | None = None
    high_share: float | None = None

    @property
    def agreed(self) -> bool:
        """Whether most resampled models say High too."""
        return self.high_share is not None and self.high_share >= _AGREED

    def tell(self) -> str:
        """Word it for an investigator."""
        if self.low is None or self.high is None or self.high_share is None:
            return "This bundle carries no resampled models, so the spread of the score isn't known."
        return (
            f"Of {self.models} models fitted on resampled customers, {self.high_share:.0%} say High; "
            f"they score {self.low:.2f} to {self.high:.2f} (5% to 95%)."
        )


def certainties(bundle: Bundle, values: NDArray[np.float64]) -> list[Certainty]:
    """Score rows float64[n, f] with each resampled model and return each row's spread."""
    if not bundle.resamples or not len(values):
        return [Certainty(models=0)] * len(values)
    probabilities = bundle.resampled_probabilities(values)
    low, high = np.quantile(probabilities, [_LOW, _HIGH], axis=0)
    says_high = (probabilities >= bundle.manifest.thresholds.high).mean(axis=0)
    return [
        Certainty(models=len(probabilities), low=float(a), high=float(b), high_share=float(share))
        for a, b, share in zip(low, high, says_high, strict=True)
    ]
