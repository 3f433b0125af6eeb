"""The customers, folds and resamples that all evaluations of a run share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from customer_risk.model.evaluation.intervals import Draws, Measured, all_metrics, difference, interval
from customer_risk.model.training.comparison import Fit, OutOfFold, cross_validate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from numpy.typing import NDArray

    from customer_risk.model.config import Config
    from customer_risk.model.evaluation.results import Interval
    from customer_risk.model.features.frame import FeatureTable

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Study:
    """n customers and the settings of their evaluation.

    table  the candidate features; suspended  bool[n]; joined  time of each customer's first transaction; directions
    feature -> +1, -1 or 0; folds  number of folds; draws  resamples of the customers.
    """

    table: FeatureTable
    suspended: Flags
    joined: tuple[datetime | None, ...]
    directions: Mapping[str, int]
    config: Config
    folds: int
    draws: Draws

    @property
    def repeats(self) -> int:
        """The number of repeats of the cross-validation."""
        return self.config.evaluation.repeats

    def cross_validate(
        self, fit: Fit, *, table: FeatureTable | None = None, tick: Callable[[], None] = lambda: None
    ) -> OutOfFold:
        """Cross-validate a procedure in the shared folds, on `table` instead of the study's table if given."""
        return cross_validate(
            fit,
            self.table if table is None else table,
            self.suspended,
            folds=self.folds,
            repeats=self.repeats,
            seed=self.config.seed,
            threads=self.config.threads,
            tick=tick,
        )

    def measure(
        self,
        probabilities: Floats,
        *,
        flagged: Flags | None = None,
        found: OutOfFold | None = None,
        members: Flags | None = None,
    ) -> dict[str, Measured]:
        """Return the metrics of probabilities float64[r, n]: within the folds of `found`, among `members`, if given."""
        return all_metrics(
            self.suspended,
            probabilities,
            self.draws,
            flagged=flagged,
            folds=None if found is None else found.fold_numbers,
            weights=None if members is None else members.astype(np.float64),
        )

    def intervals(self, measured: Mapping[str, Measured]) -> dict[str, Interval]:
        """Return each metric's interval."""
        return {name: interval(one, self.draws.confidence) for name, one in measured.items()}

    def differences(self, one: Mapping[str, Measured], other: Mapping[str, Measured]) -> dict[str, Interval]:
        """Return each metric of `one` minus that of `other`, on the same resamples."""
        return {name: difference(one[name], other[name], self.draws.confidence) for name in one if name in other}
