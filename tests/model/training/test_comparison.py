"""Cross-validation of a procedure."""

from __future__ import annotations

import numpy as np
import pytest

from customer_risk.model.training.comparison import cross_validate
from customer_risk.model.training.procedure import Fitted, fit_procedure

MEMBERS = ({"keep": 3, "rounds": 3, "max_depth": 2},)


class _Noting:
    """A model whose margin is 1 for its training customers."""

    def __init__(self, ids):
        self.names = ()
        self.ids = set(ids)

    def margins(self, table):
        return np.array([float(one in self.ids) for one in table.ids])


def _noting(table, suspended, _seed):
    return Fitted(_Noting(table.ids), 1.0, 0.0, np.linspace(-1, 1, len(suspended)), 2)


def test_each_customer_is_scored_by_a_fit_without_the_customer(learnable):
    """In every repeat each customer is scored by a fit without the customer."""
    found = cross_validate(_noting, *learnable, folds=4, repeats=3, seed=1, threads=1)
    margins = found.collect(lambda one: one.margins)
    assert margins.shape == (3, len(learnable.suspended))
    assert (margins == 0).all()


def test_cuts_are_chosen_on_the_training_side(learnable):
    """A cut-off is chosen from the training side's labels and inner probabilities only."""
    found = cross_validate(_noting, *learnable, folds=5, repeats=1, seed=1, threads=1)
    seen = []

    def cut(labels, inner):
        seen.append((len(labels), len(inner)))
        return 0.5

    found.flag(cut)
    assert seen == [(len(one.fold.train), len(one.fold.train)) for one in found.fits]


def test_threads_change_no_bit(learnable, small):
    """One thread and two threads give identical probabilities."""

    def fit(table, suspended, seed):
        return fit_procedure(table, suspended, small.training, seed, directions={}, members=MEMBERS)

    one, two = (
        cross_validate(fit, *learnable, folds=3, repeats=1, seed=2, threads=threads).probabilities for threads in (1, 2)
    )
    assert np.array_equal(one, two)


def test_each_fit_ticks(learnable):
    """`tick` is called after each fit."""
    ticks = []
    cross_validate(_noting, *learnable, folds=3, repeats=2, seed=1, threads=2, tick=lambda: ticks.append(1))
    assert len(ticks) == 6


def test_folds_are_numbered(learnable):
    """Each test part has its own fold number."""
    found = cross_validate(_noting, *learnable, folds=3, repeats=2, seed=1, threads=1)
    numbers = found.fold_numbers
    for at, one in enumerate(found.fits):
        assert np.flatnonzero(numbers[one.repeat] == at).tolist() == one.fold.test.tolist()


def test_procedures_are_compared_in_the_same_folds(learnable):
    """The same seed gives the same folds to any procedure."""
    first, second = (
        cross_validate(_noting, *learnable, folds=4, repeats=2, seed=6, threads=1).fold_numbers for _ in range(2)
    )
    assert np.array_equal(first, second)


def test_a_failing_fit_ends_the_comparison(learnable):
    """An error in a thread is raised."""

    def broken(*_):
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        cross_validate(broken, *learnable, folds=3, repeats=1, seed=1, threads=2)
