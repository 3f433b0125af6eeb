"""Calibration and the shift to a portfolio's risk rate."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from customer_risk.model.policy import calibration


@pytest.fixture
def margins():
    """Margins that are three times too steep, and their labels."""
    random = np.random.default_rng(3)
    truth = random.normal(-1.5, 1.5, size=3000)
    return 3 * truth + 1, random.random(3000) < calibration.sigmoid(truth)


def test_platt_equals_a_logistic_regression_on_smoothed_targets(margins):
    """Slope and intercept equal scikit-learn's on the same targets, given as weighted labels."""
    values, labels = margins
    targets = calibration._targets(labels)
    doubled = np.concatenate([values, values])[:, None]
    oracle = LogisticRegression(C=1e10, tol=1e-10, max_iter=10_000).fit(
        doubled, np.repeat([1, 0], len(values)), sample_weight=np.concatenate([targets, 1 - targets])
    )
    slope, intercept = calibration.fit_platt(values, labels)
    assert slope == pytest.approx(oracle.coef_[0, 0], rel=1e-4)
    assert intercept == pytest.approx(oracle.intercept_[0], rel=1e-4)


def test_platt_undoes_a_distortion(margins):
    """The fit reverses a stretch of the margins by three and a shift by one."""
    slope, intercept = calibration.fit_platt(*margins)
    assert slope == pytest.approx(1 / 3, rel=0.15)
    assert intercept == pytest.approx(-1 / 3, abs=0.15)


def test_platt_never_turns_a_ranking_round():
    """Margins in the reverse order get a small positive slope, and the right mean probability."""
    values = np.linspace(-2, 2, 400)
    labels = np.linspace(0, 1, 400) < 0.3
    slope, intercept = calibration.fit_platt(values, labels)
    assert slope == calibration.LEAST_SLOPE
    assert calibration.sigmoid(slope * values + intercept).mean() == pytest.approx(labels.mean(), abs=0.01)


def test_platt_holds_where_margins_separate():
    """Perfectly separated classes give a finite slope, by Platt's smoothed targets."""
    values = np.concatenate([np.full(30, -4.0), np.full(10, 4.0)])
    slope, intercept = calibration.fit_platt(values, values > 0)
    assert np.isfinite([slope, intercept]).all()
    assert slope > 0


def test_few_suspended_customers_get_a_level_only(margins):
    """With fewer than thirty suspended customers the slope is 1, otherwise it is Platt's."""
    values, labels = margins
    order = np.argsort(~labels, kind="stable")
    few = order[int(labels.sum()) - 29 :]
    assert calibration.fit_line(values[few], labels[few])[0] == 1.0
    more = order[int(labels.sum()) - 30 :]
    assert calibration.fit_line(values[more], labels[more]) == calibration.fit_platt(values[more], labels[more])


def test_isotonic_rises():
    """Isotonic regression gives probabilities that never fall as the margin rises."""
    random = np.random.default_rng(1)
    values = random.normal(size=300)
    at, p = calibration.fit_isotonic(values, random.random(300) < calibration.sigmoid(values))
    assert (np.diff(at) > 0).all()
    assert (np.diff(p) >= 0).all()


def test_shift_moves_the_odds_by_the_ratio_of_the_rates():
    """From a sample at 20% to a portfolio at 5%, odds are multiplied by the rates' odds ratio (Bayes' rule)."""
    shown = calibration.shifted(np.array([0.5]), calibration.prior_shift(0.2, 0.05))[0]
    odds = (0.05 / 0.95) / (0.2 / 0.8)
    assert shown == pytest.approx(odds / (1 + odds))


def test_no_portfolio_rate_shifts_nothing():
    """Without a portfolio's rate, the sample's rate is used."""
    values = np.array([0.1, 0.7])
    assert calibration.prior_shift(0.16, None) == 0
    assert calibration.shifted(values, 0.0) is values


def test_prior_weights_give_the_portfolio_its_rate():
    """The weighted share of suspended customers is the portfolio's, and the total weight doesn't change."""
    labels = np.arange(100) < 16
    weights = calibration.prior_weights(labels, 0.02)
    assert weights[labels].sum() / weights.sum() == pytest.approx(0.02)
    assert weights.sum() == pytest.approx(100)


def test_shifted_probabilities_stay_calibrated_in_the_portfolio():
    """Calibrated probabilities, shifted, agree with the labels of the re-weighted sample."""
    random = np.random.default_rng(8)
    p = random.beta(1, 4, size=200_000)
    labels = random.random(p.size) < p
    weights = calibration.prior_weights(labels, 0.04)
    shown = calibration.shifted(p, calibration.prior_shift(float(labels.mean()), 0.04))
    for low, high in ((0.0, 0.05), (0.05, 0.2), (0.2, 0.6)):
        inside = (shown >= low) & (shown < high)
        observed = np.average(labels[inside], weights=weights[inside])
        assert np.average(shown[inside], weights=weights[inside]) == pytest.approx(observed, abs=0.01)


def test_sigmoid_survives_great_margins():
    """Margins of a thousand give 0 and 1 without a warning."""
    assert calibration.sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist() == [0.0, 0.5, 1.0]
