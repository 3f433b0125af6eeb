"""Cross-validation of a whole procedure: its scores for customers who were not in its training data."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from customer_risk.model.training.splits import repeated_folds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from customer_risk.model.features.frame import FeatureTable
    from customer_risk.model.training.procedure import Fitted
    from customer_risk.model.training.splits import Fold

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

Fit = Callable[["FeatureTable", "NDArray[np.bool_]", int], "Fitted"]


@dataclass(frozen=True, slots=True)
class FoldFit:
    """The fit of one outer fold, the labels of its training customers, and the margins of its test customers."""

    repeat: int
    fold: Fold
    labels: Flags
    fitted: Fitted
    margins: Floats


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """The scores of n customers in each of r repeats, each by a fit that was not trained on the customer."""

    labels: Flags
    fits: tuple[FoldFit, ...]
    repeats: int

    @property
    def probabilities(self) -> Floats:
        """Calibrated probabilities float64[r, n] at the sample's risk rate."""
        return self.collect(lambda one: one.fitted.calibrated(one.margins))

    @property
    def fold_numbers(self) -> NDArray[np.int64]:
        """The number of each customer's fold in each repeat, int64[r, n]."""
        numbers = np.empty((self.repeats, len(self.labels)), dtype=np.int64)
        for at, one in enumerate(self.fits):
            numbers[one.repeat, one.fold.test] = at
        return numbers

    def collect(self, answer: Callable[[FoldFit], Floats]) -> Floats:
        """Return each fold's answers for its test customers, float64[r, n]."""
        found = np.full((self.repeats, len(self.labels)), np.nan)
        for one in self.fits:
            found[one.repeat, one.fold.test] = answer(one)
        return found

    def flag(self, cut: Callable[[Flags, Floats], float]) -> Flags:
        """Return who is at or above the cut-off that `cut` chooses, bool[r, n]; see `cuts`."""
        return self.cuts(cut) <= self.probabilities

    def cuts(self, cut: Callable[[Flags, Floats], float]) -> Floats:
        """Return the cut-off of each customer's fold, float64[r, n].

        `cut(labels, probabilities)` chooses it from the training customers' inner out-of-fold probabilities.
        """

        def chosen(one: FoldFit) -> Floats:
            value = cut(one.labels, one.fitted.inner_probabilities)
            return np.full(len(one.fold.test), value)

        return self.collect(chosen)


def cross_validate(
    fit: Fit,
    table: FeatureTable,
    suspended: Flags,
    *,
    folds: int,
    repeats: int,
    seed: int,
    threads: int,
    tick: Callable[[], None] = lambda: None,
) -> OutOfFold:
    """Fit on each fold's training customers and score its test customers; `tick` is called after each fit.

    The same seed gives the same folds for every procedure, so comparisons are paired. The number of threads doesn't
    change any result.
    """
    splits = repeated_folds(table.ids, suspended, folds=folds, repeats=repeats, seed=seed)
    jobs = [(repeat, at, fold) for repeat, parts in enumerate(splits) for at, fold in enumerate(parts)]

    def run(job: tuple[int, int, Fold]) -> FoldFit:
        repeat, at, fold = job
        fitted = fit(table.rows(fold.train), suspended[fold.train], seed + 101 * (repeat * folds + at))
        done = FoldFit(repeat, fold, suspended[fold.train], fitted, fitted.model.margins(table.rows(fold.test)))
        tick()
        return done

    if threads <= 1:
        return OutOfFold(suspended, tuple(run(job) for job in jobs), repeats)
    with ThreadPoolExecutor(threads) as pool:
        return OutOfFold(suspended, tuple(pool.map(run, jobs)), repeats)
