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

from model.evaluation import metrics
from model.evaluation.results import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

CELLS = 2_000_000  # customers times draws at once: bounds the memory that a large table takes
METHOD = (
    "Percentile bootstrap (Efron & Tibshirani 1993): each of {draws} draws takes the customers with replacement and "
    "one repeat of the cross-validation at random; differences use the same draws on both sides."
)


@dataclass(frozen=True, slots=True)
class Draws:
    """`counts` uint16[b, n]: how often each customer is in each draw; `repeat` int64[b]: whose predictions it uses."""

    counts: NDArray[np.uint16]
    repeat: NDArray[np.int64]
    confidence: float


@dataclass(frozen=True, slots=True)
class Measured:
    """One metric: its value in each repeat, their mean, and its value in each draw."""

    by_repeat: tuple[float, ...]
    draws: Floats

    @property
    def estimate(self) -> float:
        """The mean over repeats; NaN where no repeat has a value."""
        known = [value for value in self.by_repeat if not np.isnan(value)]
        return float(np.mean(known)) if known else float("nan")


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
    return {name: Measured(tuple(by), drawn[name]) for name, by in points.items()}


def all_metrics(
    labels: Flags, probabilities: Floats, flagged: Flags, draws: Draws, weights: Floats | None = None
) -> dict[str, Measured]:
    """Compute every metric of `model.evaluation.results.METRICS`.

    labels bool[n]; probabilities float64[r, n]; flagged bool[r, n].
    """

    def compute(repeat: int, weighting: Floats) -> dict[str, Floats]:
        return {
            **metrics.ranking(labels, probabilities[repeat], weighting),
            **metrics.probability(labels, probabilities[repeat], weighting),
            **metrics.decision(labels, flagged[repeat], weighting),
        }

    return measure(compute, len(probabilities), draws, weights)


def interval(measured: Measured, confidence: float) -> Interval:
    """Give the estimate with its percentile interval; no bounds where under nine draws in ten have a value."""
    return _interval(measured.estimate, measured.draws, confidence)


def difference(one: Measured, other: Measured, confidence: float) -> Interval:
    """Give one metric minus another, draw by draw."""
    return _interval(one.estimate - other.estimate, one.draws - other.draws, confidence)


def wilson(count: float, of: float, confidence: float) -> Interval:
    """Give a share with Wilson's score interval (Wilson 1927); all None where `of` is 0."""
    if of <= 0:
        return Interval(estimate=None)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = count / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return Interval(estimate=share, low=max(0.0, middle - half), high=min(1.0, middle + half))


def _interval(estimate: float, draws: Floats, confidence: float) -> Interval:
    if np.isnan(estimate):
        return Interval(estimate=None)
    known = draws[~np.isnan(draws)]
    if known.size < 0.9 * draws.size:
        return Interval(estimate=estimate)
    tail = (1 - confidence) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return Interval(estimate=estimate, low=float(low), high=float(high))
