"""How certain a score is: the probabilities of one customer from models fitted on resampled customers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from customer_risk.model.scoring.bundle import Bundle

_LOW, _HIGH = 0.05, 0.95
_AGREED = 0.8  # least share of the resampled models; below it, a High score is called uncertain


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
        """Whether at least 80% of the resampled models say High too."""
        return self.high_share is not None and self.high_share >= _AGREED

    def tell(self) -> str:
        """Return the spread in words, for an analyst."""
        if self.low is None or self.high is None or self.high_share is None:
            return "It is not known how certain the score is: the bundle has no models fitted on resampled customers."
        return (
            f"{self.models} more models were fitted, each on another random sample of the training customers. "
            f"{self.high_share:.0%} of them say High. 90% of them give this customer a probability from "
            f"{self.low:.2f} to {self.high:.2f}."
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
