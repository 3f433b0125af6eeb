"""Curves over all cut-offs: the mean over repeats, with an interval over resampled customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

GRID = np.linspace(0.0, 1.0, 101)
DRAWS = 200


@dataclass(frozen=True, slots=True)
class Band:
    """The curve and the bounds of its interval, float64[101] over `GRID`."""

    middle: Floats
    low: Floats
    high: Floats


def roc(labels: NDArray[np.bool_], probabilities: Floats, *, confidence: float, seed: int) -> Band:
    """Return the true positive rate at each false positive rate; probabilities float64[r, n]."""
    return _band(labels, probabilities, confidence, seed, _roc)


def precision_recall(labels: NDArray[np.bool_], probabilities: Floats, *, confidence: float, seed: int) -> Band:
    """Return the greatest precision at each recall or more, the usual interpolation (Manning et al. 2008, 8.4)."""
    return _band(labels, probabilities, confidence, seed, _precision)


def _band(
    labels: NDArray[np.bool_],
    probabilities: Floats,
    confidence: float,
    seed: int,
    curve: Callable[[NDArray[np.bool_], Floats, Floats], Floats],
) -> Band:
    random = np.random.default_rng(seed)
    n = len(labels)
    shared = random.multinomial(n, np.full(n, 1 / n), size=DRAWS).astype(np.float64)
    shared = shared[(shared @ labels > 0) & (shared @ ~labels > 0)]
    once = np.ones((1, n))
    middle = np.mean([curve(labels, row, once)[0] for row in probabilities], axis=0)
    turns = np.arange(len(shared)) % len(probabilities)
    drawn = np.concatenate(
        [curve(labels, row, shared[turns == at]) for at, row in enumerate(probabilities) if (turns == at).any()]
    )
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return Band(middle, low, high)


def _steps(labels: NDArray[np.bool_], scores: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return weighted true and false positives at or above each distinct score, float64[b, steps], beginning with 0."""
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    hits = np.cumsum(weights[:, order] * labels[order], axis=1)[:, last]
    alarms = np.cumsum(weights[:, order] * ~labels[order], axis=1)[:, last]
    start = np.zeros((len(weights), 1))
    return np.hstack([start, hits]), np.hstack([start, alarms])


def _roc(labels: NDArray[np.bool_], scores: Floats, weights: Floats) -> Floats:
    hits, alarms = _steps(labels, scores, weights)
    across, up = alarms / alarms[:, -1:], hits / hits[:, -1:]
    return np.array([np.interp(GRID, x, y) for x, y in zip(across, up, strict=True)])


def _precision(labels: NDArray[np.bool_], scores: Floats, weights: Floats) -> Floats:
    hits, alarms = (side[:, 1:] for side in _steps(labels, scores, weights))
    flagged = hits + alarms
    precision = np.divide(hits, flagged, out=np.zeros_like(hits), where=flagged > 0)
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    recall = hits / hits[:, -1:]
    at = [np.searchsorted(row, GRID - 1e-12, side="left") for row in recall]
    return np.array([row[place] for row, place in zip(best, at, strict=True)])
