"""The shipped procedure as one function: select, tune, fit, calibrate. Evaluation calls the same function."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from customer_risk.model.policy.calibration import fit_line, sigmoid
from customer_risk.model.training.learners import Boosted
from customer_risk.model.training.splits import customer_folds, possible_folds
from customer_risk.model.training.tuning import FIXED, START, tune

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from customer_risk.model.config import Training
    from customer_risk.model.evaluation.results import Trial
    from customer_risk.model.features.frame import FeatureTable
    from customer_risk.model.training.learners import Learner, Model, Params
    from customer_risk.model.training.minority import Weighting

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A calibrated model, and out-of-fold margins of its training customers.

    `slope` and `intercept` turn margins into log-odds at the sample's risk rate. `inner_margins` float64[n] are the
    margins of the training customers, each by one of `inner_folds` fits that were not trained on the customer.
    """

    model: Model
    slope: float
    intercept: float
    inner_margins: Floats
    inner_folds: int
    members: tuple[Params, ...] = ()
    trials: tuple[Trial, ...] = ()

    def probabilities(self, table: FeatureTable) -> Floats:
        """Return float64[n] calibrated probabilities at the sample's risk rate."""
        return self.calibrated(self.model.margins(table))

    @property
    def inner_probabilities(self) -> Floats:
        """The training customers' out-of-fold probabilities, calibrated."""
        return self.calibrated(self.inner_margins)

    def calibrated(self, margins: Floats) -> Floats:
        """Return the probabilities of margins."""
        return sigmoid(self.slope * margins + self.intercept)


def fit_procedure(
    table: FeatureTable,
    suspended: Flags,
    settings: Training,
    seed: int,
    *,
    directions: Mapping[str, int],
    members: tuple[Params, ...] | None = None,
    weighting: Weighting = "mild",
) -> Fitted:
    """Fit XGBoost to n customers: tune on inner folds (unless `members` give the parameters), fit, calibrate.

    table  the candidate features; suspended  bool[n]; directions  feature -> +1, -1 or 0. The result depends on these
    rows only. Raises LabelError if a label has too few customers for inner folds.
    """
    start = Boosted(({**FIXED, **START},), directions, weighting)
    trials: tuple[Trial, ...] = ()
    if members is None:
        tuned = tune(
            table,
            suspended,
            start,
            folds=possible_folds(suspended, settings.inner_folds),
            trials=settings.trials,
            seconds=settings.seconds,
            best=settings.members,
            seed=seed,
        )
        members, trials = tuned.members, tuned.trials
    fitted = fit_calibrated(replace(start, members=members), table, suspended, settings.inner_folds, seed)
    return replace(fitted, members=members, trials=trials)


def fit_calibrated(learner: Learner, table: FeatureTable, suspended: Flags, inner_folds: int, seed: int) -> Fitted:
    """Fit a learner, and calibrate it on out-of-fold margins."""
    folds = customer_folds(table.ids, suspended, folds=possible_folds(suspended, inner_folds), seed=seed + 1)
    inner = np.empty(len(suspended))
    for at, fold in enumerate(folds):
        model = learner.fit(table.rows(fold.train), suspended[fold.train], seed + at)
        inner[fold.test] = model.margins(table.rows(fold.test))
    slope, intercept = fit_line(inner, suspended)
    return Fitted(learner.fit(table, suspended, seed), slope, intercept, inner, len(folds))
