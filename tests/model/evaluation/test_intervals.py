"""Intervals and paired differences."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from customer_risk.model.evaluation import intervals
from customer_risk.model.evaluation.intervals import Measured
from customer_risk.model.evaluation.results import METRICS


def _sample(n=200, repeats=2, seed=0):
    random = np.random.default_rng(seed)
    labels = random.random(n) < 0.25
    scores = np.stack([labels * 0.5 + random.random(n) for _ in range(repeats)]) / 1.5
    return labels, scores


def _draws(n, repeats=2, draws=200):
    return intervals.make_draws(n, repeats, draws=draws, confidence=0.9, seed=3)


def test_every_metric_of_the_results_is_computed():
    """With flags and folds, exactly the metrics of `METRICS` are computed."""
    labels, scores = _sample()
    folds = np.tile(np.arange(200) % 4, (2, 1))
    found = intervals.all_metrics(labels, scores, _draws(200), flagged=scores > 0.5, folds=folds)
    assert set(found) == set(METRICS)


def test_a_draw_equals_computing_on_the_drawn_customers():
    """The weighted metric of a draw equals the metric of the drawn customers, repeated as often as they were drawn."""
    labels, scores = _sample()
    draws = _draws(200, draws=20)
    found = intervals.all_metrics(labels, scores, draws)["average_precision"]
    for at in range(20):
        drawn = np.repeat(np.arange(200), draws.counts[at])
        expected = average_precision_score(labels[drawn], scores[draws.repeat[at]][drawn])
        assert found.draws[at] == pytest.approx(expected)


def test_the_estimate_is_the_mean_over_repeats():
    """The point estimate averages the repeats, each on all customers."""
    labels, scores = _sample()
    found = intervals.all_metrics(labels, scores, _draws(200))["average_precision"]
    assert found.estimate == pytest.approx(np.mean([average_precision_score(labels, one) for one in scores]))


def test_ranking_is_averaged_over_folds_and_pooled_beside_it():
    """With folds, average precision is the mean of each fold's own; the pooled one ranks all scores together."""
    labels, scores = _sample(repeats=1)
    folds = np.arange(200)[None, :] % 4
    found = intervals.all_metrics(labels, scores, _draws(200, repeats=1), folds=folds)
    each = [average_precision_score(labels[folds[0] == at], scores[0][folds[0] == at]) for at in range(4)]
    assert found["average_precision"].estimate == pytest.approx(np.mean(each))
    assert found["average_precision_pooled"].estimate == pytest.approx(average_precision_score(labels, scores[0]))


def test_blocks_change_nothing(monkeypatch):
    """Computing draws in blocks changes no number."""
    labels, scores = _sample()
    whole = intervals.all_metrics(labels, scores, _draws(200))["roc_auc"].draws
    monkeypatch.setattr(intervals, "CELLS", 700)
    assert np.array_equal(intervals.all_metrics(labels, scores, _draws(200))["roc_auc"].draws, whole)


def test_weights_leave_customers_out():
    """Customers with weight 0 don't count, so a stratum is measured alone."""
    labels, scores = _sample(repeats=1)
    members = np.arange(200) < 120
    found = intervals.all_metrics(labels, scores, _draws(200, repeats=1), weights=members.astype(float))
    assert found["average_precision"].estimate == pytest.approx(
        average_precision_score(labels[members], scores[0][members])
    )
    outside = np.where(members, scores[0], -scores[0])[None, :]
    moved = intervals.all_metrics(labels, outside, _draws(200, repeats=1), weights=members.astype(float))
    assert moved["average_precision"].draws == pytest.approx(found["average_precision"].draws)


def test_intervals_cover_the_true_value_as_often_as_stated():
    """Of many samples from one population, about 90% of the 90% intervals contain the population's recall."""
    covered = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        labels = random.random(150) < 0.5
        flagged = (random.random(150) < 0.7)[None, :]
        draws = intervals.make_draws(150, 1, draws=200, confidence=0.9, seed=seed)
        found = intervals.interval(
            intervals.all_metrics(labels, random.random((1, 150)), draws, flagged=flagged)["recall"], 0.9
        )
        covered += found.low <= 0.7 <= found.high
    assert 46 <= covered <= 60


def test_pairing_narrows_a_difference():
    """The difference of two similar procedures, on the same draws, has a much narrower interval than either."""
    labels, scores = _sample(n=300, repeats=1)
    draws = _draws(300, repeats=1)
    one = intervals.all_metrics(labels, scores, draws)["roc_auc"]
    other = intervals.all_metrics(labels, scores + 0.02 * np.random.default_rng(9).random(300), draws)["roc_auc"]
    paired, alone = intervals.difference(one, other, 0.9), intervals.interval(one, 0.9)
    assert paired.high - paired.low < (alone.high - alone.low) / 3


def test_undefined_metrics_have_no_bounds():
    """A metric without a value in any repeat is None; one without a value in most draws has no bounds."""
    assert intervals.interval(Measured((float("nan"),), np.array([np.nan, 1.0])), 0.9).estimate is None
    found = intervals.interval(Measured((0.5,), np.array([np.nan, 0.4, 0.6])), 0.9)
    assert (found.estimate, found.low, found.high) == (0.5, None, None)


def test_the_interval_of_the_calibration_error_contains_the_estimate():
    """The interval of the calibration error, which sampling increases, is centred and contains the estimate."""
    random = np.random.default_rng(4)
    p = random.random(300)
    labels = random.random(300) < p
    found = intervals.interval(
        intervals.all_metrics(labels, p[None, :], _draws(300, repeats=1))["calibration_error"], 0.9
    )
    assert found.low <= found.estimate <= found.high


def test_wilson_by_hand():
    """Wilson's bounds for ten of forty at 95% are 0.142 and 0.402; a share of no customers is None."""
    found = intervals.wilson(10, 40, 0.95)
    assert (round(found.low, 3), round(found.high, 3)) == (0.142, 0.402)
    assert intervals.wilson(0, 0, 0.95).estimate is None


def test_calibration_bins_count_customers_once():
    """Ten repeats of two hundred customers fill bins of twenty customers, not two hundred."""
    labels, scores = _sample(repeats=10)
    bins = intervals.calibration_bins(labels, scores, 0.9)
    assert [one.customers for one in bins] == [20] * 10
    assert [one.predicted for one in bins] == sorted(one.predicted for one in bins)
