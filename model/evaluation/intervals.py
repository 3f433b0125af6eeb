"""Confidence intervals over customers and repeats, and paired differences from the same draws.

A draw samples the customers with replacement (Efron & Tibshirani 1993, chapter 13: the percentile interval) and chooses
one repeat of the cross-validation at random. So the interval covers the choice of customers and the choice of folds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from customer_risk.model.evaluation import metrics
from customer_risk.model.evaluation.results import CalibrationBin, Interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

CELLS = 2_000_000  # customers times draws in one block; limits the memory for large tables
BIASED = ("calibration_error",)
WITHIN = ("average_precision", "roc_auc")  # averaged over folds
POINT = (
    "Estimates are means over the repeats of cross-validation. Within a repeat, average precision and ROC-AUC are "
    'means over its folds (Forman & Scholz 2010); the metrics named "folds pooled" are computed over the scores of all '
    "folds together, which is stricter. Every other metric is computed over all customers together."
)
METHOD = (
    "Percentile bootstrap (Efron & Tibshirani 1993): each of {draws} draws samples the customers with replacement and "
    "chooses one repeat of the cross-validation at random. Differences use the same draws for both methods. Draws of "
    "the calibration error are centred on the estimate, because sampling with replacement increases this error."
)


@dataclass(frozen=True, slots=True)
class Draws:
    """`counts` uint16[b, n]: how often each customer is in each draw; `repeat` int64[b]: the repeat of each draw."""

    counts: NDArray[np.uint16]
    repeat: NDArray[np.int64]
    confidence: float


@dataclass(frozen=True, slots=True)
class Measured:
    """One metric: its value in each repeat, their mean, and its value in each draw.

    `biased` means that sampling with replacement increases the metric: repeated customers make bins uneven.
    """

    by_repeat: tuple[float, ...]
    draws: Floats
    biased: bool = False

    @property
    def estimate(self) -> float:
        """The mean over repeats; NaN if no repeat has a value."""
        known = [value for value in self.by_repeat if not np.isnan(value)]
        return float(np.mean(known)) if known else float("nan")

    @property
    def centred(self) -> Floats:
        """The draws, shifted so that their mean is the estimate, and at least 0."""
        known = ~np.isnan(self.draws)
        if not known.any():
            return self.draws
        return np.maximum(self.draws - float(self.draws[known].mean()) + self.estimate, 0.0)


def make_draws(customers: int, repeats: int, *, draws: int, confidence: float, seed: int) -> Draws:
    """Sample `customers` customers with replacement and choose a repeat, `draws` times."""
    random = np.random.default_rng(seed)
    counts = np.empty((draws, customers), dtype=np.uint16)
    for draw in range(draws):
        counts[draw] = np.bincount(random.integers(customers, size=customers), minlength=customers)
    return Draws(counts, random.integers(repeats, size=draws), confidence)


def measure(
    compute: Callable[[int, Floats], dict[str, Floats]], repeats: int, draws: Draws, weights: Floats | None = None
) -> dict[str, Measured]:
    """Compute metrics for each repeat and each draw.

    compute(repeat, weights[b, n]) returns metric -> float64[b]. `weights` float64[n] multiplies every weighting, for
    example with 0 for customers outside a stratum.
    """
    base = np.ones((1, draws.counts.shape[1])) if weights is None else weights[None, :]
    block = max(1, CELLS // draws.counts.shape[1])
    points: dict[str, list[float]] = {}
    drawn: dict[str, Floats] = {}
    for repeat in range(repeats):
        for name, value in compute(repeat, base).items():
            points.setdefault(name, []).append(float(value[0]))
        chosen = np.flatnonzero(draws.repeat == repeat)
        for start in range(0, len(chosen), block):
            some = chosen[start : start + block]
            for name, value in compute(repeat, draws.counts[some] * base).items():
                drawn.setdefault(name, np.full(len(draws.repeat), np.nan))[some] = value
    return {name: Measured(tuple(by), drawn[name], name in BIASED) for name, by in points.items()}


def all_metrics(
    labels: Flags,
    probabilities: Floats,
    draws: Draws,
    *,
    flagged: Flags | None = None,
    folds: NDArray[np.int64] | None = None,
    weights: Floats | None = None,
) -> dict[str, Measured]:
    """Compute the metrics of `results.METRICS`, of decisions only if `flagged` is given.

    labels bool[n]; probabilities float64[r, n]; flagged bool[r, n]. With `folds` int64[r, n], ranking metrics are means
    over folds, because the scores of different fits need not be comparable (Forman & Scholz 2010); the stricter metrics
    over the scores of all folds together are `..._pooled`.
    """

    def compute(repeat: int, weighting: Floats) -> dict[str, Floats]:
        pooled = metrics.ranking(labels, probabilities[repeat], weighting)
        found = pooled | metrics.probability(labels, probabilities[repeat], weighting)
        if folds is not None:
            within = _within(labels, probabilities[repeat], folds[repeat], weighting)
            found |= {f"{name}_pooled": pooled[name] for name in within} | within
        return found if flagged is None else found | metrics.decision(labels, flagged[repeat], weighting)

    return measure(compute, len(probabilities), draws, weights)


def _within(labels: Flags, scores: Floats, fold: NDArray[np.int64], weighting: Floats) -> dict[str, Floats]:
    """Return the means of the ranking metrics over folds, without folds in which a weighting has one label only."""
    parts = [
        metrics.ranking(labels[fold == at], scores[fold == at], weighting[:, fold == at]) for at in np.unique(fold)
    ]
    return {name: _mean_of_known(np.array([part[name] for part in parts])) for name in WITHIN}


def _mean_of_known(values: Floats) -> Floats:
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    return np.where(count > 0, np.where(known, values, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)


def interval(measured: Measured, confidence: float) -> Interval:
    """Return the estimate with its percentile interval; without bounds if fewer than 90% of the draws have a value."""
    return _interval(measured.estimate, measured.centred if measured.biased else measured.draws, confidence)


def difference(one: Measured, other: Measured, confidence: float) -> Interval:
    """Return one metric minus another, on the same draws."""
    return _interval(one.estimate - other.estimate, one.draws - other.draws, confidence)


def wilson(count: float, of: float, confidence: float) -> Interval:
    """Return a share with Wilson's score interval; all None if `of` is 0."""
    if of <= 0:
        return Interval(estimate=None)
    low, high = metrics.wilson_bounds(count, of, confidence)
    return Interval(estimate=count / of, low=low, high=high)


def calibration_bins(labels: Flags, probabilities: Floats, confidence: float) -> tuple[CalibrationBin, ...]:
    """Compare predicted and observed shares in equal-count bins, over the probabilities float64[r, n] of all repeats.

    A bin's interval is Wilson's for its number of customers in one repeat, because repeats add no customers.
    """
    repeats = len(probabilities)
    every = probabilities.ravel()
    truth = np.tile(labels, repeats)
    bins = metrics.equal_count_bins(every)
    rows = []
    for at in range(int(bins.max()) + 1):
        members = bins == at
        customers = float(members.sum()) / repeats
        rows.append(
            CalibrationBin(
                predicted=float(every[members].mean()),
                observed=wilson(float(truth[members].mean()) * customers, customers, confidence),
                customers=round(customers),
            )
        )
    return tuple(rows)


def _interval(estimate: float, draws: Floats, confidence: float) -> Interval:
    if np.isnan(estimate):
        return Interval(estimate=None)
    known = draws[~np.isnan(draws)]
    if known.size < 0.9 * draws.size:
        return Interval(estimate=estimate)
    tail = (1 - confidence) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return Interval(estimate=estimate, low=float(low), high=float(high))
