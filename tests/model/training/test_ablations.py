"""Measurements of alternatives."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from customer_risk.model.evaluation.intervals import make_draws
from customer_risk.model.features.frame import FeatureTable
from customer_risk.model.training import ablations as arms
from customer_risk.model.training.study import Study


@pytest.fixture
def study(learnable, small) -> Study:
    """The study of the made-up customers, who all joined on one day."""
    n = len(learnable.suspended)
    return Study(
        table=learnable.table,
        suspended=learnable.suspended,
        joined=(datetime(2024, 1, 1, tzinfo=UTC),) * n,
        directions={},
        config=small,
        folds=2,
        draws=make_draws(n, small.evaluation.repeats, draws=60, confidence=0.9, seed=1),
    )


def test_events_that_reveal_the_outcome_are_better_beyond_chance(study):
    """With the label among the features, the arm with excluded events is better beyond chance, but isn't shipped."""
    table = study.table
    traced = table.values.copy()
    traced[:, table.names.index("noise_1")] = study.suspended
    found = arms.excluded_types(study, FeatureTable(table.ids, table.names, traced), lambda: None)
    assert found.arms[0].key == "without"
    assert found.differences["with"]["average_precision"].low > 0
    assert "With MANUAL is better in average precision" in found.conclusion


def test_equal_arms_have_no_difference(study):
    """Two arms on the same table give the same numbers, and the conclusion claims no difference."""
    found = arms.excluded_types(study, study.table, lambda: None)
    assert found.differences["with"]["roc_auc"].estimate == 0
    assert "No difference between the arms is beyond chance" in found.conclusion


def test_every_weighting_is_measured(study):
    """Weights, no weights, repeated and invented rows are compared in the same folds; mild weights are shipped."""
    found = arms.weighting(study, lambda: None)
    assert [arm.key for arm in found.arms] == list(arms.WEIGHTINGS)
    assert all(arm.metrics["roc_auc"].estimate > 0.6 for arm in found.arms)


def test_calibration_methods_share_the_margins(study):
    """Methods that keep the order have equal ranking metrics; only isotonic regression has ties."""
    found = arms.calibration(study, study.cross_validate(arms.untuned(study)))
    ranked = {arm.key: arm.metrics["roc_auc"].estimate for arm in found.arms}
    assert ranked["platt"] == pytest.approx(ranked["level"]) == pytest.approx(ranked["none"])
    assert found.arms[0].title.endswith("(shipped)")
    assert str(int(study.suspended.sum())) in found.conclusion


def test_little_data_calibrates_the_level_only(study):
    """With fewer than thirty suspended customers the level-only method is shipped."""
    few = study.suspended & (np.cumsum(study.suspended) <= 20)
    table = study.table
    sparse = Study(table, few, study.joined, {}, study.config, 2, study.draws)
    found = arms.calibration(sparse, sparse.cross_validate(arms.untuned(sparse)))
    assert found.arms[0].key == "level"
