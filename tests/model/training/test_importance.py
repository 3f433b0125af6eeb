"""The importance of features."""

from __future__ import annotations

import numpy as np
import pytest

from customer_risk.model.config import load_config
from customer_risk.model.features.catalogue import CATALOGUE
from customer_risk.model.features.frame import FeatureTable
from customer_risk.model.training import importance
from customer_risk.model.training.comparison import cross_validate
from customer_risk.model.training.procedure import fit_procedure

MEMBERS = ({"keep": 3, "rounds": 6, "max_depth": 3, "eta": 0.3},)
NAMES = ("signal", "noise", "idle")


@pytest.fixture(scope="module")
def judged():
    """A cross-validated booster: `signal` makes the label, `noise` doesn't, `idle` is constant."""
    random = np.random.default_rng(2)
    signal = random.normal(size=200)
    table = FeatureTable(
        tuple(f"c-{at:03d}" for at in range(200)),
        NAMES,
        np.column_stack([signal, random.normal(size=200), np.zeros(200)]),
    )
    labels = signal + random.normal(scale=0.5, size=200) > 0.8

    def fit(rows, suspended, seed):
        return fit_procedure(rows, suspended, load_config().training, seed, directions={}, members=MEMBERS)

    return cross_validate(fit, table, labels, folds=3, repeats=2, seed=1, threads=1), table


def test_contributions_add_up_to_the_calibrated_log_odds(judged):
    """A customer's contributions differ from another's of the same fold by exactly the difference of their log-odds."""
    found, table = judged
    shares = importance.contributions(found, table, NAMES)
    for one in found.fits[:3]:
        log_odds = one.fitted.slope * one.margins
        total = shares[one.fold.test].sum(axis=1)
        assert np.ptp(log_odds - total) == pytest.approx(0, abs=1e-4)


def test_shuffling_the_signal_costs_most(judged):
    """Shuffling lowers average precision a lot for the signal, hardly for noise, and not for an unused feature."""
    found, table = judged
    falls = importance.permutation_falls(found, table, NAMES, seed=1)
    assert falls.shape == (2 * importance.SHUFFLES, 3)
    assert falls[:, 0].mean() > 0.3
    assert abs(falls[:, 1].mean()) < 0.1
    assert (falls[:, 2] == 0).all()


def test_frequency_counts_the_folds(judged):
    """Features that every fold kept have a frequency of 1; a feature that no fold kept is absent."""
    found, _ = judged
    assert importance.selection_frequency(found) == {"signal": 1.0, "noise": 1.0}


def test_rows_are_ordered_by_contribution():
    """The most important feature comes first, with its own numbers."""
    shares = np.array([[0.1, -2.0], [0.1, 2.0]])
    falls = np.array([[0.0, 0.2], [0.1, 0.4]])
    rows = importance.importances(shares, falls, CATALOGUE[:2], {CATALOGUE[1].name: 0.8}, 0.9)
    assert [row.feature for row in rows] == [CATALOGUE[1].name, CATALOGUE[0].name]
    assert rows[0].mean_abs_contribution == 2.0
    assert rows[0].permutation.estimate == pytest.approx(0.3)
    assert (rows[0].selection_frequency, rows[1].selection_frequency) == (0.8, 0.0)


def test_the_sample_keeps_rows_together():
    """Contributions and values of the sample are in the same order; missing values are None."""
    shares = np.arange(10.0)[:, None]
    values = np.where(np.arange(10)[:, None] == 3, np.nan, np.arange(10.0)[:, None])
    sample = importance.shap_sample(shares, values, ["f"], seed=1)
    assert len(sample.values) == 10
    for (share,), (value,) in zip(sample.contributions, sample.values, strict=True):
        assert value == (None if share == 3 else share)
