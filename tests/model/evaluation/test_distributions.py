"""Histograms by label."""

from __future__ import annotations

import numpy as np
import pytest

from customer_risk.model.evaluation.distributions import distribution
from customer_risk.model.features.catalogue import CATALOGUE

FEATURE = CATALOGUE[0]
LABELS = np.arange(100) < 30


def _made(values):
    return distribution(FEATURE, np.asarray(values, dtype=float), LABELS)


@pytest.mark.parametrize(
    "values",
    [np.arange(100.0), np.full(100, 3.0), np.exp(np.arange(100.0) / 8), -np.exp(np.arange(100.0) / 8)],
    ids=["even", "one value", "long tail", "negative tail"],
)
def test_every_value_is_counted_once(values):
    """Counts add up to the customers of each label, and edges rise, on either scale."""
    found = _made(values)
    assert sum(found.suspended) == 30
    assert sum(found.active) == 70
    assert len(found.edges) == len(found.active) + 1
    assert (np.diff(found.edges) > 0).all()


def test_missing_values_are_counted_separately():
    """Missing values are counted separately."""
    values = np.arange(100.0)
    values[[0, 1, 50]] = np.nan
    found = _made(values)
    assert (found.missing_suspended, found.missing_active) == (2, 1)
    assert sum(found.suspended) + sum(found.active) == 97


def test_a_completely_missing_feature_has_no_median():
    """Without any value there is no median, and the feature's own AUC is 0.5."""
    found = _made(np.full(100, np.nan))
    assert found.median_active is None
    assert found.auc == 0.5


def test_long_tails_are_drawn_on_a_log_scale():
    """Values over several orders of magnitude have a log scale; evenly spread values don't."""
    assert _made(np.exp(np.arange(100.0) / 8)).log_scale
    assert not _made(np.arange(100.0)).log_scale
