"""The place of one customer's value among all customers scored together."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from customer_risk.model.scoring.reasons import Reason

FEWEST: Final = 30  # values; with fewer, a value gets no place


class Population:
    """The values of one feature over all customers scored, float64[n], NaN where missing."""

    def __init__(self, values: NDArray[np.float64]) -> None:
        self._values = values

    @cached_property
    def _sorted(self) -> NDArray[np.float64]:
        return np.sort(self._values[~np.isnan(self._values)])

    def place(self, value: float | None) -> tuple[float, float, float]:
        """Return the shares of customers with a smaller, equal and greater value; (0, share, 0) if it is missing."""
        if value is None or math.isnan(value):
            return 0.0, 1 - len(self._sorted) / max(len(self._values), 1), 0.0
        n = max(len(self._sorted), 1)
        below = int(np.searchsorted(self._sorted, value, "left"))
        upto = int(np.searchsorted(self._sorted, value, "right"))
        return below / n, (upto - below) / n, (len(self._sorted) - upto) / n

    def tell(self, reason: Reason) -> str:
        """Return the place of a reason's value in words, for an analyst; "" among too few customers."""
        known = reason.value is None or reason.unit == "yes/no"
        if (len(self._values) if known else len(self._sorted)) < FEWEST:
            return ""
        below, equal, above = self.place(reason.value)
        if reason.value is None:
            return f"missing for {equal:.0%} of customers"
        if reason.unit == "yes/no":
            return f"the same for {equal:.0%} of customers"
        if max(below, above) == 0:
            return "the same for all customers"
        return (
            f"higher than for {_percent(below)} of customers"
            if below >= above
            else f"lower than for {_percent(above)} of customers"
        )


def _percent(share: float) -> str:
    """Return a share in percent, never rounded up to 100%."""
    return f"{min(math.floor(1000 * share) / 10, 99.9):.1f}%" if share > 0.99 else f"{math.floor(100 * share)}%"
