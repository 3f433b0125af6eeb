"""The procedure in time order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from customer_risk.model.evaluation.intervals import make_draws
from customer_risk.model.training import temporal
from customer_risk.model.training.study import Study


@pytest.fixture
def study(learnable, small) -> Study:
    """The learnable customers, joining one a day; the last five never."""
    n = len(learnable.suspended)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    return Study(
        table=learnable.table,
        suspended=learnable.suspended,
        joined=tuple(start + timedelta(days=at) if at < n - 5 else None for at in range(n)),
        directions={},
        config=small,
        folds=2,
        draws=make_draws(n, small.evaluation.repeats, draws=40, confidence=0.9, seed=1),
    )


def test_parts_follow_each_other_in_time(study):
    """The three parts hold 70%, 15% and 15% of the dated customers, each later than the one before."""
    parts = temporal.time_view(study).parts
    assert [part.customers for part in parts] == [102, 21, 22]
    assert parts[0].last < parts[1].first <= parts[1].last < parts[2].first


def test_small_parts_have_no_metrics_and_say_why(study):
    """Where a part holds fewer than ten of a label there is no metric, and the meaning says why."""
    few = np.zeros_like(study.suspended)
    few[:30] = True
    found = temporal.time_view(replace(study, suspended=few))
    assert [part.suspended for part in found.parts] == [30, 0, 0]
    assert all(part.metrics is None for part in found.parts)
    assert "30 / 0 / 0" in found.meaning
    assert "haven't been detected yet" in found.meaning
    assert "5 customers without a transaction" in found.meaning


def test_parts_with_enough_of_each_label_are_measured(study):
    """A later part with ten of each label is answered by a model that knows the earlier customers alone."""
    every_second = np.arange(len(study.suspended)) % 2 == 0
    values = study.table.values.copy()
    values[:, 0] = every_second + np.random.default_rng(1).normal(scale=0.3, size=len(values))
    told = replace(study, suspended=every_second, table=replace(study.table, values=values))
    found = temporal.time_view(told)
    assert found.parts[0].metrics is None
    assert all(part.metrics["roc_auc"].estimate > 0.9 for part in found.parts[1:])
    assert "Each later part is scored" in found.meaning
