"""Finds declared patterns in encoded customers: the same compiled code for one and for many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from customer_risk.model.features.encoded import Encoded
    from customer_risk.model.features.kernel.compute import Settings
    from customer_risk.model.patterns.found_pattern import FoundPattern


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """The patterns of `m` customers, `p` of them in the finder's order.

    codes     the patterns' codes
    figures   float64[m, p, 5]: count (0: not found), amount, share (NaN: none), first and last time in microseconds
    evidence  int64[k, 3]: customer, pattern, and the number in `Encoded.ids` of a transaction that shows it; ordered by
              customer, pattern and time
    """

    codes: tuple[str, ...]
    figures: NDArray[np.float64]
    evidence: NDArray[np.int64]


class Finder:
    """Finds patterns among the transactions that features are computed from with `settings`.

    `patterns` maps the code of each pattern to its thresholds, as `ActionRule.patterns` does.
    """

    def __init__(self, patterns: Mapping[str, Mapping[str, float]], settings: Settings) -> None:
        self.codes = tuple(patterns)
        self._settings = settings

    def find_one(self, encoded: Encoded) -> tuple[FoundPattern, ...]:
        """Return the patterns of the one customer in `encoded`, in the finder's order."""
        raise NotImplementedError

    def find(self, encoded: Encoded, *, threads: int = 1) -> Findings:
        """Return the patterns of every customer in `encoded`."""
        raise NotImplementedError
