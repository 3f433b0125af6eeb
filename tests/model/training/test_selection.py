"""Ranking of features."""

from __future__ import annotations

import numpy as np

from customer_risk.model.features.frame import FeatureTable
from customer_risk.model.training import selection


def test_the_signal_ranks_first_and_constants_not_at_all(learnable):
    """The feature that makes the label comes first; one that is the same for everyone isn't ranked."""
    ranked = selection.rank(*learnable, {}, 1)
    assert ranked[0] == "signal"
    assert "same" not in ranked
    assert set(ranked) == set(learnable.table.names) - {"same"}


def test_a_forbidden_direction_hides_a_signal(learnable):
    """A feature that may only lower risk, but raises it, gains nothing."""
    ranked = selection.rank(*learnable, {"signal": -1}, 1)
    assert ranked[0] != "signal"


def test_the_seed_decides(learnable):
    """The same seed ranks alike."""
    assert selection.rank(*learnable, {}, 4) == selection.rank(*learnable, {}, 4)


def test_values_missing_for_some_vary():
    """A feature with one value that some lack can tell customers apart; an all-missing one can't."""
    labels = np.arange(40) % 2 == 0
    there = np.where(labels, 1.0, np.nan)
    table = FeatureTable(tuple(map(str, range(40))), ("there", "never"), np.column_stack([there, np.full(40, np.nan)]))
    assert selection.rank(table, labels, {}, 0) == ("there",)


def test_many_customers_are_sampled(learnable, monkeypatch):
    """Above the limit a seeded sample ranks, so that time doesn't grow with the table."""
    monkeypatch.setattr(selection, "MOST_CUSTOMERS", 80)
    assert selection.rank(*learnable, {}, 2)[0] == "signal"
