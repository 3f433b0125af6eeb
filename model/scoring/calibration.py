"""Calibration: from the trees' margin to the probability."""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from customer_risk.model.errors import BundleError


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Platt's line on the log-odds, and a shift to the portfolio's risk rate.

    probability = sigmoid(slope * margin + intercept + shift). A customer's contributions, multiplied by `slope`, add up
    to the log-odds of the shown probability. With a sample of risk rate s and a portfolio of rate p, shift =
    logit(p) - logit(s) (Elkan 2001, "The foundations of cost-sensitive learning", theorem 2, in log-odds).

    Raises BundleError if a number isn't finite or the slope isn't above 0, which would reverse the order of risk.
    """

    slope: float = 1.0
    intercept: float = 0.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.slope) and math.isfinite(self.intercept) and math.isfinite(self.shift)):
            raise _unusable(f"slope {self.slope}, intercept {self.intercept}, shift {self.shift} must be finite")
        if self.slope <= 0:
            raise _unusable(f"a slope of {self.slope} isn't above 0")

    def log_odds(self, margins: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the shown probabilities' log-odds: float64[n] from margins float64[n]."""
        return self.slope * margins + (self.intercept + self.shift)

    def probability(self, margins: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return probabilities float64[n] from margins float64[n]."""
        # The C library's `exp` for each row: NumPy's may round differently by the position in an array.
        return np.array([sigmoid(z) for z in self.log_odds(margins).tolist()], np.float64)


def sigmoid(z: float) -> float:
    """Return the probability for log-odds, without overflow."""
    if z >= 0:
        return 1.0 / (1.0 + math.exp(-z))
    e = math.exp(z)
    return e / (1.0 + e)


def _unusable(what: str) -> BundleError:
    return BundleError(
        f"The calibration can't be used: {what}.", remedy="Make the bundle again with `customer-risk train`."
    )
