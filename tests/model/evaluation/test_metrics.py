"""Metrics, each against another library or a closed form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from customer_risk.model.evaluation import metrics

rows = st.lists(st.tuples(st.booleans(), st.integers(0, 12), st.integers(0, 3)), min_size=6, max_size=60).filter(
    lambda cases: sum(w for y, _, w in cases if y) > 0 and sum(w for y, _, w in cases if not y) > 0
)


def _arrays(cases):
    labels = np.array([y for y, _, _ in cases])
    scores = np.array([s / 12 for _, s, _ in cases])
    weights = np.array([float(w) for _, _, w in cases])
    return labels, scores, weights


@settings(max_examples=80, deadline=None)
@given(rows)
def test_ranking_equals_scikit_learn(cases):
    """Average precision and ROC-AUC are scikit-learn's, with ties and weights."""
    labels, scores, weights = _arrays(cases)
    found = metrics.ranking(labels, scores, weights[None, :])
    assert found["average_precision"][0] == pytest.approx(
        oracle.average_precision_score(labels, scores, sample_weight=weights)
    )
    assert found["roc_auc"][0] == pytest.approx(oracle.roc_auc_score(labels, scores, sample_weight=weights))


@settings(max_examples=80, deadline=None)
@given(rows)
def test_recall_at_precision_equals_trying_every_cut(cases):
    """It is the greatest recall of all cut-offs that reach the precision, or 0."""
    labels, scores, weights = _arrays(cases)
    best = 0.0
    for cut in np.unique(scores):
        flagged = scores >= cut
        hit, all_flagged = weights[labels & flagged].sum(), weights[flagged].sum()
        if all_flagged and hit / all_flagged >= 0.8:
            best = max(best, hit / weights[labels].sum())
    assert metrics.ranking(labels, scores, weights[None, :])["recall_at_precision_80"][0] == pytest.approx(best)


@settings(max_examples=60, deadline=None)
@given(rows)
def test_decisions_equal_scikit_learn(cases):
    """Accuracy, balanced accuracy, F1, precision and recall are scikit-learn's."""
    labels, scores, weights = _arrays(cases)
    flagged = scores >= 0.5
    found = metrics.decision(labels, flagged, weights[None, :])
    assert found["accuracy"][0] == pytest.approx(oracle.accuracy_score(labels, flagged, sample_weight=weights))
    assert found["balanced_accuracy"][0] == pytest.approx(
        oracle.balanced_accuracy_score(labels, flagged, sample_weight=weights)
    )
    assert found["f1"][0] == pytest.approx(oracle.f1_score(labels, flagged, sample_weight=weights))
    assert found["recall"][0] == pytest.approx(oracle.recall_score(labels, flagged, sample_weight=weights))
    if weights[flagged].sum() > 0:
        assert found["precision"][0] == pytest.approx(oracle.precision_score(labels, flagged, sample_weight=weights))
    else:
        assert np.isnan(found["precision"][0])


@settings(max_examples=40, deadline=None)
@given(rows)
def test_brier_equals_scikit_learn(cases):
    """The Brier score is scikit-learn's."""
    labels, scores, weights = _arrays(cases)
    assert metrics.probability(labels, scores, weights[None, :])["brier"][0] == pytest.approx(
        oracle.brier_score_loss(labels, scores, sample_weight=weights)
    )


def test_several_weightings_at_once_equal_each_alone():
    """Several weightings at once give the same results as each alone."""
    random = np.random.default_rng(1)
    labels, scores = random.random(50) < 0.3, random.random(50)
    weights = random.integers(0, 4, size=(7, 50)).astype(float)
    block = metrics.ranking(labels, scores, weights)
    for at in range(7):
        alone = metrics.ranking(labels, scores, weights[at : at + 1])
        for name, values in block.items():
            assert values[at] == pytest.approx(alone[name][0])


def test_calibration_error_by_hand():
    """With ten equal bins, the error is the mean distance of the bins."""
    p = np.repeat(np.linspace(0.05, 0.95, 10), 10)
    observed = np.linspace(0.0, 0.9, 10)
    labels = np.concatenate([np.arange(10) < round(10 * share) for share in observed])
    assert metrics.probability(labels, p, np.ones((1, 100)))["calibration_error"][0] == pytest.approx(0.05)


def test_equal_probabilities_share_a_bin():
    """Equal probabilities are one bin, whose error is the distance to the rate."""
    labels = np.arange(100) < 20
    assert metrics.equal_count_bins(np.full(100, 0.3)).tolist() == [0] * 100
    found = metrics.probability(labels, np.full(100, 0.3), np.ones((1, 100)))
    assert found["calibration_error"][0] == pytest.approx(0.1)


def test_bins_have_equal_counts():
    """A hundred different probabilities are divided into ten bins of ten."""
    counts = np.bincount(metrics.equal_count_bins(np.random.default_rng(0).random(100)))
    assert counts.tolist() == [10] * 10


def test_one_class_is_undefined():
    """Without a suspended customer there is no average precision and no ROC-AUC."""
    found = metrics.ranking(np.zeros(5, dtype=bool), np.arange(5.0), np.ones((1, 5)))
    assert np.isnan(found["average_precision"][0])
    assert np.isnan(found["roc_auc"][0])


def test_a_feature_separates_in_either_direction():
    """A feature's ROC-AUC is the best of both directions, with missing values as the lowest or highest."""
    labels = np.arange(10) < 5
    assert metrics.auc_of_feature(labels, np.arange(10.0)) == 1.0
    assert metrics.auc_of_feature(labels, -np.arange(10.0)) == 1.0
    assert metrics.auc_of_feature(labels, np.where(labels, np.nan, 1.0)) == 1.0
    assert metrics.auc_of_feature(labels, np.full(10, np.nan)) == 0.5
