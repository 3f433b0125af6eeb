"""The time-ordered view."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from customer_risk.model.training import temporal


def test_parts_follow_each_other_in_time(study):
    """The three parts have 70%, 15% and 15% of the dated customers, in time order."""
    parts = temporal.time_view(study).parts
    assert [part.customers for part in parts] == [102, 21, 22]
    assert parts[0].last < parts[1].first <= parts[1].last < parts[2].first


def test_small_parts_have_a_reason_instead_of_metrics(study):
    """A part with fewer than ten customers of a label has no metrics, and the text says why."""
    few = np.zeros_like(study.suspended)
    few[:30] = True
    found = temporal.time_view(replace(study, suspended=few))
    assert [part.suspended for part in found.parts] == [30, 0, 0]
    assert all(part.metrics is None for part in found.parts)
    assert "30 / 0 / 0" in found.meaning
    assert "haven't been detected yet" in found.meaning
    assert "5 customers without a transaction" in found.meaning


def test_parts_with_enough_of_each_label_are_measured(study):
    """A later part with ten customers of each label is scored by a model trained on earlier customers only."""
    every_second = np.arange(len(study.suspended)) % 2 == 0
    values = study.table.values.copy()
    values[:, 0] = every_second + np.random.default_rng(1).normal(scale=0.3, size=len(values))
    told = replace(study, suspended=every_second, table=replace(study.table, values=values))
    found = temporal.time_view(told)
    assert found.parts[0].metrics is None
    assert all(part.metrics["roc_auc"].estimate > 0.9 for part in found.parts[1:])
    assert "Each later part is scored" in found.meaning
