"""Calibration: margins to probabilities, fitted on out-of-fold margins and shifted to the portfolio's risk rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.isotonic import IsotonicRegression

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

ENOUGH_FOR_ISOTONIC = 1000  # suspended customers; with fewer, it overfits (Niculescu-Mizil & Caruana 2005)
ENOUGH_FOR_SLOPE = 30  # suspended customers; with fewer, a fitted slope is mostly noise, and 1 is the better estimate
LEAST_SLOPE = 0.05


def fit_line(margins: Floats, labels: Flags) -> tuple[float, float]:
    """Fit slope and intercept: by Platt's method, or only the intercept if too few customers are suspended."""
    if int(labels.sum()) < ENOUGH_FOR_SLOPE:
        return 1.0, fit_intercept(margins, _targets(labels))
    return fit_platt(margins, labels)


def fit_platt(margins: Floats, labels: Flags) -> tuple[float, float]:
    """Fit slope and intercept of Platt's sigmoid (Platt 1999, with his smoothed targets).

    margins float64[n], labels bool[n], both classes present. Newton's method with backtracking (Lin, Lin & Weng 2007).
    The slope is at least `LEAST_SLOPE`, so that calibration never reverses the model's order.
    """
    targets = _targets(labels)
    design = np.column_stack([margins, np.ones(len(margins))])
    line = np.array([0.0, _logit(float(targets.mean()))])
    loss = _loss(design @ line, targets)
    for _ in range(100):
        p = sigmoid(design @ line)
        gradient = design.T @ (p - targets)
        curvature = (design * (p * (1 - p))[:, None]).T @ design + 1e-12 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        size = 1.0
        while size > 1e-10 and _loss(design @ (line - size * step), targets) > loss - 1e-4 * size * float(
            gradient @ step
        ):
            size /= 2
        line = line - size * step
        loss = _loss(design @ line, targets)
        if float(np.abs(size * step).max()) < 1e-12:
            break
    slope, intercept = line.tolist()
    return (slope, intercept) if slope >= LEAST_SLOPE else (LEAST_SLOPE, fit_intercept(LEAST_SLOPE * margins, targets))


def fit_intercept(margins: Floats, targets: Floats) -> float:
    """Fit the intercept by bisection, so that the sum of the probabilities equals the sum of the targets."""
    low, high = -50.0, 50.0
    for _ in range(200):
        middle = (low + high) / 2
        if float(sigmoid(margins + middle).sum()) < float(targets.sum()):
            low = middle
        else:
            high = middle
    return (low + high) / 2


def fit_isotonic(margins: Floats, labels: Flags) -> tuple[Floats, Floats]:
    """Fit increasing probabilities (Zadrozny & Elkan 2002); return the margins at the steps and their probabilities."""
    fitted = IsotonicRegression(y_min=1e-6, y_max=1 - 1e-6, out_of_bounds="clip").fit(margins, labels.astype(float))
    return np.asarray(fitted.X_thresholds_, dtype=np.float64), np.asarray(fitted.y_thresholds_, dtype=np.float64)


def prior_shift(sample_rate: float, portfolio_rate: float | None) -> float:
    """Return the log-odds to add for the portfolio's risk rate (Saerens et al. 2002; Elkan 2001); 0 if it is None."""
    return 0.0 if portfolio_rate is None else _logit(portfolio_rate) - _logit(sample_rate)


def prior_weights(labels: Flags, portfolio_rate: float | None) -> Floats:
    """Return weights that give the suspended customers the portfolio's share; all 1 if `portfolio_rate` is None."""
    if portfolio_rate is None:
        return np.ones(len(labels))
    sample = float(labels.mean())
    return np.where(labels, portfolio_rate / sample, (1 - portfolio_rate) / (1 - sample))


def shifted(probabilities: Floats, shift: float) -> Floats:
    """Return probabilities shifted in log-odds."""
    if shift == 0:
        return probabilities
    clipped = np.clip(probabilities, 1e-15, 1 - 1e-15)
    return sigmoid(np.log(clipped) - np.log1p(-clipped) + shift)


def sigmoid(margins: Floats) -> Floats:
    """Return 1 / (1 + exp(-margin)) without overflow."""
    small = np.exp(-np.abs(margins))
    return np.asarray(np.where(margins >= 0, 1.0, small) / (1 + small), dtype=np.float64)


def _loss(log_odds: Floats, targets: Floats) -> float:
    """Return the total log loss without overflow: the sum of log(1 + exp(z)) - target z."""
    return float((np.logaddexp(0.0, log_odds) - targets * log_odds).sum())


def _targets(labels: Flags) -> Floats:
    positives, negatives = int(labels.sum()), int((~labels).sum())
    return np.where(labels, (positives + 1) / (positives + 2), 1 / (negatives + 2))


def _logit(rate: float) -> float:
    return float(np.log(rate) - np.log1p(-rate))
