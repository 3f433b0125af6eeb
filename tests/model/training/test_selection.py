"""Ranking of features."""

from __future__ import annotations

import numpy as np

from customer_risk.model.features.frame import FeatureTable
from customer_risk.model.training import selection


def test_the_signal_ranks_first_and_constants_not_at_all(learnable):
    """The feature that makes the label is the first; a constant feature isn't ranked."""
    ranked = selection.rank(*learnable, {}, 1)
    assert ranked[0] == "signal"
    assert "same" not in ranked
    assert set(ranked) == set(learnable.table.names) - {"same"}


def test_a_forbidden_direction_hides_a_signal(learnable):
    """A feature whose direction contradicts the data has no gain."""
    ranked = selection.rank(*learnable, {"signal": -1}, 1)
    assert ranked[0] != "signal"


def test_the_seed_decides(learnable):
    """The same seed gives the same ranking."""
    assert selection.rank(*learnable, {}, 4) == selection.rank(*learnable, {}, 4)


def test_a_constant_with_missing_values_is_ranked():
    """A feature with one value and missing values is ranked; one with missing values only isn't."""
    labels = np.arange(40) % 2 == 0
    there = np.where(labels, 1.0, np.nan)
    table = FeatureTable(tuple(map(str, range(40))), ("there", "never"), np.column_stack([there, np.full(40, np.nan)]))
    assert selection.rank(table, labels, {}, 0) == ("there",)


def test_many_customers_are_sampled(learnable, monkeypatch):
    """Large tables are ranked on a seeded sample."""
    monkeypatch.setattr(selection, "MOST_CUSTOMERS", 80)
    assert selection.rank(*learnable, {}, 2)[0] == "signal"
