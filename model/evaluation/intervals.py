"""Confidence intervals over customers and repeats, and paired differences from the same draws.

One draw takes the customers with replacement (Efron & Tibshirani 1993, chapter 13: the percentile interval) and one of
the repeats of cross-validation at random, so the spread holds both which customers were seen and how they were split.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from customer_risk.model.evaluation import metrics
from customer_risk.model.evaluation.results import CalibrationBin, Interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

CELLS = 2_000_000  # customers times draws at once: bounds the memory that a large table takes
BIASED = ("calibration_error",)
WITHIN = ("average_precision", "roc_auc")  # averaged over folds
POINT = (
    "Estimates are means over the repeats of cross-validation. Within a repeat, average precision and ROC-AUC are "
    "means "
    'over its folds (Forman & Scholz 2010); the metrics named "folds pooled" are computed over the scores of all folds '
    "together, which is stricter. Every other metric is computed over all customers together."
)
METHOD = (
    "Percentile bootstrap (Efron & Tibshirani 1993): each of {draws} draws takes the customers with replacement and "
    "one repeat of the cross-validation at random; differences use the same draws on both sides. Draws of the "
    "calibration error are centred on the estimate, as drawing adds to it by itself."
)


@dataclass(frozen=True, slots=True)
class Draws:
    """`counts` uint16[b, n]: how often each customer is in each draw; `repeat` int64[b]: whose predictions it uses."""

    counts: NDArray[np.uint16]
    repeat: NDArray[np.int64]
    confidence: float


@dataclass(frozen=True, slots=True)
class Measured:
    """One metric: its value in each repeat, their mean, and its value in each draw.

    `biased` says that drawing customers adds to it by itself, as repeated customers make bins uneven.
    """

    by_repeat: tuple[float, ...]
    draws: Floats
    biased: bool = False

    @property
    def estimate(self) -> float:
        """The mean over repeats; NaN where no repeat has a value."""
        known = [value for value in self.by_repeat if not np.isnan(value)]
        return float(np.mean(known)) if known else float("nan")

    @property
    def centred(self) -> Floats:
        """The draws, moved so that their mean is the estimate, and none below 0."""
        known = ~np.isnan(self.draws)
        if not known.any():
            return self.draws
        return np.maximum(self.draws - float(self.draws[known].mean()) + self.estimate, 0.0)


def make_draws(customers: int, repeats: int, *, draws: int, confidence: float, seed: int) -> Draws:
    """Draw `customers` customers with replacement, and a repeat, `draws` times."""
    random = np.random.default_rng(seed)
    counts = np.empty((draws, customers), dtype=np.uint16)
    for draw in range(draws):
        counts[draw] = np.bincount(random.integers(customers, size=customers), minlength=customers)
    return Draws(counts, random.integers(repeats, size=draws), confidence)


def measure(
    compute: Callable[[int, Floats], dict[str, Floats]], repeats: int, draws: Draws, weights: Floats | None = None
) -> dict[str, Measured]:
    """Compute metrics on each repeat and on each draw.

    compute(repeat, weights[b, n]) -> metric -> float64[b]. `weights` float64[n] multiplies every weighting (a
    portfolio's mix, or 0 for customers outside a stratum).
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
    """Compute the metrics of `customer_risk.model.evaluation.results.METRICS`, as far as what is given allows.

    labels bool[n]; probabilities float64[r, n], flagged bool[r, n]. With `folds` int64[r, n], ranking within each fold
    is averaged over folds, as scores of different fits needn't be comparable (Forman & Scholz 2010), and the stricter
    figure over all folds' scores together stands beside it as `..._pooled`.
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
    """Average the ranking metrics over folds; a fold where a weighting leaves one class only is left out of it."""
    parts = [
        metrics.ranking(labels[fold == at], scores[fold == at], weighting[:, fold == at]) for at in np.unique(fold)
    ]
    return {name: _mean_of_known(np.array([part[name] for part in parts])) for name in WITHIN}


def _mean_of_known(values: Floats) -> Floats:
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    return np.where(count > 0, np.where(known, values, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)


def interval(measured: Measured, confidence: float) -> Interval:
    """Return the estimate with its percentile interval; no bounds where under nine draws in ten have a value."""
    return _interval(measured.estimate, measured.centred if measured.biased else measured.draws, confidence)


def difference(one: Measured, other: Measured, confidence: float) -> Interval:
    """Return one metric minus another, draw by draw."""
    return _interval(one.estimate - other.estimate, one.draws - other.draws, confidence)


def wilson(count: float, of: float, confidence: float) -> Interval:
    """Return a share with Wilson's score interval (Wilson 1927); all None where `of` is 0."""
    if of <= 0:
        return Interval(estimate=None)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = count / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return Interval(estimate=share, low=max(0.0, middle - half), high=min(1.0, middle + half))


def calibration_bins(labels: Flags, probabilities: Floats, confidence: float) -> tuple[CalibrationBin, ...]:
    """Compare predicted and observed shares in equal-count bins over all repeats' float64[r, n] probabilities.

    A bin's interval is Wilson's for as many customers as it has in one repeat: repeats add no customers.
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
