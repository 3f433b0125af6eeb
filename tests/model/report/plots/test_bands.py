"""Curves with bands, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve, roc_auc_score, roc_curve

from customer_risk.model.report.plots import bands


@pytest.fixture
def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Labels and one repeat's probabilities, with ties."""
    random = np.random.default_rng(2)
    labels = random.random(120) < 0.3
    return labels, np.round(np.clip(0.3 * labels + random.random(120) * 0.7, 0, 1), 2)[None, :]


def test_the_roc_curve_equals_scikit_learns(drawn):
    """The curve equals scikit-learn's at the same false positive rates, also with ties."""
    labels, probabilities = drawn
    across, up, _ = roc_curve(labels, probabilities[0], drop_intermediate=False)
    band = bands.roc(labels, probabilities, confidence=0.95, seed=0)
    inside = ~np.isin(np.round(bands.GRID, 9), np.round(across, 9))  # a vertical step has no one height
    assert band.middle[inside] == pytest.approx(np.interp(bands.GRID, across, up)[inside])
    assert np.trapezoid(band.middle, bands.GRID) == pytest.approx(roc_auc_score(labels, probabilities[0]), abs=0.01)


def test_precision_at_a_recall_is_the_greatest_there_or_beyond(drawn):
    """Each point equals scikit-learn's greatest precision at that recall or a higher one."""
    labels, probabilities = drawn
    precision, recall, _ = precision_recall_curve(labels, probabilities[0])
    band = bands.precision_recall(labels, probabilities, confidence=0.95, seed=0)
    expected = [precision[:-1][recall[:-1] >= at - 1e-12].max() for at in bands.GRID]
    assert band.middle == pytest.approx(expected)


def test_the_curve_is_the_mean_over_repeats(drawn):
    """With two repeats the curve is the mean of both curves."""
    labels, probabilities = drawn
    two = np.vstack([probabilities, probabilities[:, ::-1]])
    alone = [bands.roc(labels, row[None, :], confidence=0.95, seed=0).middle for row in two]
    assert bands.roc(labels, two, confidence=0.95, seed=0).middle == pytest.approx(np.mean(alone, axis=0))


def test_the_band_contains_the_curve(drawn):
    """The band contains the curve and isn't empty."""
    band = bands.roc(*drawn, confidence=0.95, seed=0)
    assert np.mean((band.low <= band.middle) & (band.middle <= band.high)) > 0.9
    assert (band.high - band.low).max() > 0.05


def test_more_confidence_widens_the_band(drawn):
    """A band of higher confidence is at least as wide everywhere."""
    narrow, wide = (bands.precision_recall(*drawn, confidence=level, seed=0) for level in (0.5, 0.95))
    assert ((wide.high - wide.low) >= (narrow.high - narrow.low) - 1e-12).all()
