"""Metrics of labels against scores, for many weightings of the same customers at once.

`weights` is float64[b, n]: each row has weights of the n customers, such as bootstrap counts. A result is float64[b],
NaN for weights with which it isn't defined (no suspended customer, no flagged customer).
"""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

BINS = 10


def ranking(labels: Flags, scores: Floats, weights: Floats) -> dict[str, Floats]:
    """Return average precision, ROC-AUC and the greatest recall at 80% and 90% precision; ties are one step.

    Average precision is the sum of precision times the step in recall (Manning et al. 2008, 8.4), not interpolated.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    hits = np.cumsum(weights[:, order] * labels[order], axis=1)[:, last]
    alarms = np.cumsum(weights[:, order] * ~labels[order], axis=1)[:, last]
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(hits + alarms > 0, hits / (hits + alarms), 0.0)
        recall = hits / hits[:, -1:]
        fall_out = alarms / alarms[:, -1:]
        rise = np.diff(recall, axis=1, prepend=0.0)
        run = np.diff(fall_out, axis=1, prepend=0.0)
        height = recall - rise / 2
        both = (hits[:, -1] > 0) & (alarms[:, -1] > 0)
        return {
            "average_precision": np.where(hits[:, -1] > 0, (precision * rise).sum(axis=1), np.nan),
            "roc_auc": np.where(both, (run * height).sum(axis=1), np.nan),
            "recall_at_precision_80": _recall_at(0.8, precision, recall),
            "recall_at_precision_90": _recall_at(0.9, precision, recall),
        }


def probability(labels: Flags, probabilities: Floats, weights: Floats) -> dict[str, Floats]:
    """Return the Brier score (Brier 1950) and the calibration error over ten equal-count bins (Naeini et al. 2015)."""
    total = weights.sum(axis=1)
    bins = equal_count_bins(probabilities)
    member = np.zeros((len(labels), int(bins.max()) + 1))
    member[np.arange(len(labels)), bins] = 1.0
    gap = np.abs((weights * (labels - probabilities)) @ member).sum(axis=1)
    return {"brier": (weights @ np.square(labels - probabilities)) / total, "calibration_error": gap / total}


def decision(labels: Flags, flagged: Flags, weights: Floats) -> dict[str, Floats]:
    """Return accuracy, balanced accuracy, F1, precision and recall of one decision per customer."""
    hit, alarm, miss, quiet = confusion(labels, flagged, weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = hit / (hit + miss)
        return {
            "accuracy": (hit + quiet) / (hit + alarm + miss + quiet),
            "balanced_accuracy": (recall + quiet / (quiet + alarm)) / 2,
            "f1": np.where(hit + miss > 0, 2 * hit / (2 * hit + alarm + miss), np.nan),
            "precision": hit / (hit + alarm),
            "recall": recall,
        }


def confusion(labels: Flags, flagged: Flags, weights: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return weighted true positives, false positives, false negatives and true negatives."""
    return (
        weights @ (labels & flagged),
        weights @ (~labels & flagged),
        weights @ (labels & ~flagged),
        weights @ (~labels & ~flagged),
    )


def wilson_bounds(count: float, of: float, confidence: float) -> tuple[float, float]:
    """Return the bounds of Wilson's score interval of the share count / of (Wilson 1927)."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = count / of
    centre = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return max(0.0, centre - half), min(1.0, centre + half)


def equal_count_bins(probabilities: Floats, bins: int = BINS) -> NDArray[np.int64]:
    """Return each customer's bin number, ascending without gaps; equal probabilities share a bin."""
    edges = np.unique(np.quantile(probabilities, np.linspace(0, 1, bins + 1)[1:-1]))
    numbers = np.searchsorted(edges, probabilities, side="right")
    return np.unique(numbers, return_inverse=True)[1].astype(np.int64)


def auc_of_feature(labels: Flags, values: Floats) -> float:
    """Return the ROC-AUC of one feature alone: the best of both directions, with NaN as the lowest or highest value."""
    known = values[~np.isnan(values)]
    if known.size == 0:
        return 0.5
    ones = np.ones((1, len(labels)))
    span = float(np.ptp(known)) + 1.0
    tried = [np.where(np.isnan(values), limit, values) for limit in (known.min() - span, known.max() + span)]
    found = [float(ranking(labels, one, ones)["roc_auc"][0]) for one in tried]
    return max(max(auc, 1 - auc) for auc in found)


def _recall_at(least: float, precision: Floats, recall: Floats) -> Floats:
    best: Floats = np.where(precision >= least, recall, 0.0).max(axis=1)
    return best
