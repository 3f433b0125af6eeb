"""The shipped procedure."""

from __future__ import annotations

import numpy as np
import pytest

from customer_risk.model.errors import LabelError
from customer_risk.model.training import procedure
from customer_risk.model.training.baselines import Dummy, Forest, Logistic
from customer_risk.model.training.comparison import cross_validate
from customer_risk.model.training.tuning import quiet


@pytest.fixture(scope="module")
def fitted(learnable, small):
    """The procedure, fitted once."""
    with quiet():
        return procedure.fit_procedure(*learnable, small.training, 1, directions={})


def test_probabilities_are_higher_for_suspended_customers(learnable, fitted):
    """Out-of-fold probabilities are greater on average for suspended customers."""
    p = fitted.inner_probabilities
    assert p[learnable.suspended].mean() > 1.4 * p[~learnable.suspended].mean()


def test_inner_probabilities_add_up_to_the_suspended_customers(learnable, fitted):
    """Out-of-fold probabilities add up to about the number of suspended customers."""
    assert fitted.inner_probabilities.mean() == pytest.approx(learnable.suspended.mean(), abs=0.03)


def test_inner_margins_come_from_fits_without_the_customer(learnable, small):
    """Inner margins rank shuffled labels no better than chance."""
    table, suspended = learnable
    shuffled = np.random.default_rng(2).permutation(suspended)
    found = procedure.fit_procedure(
        table, shuffled, small.training, 1, directions={}, members=({"keep": 5, "rounds": 30, "max_depth": 4},)
    )
    inner, own = found.inner_margins, found.model.margins(table)
    assert own[shuffled].mean() - own[~shuffled].mean() > 1.0
    assert abs(inner[shuffled].mean() - inner[~shuffled].mean()) < 0.7


def test_given_parameters_are_not_searched(learnable, small):
    """With given parameters there is no trial."""
    found = procedure.fit_procedure(*learnable, small.training, 1, directions={}, members=({"keep": 3, "rounds": 2},))
    assert found.trials == ()
    assert found.members == ({"keep": 3, "rounds": 2},)


def test_too_few_suspended_are_refused(learnable, small):
    """Three suspended customers are too few for inner folds; the message has their number."""
    table, _ = learnable
    with pytest.raises(LabelError, match="3 suspended"):
        procedure.fit_procedure(table, np.arange(len(table.ids)) < 3, small.training, 1, directions={})


@pytest.mark.parametrize("learner", [Logistic(keep=4), Forest(keep=4, trees=25)], ids=["logistic", "forest"])
def test_baselines_rank_better_than_chance(learnable, learner):
    """Each baseline ranks unseen customers far better than chance, also with missing values."""
    found = cross_validate(
        lambda table, suspended, seed: procedure.fit_calibrated(learner, table, suspended, 2, seed),
        *learnable,
        folds=3,
        repeats=1,
        seed=1,
        threads=1,
    )
    p = found.probabilities[0]
    ranked = (p[learnable.suspended][:, None] > p[~learnable.suspended][None, :]).mean()
    assert ranked > 0.65


def test_the_dummy_gives_everyone_the_risk_rate(learnable):
    """The dummy's calibrated probability is the sample's risk rate, except for Platt's smoothing."""
    found = procedure.fit_calibrated(Dummy(), *learnable, 2, 1)
    p = found.probabilities(learnable.table)
    assert np.ptp(p) == 0
    assert p[0] == pytest.approx(learnable.suspended.mean(), abs=0.02)
