"""Cross-validation of a procedure."""

from __future__ import annotations

import numpy as np
import pytest

from customer_risk.model.training.comparison import cross_validate
from customer_risk.model.training.procedure import Fitted, fit_procedure

MEMBERS = ({"keep": 3, "rounds": 3, "max_depth": 2},)


class _Noting:
    """A model that remembers whom it was fitted to and answers 1 for them."""

    def __init__(self, ids):
        self.names = ()
        self.ids = set(ids)

    def margins(self, table):
        return np.array([float(one in self.ids) for one in table.ids])


def _noting(table, suspended, _seed):
    return Fitted(_Noting(table.ids), 1.0, 0.0, np.linspace(-1, 1, len(suspended)), 2)


def test_no_answer_comes_from_a_fit_that_saw_the_customer(learnable):
    """In every repeat each customer is answered, by a fit without them."""
    found = cross_validate(_noting, *learnable, folds=4, repeats=3, seed=1, threads=1)
    margins = found.collect(lambda one: one.margins)
    assert margins.shape == (3, len(learnable.suspended))
    assert (margins == 0).all()


def test_cuts_are_chosen_on_the_training_side(learnable):
    """The function that chooses a cut-off is given the training side's labels and inner answers alone."""
    found = cross_validate(_noting, *learnable, folds=5, repeats=1, seed=1, threads=1)
    seen = []

    def cut(labels, inner):
        seen.append((len(labels), len(inner)))
        return 0.5

    found.flag(cut)
    assert seen == [(len(one.fold.train), len(one.fold.train)) for one in found.fits]


def test_threads_change_no_bit(learnable, small):
    """One worker and two give equal probabilities, to the bit."""

    def fit(table, suspended, seed):
        return fit_procedure(table, suspended, small.training, seed, directions={}, members=MEMBERS)

    one, two = (
        cross_validate(fit, *learnable, folds=3, repeats=1, seed=2, threads=threads).probabilities for threads in (1, 2)
    )
    assert np.array_equal(one, two)


def test_each_fit_ticks(learnable):
    """Whoever watches hears of each fit."""
    ticks = []
    cross_validate(_noting, *learnable, folds=3, repeats=2, seed=1, threads=2, tick=lambda: ticks.append(1))
    assert len(ticks) == 6


def test_folds_are_numbered(learnable):
    """Customers of one held-out part share their number, and no two parts do."""
    found = cross_validate(_noting, *learnable, folds=3, repeats=2, seed=1, threads=1)
    numbers = found.fold_numbers
    for at, one in enumerate(found.fits):
        assert np.flatnonzero(numbers[one.repeat] == at).tolist() == one.fold.test.tolist()


def test_procedures_are_compared_in_the_same_folds(learnable):
    """The same seed deals the same folds to any procedure."""
    first, second = (
        cross_validate(_noting, *learnable, folds=4, repeats=2, seed=6, threads=1).fold_numbers for _ in range(2)
    )
    assert np.array_equal(first, second)


def test_a_failing_fit_ends_the_comparison(learnable):
    """An error inside a worker comes out."""

    def broken(*_):
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        cross_validate(broken, *learnable, folds=3, repeats=1, seed=1, threads=2)
