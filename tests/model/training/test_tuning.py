"""The search for parameters."""

from __future__ import annotations

import optuna
import pytest

from customer_risk.model.training import tuning
from customer_risk.model.training.learners import Boosted

LEARNER = Boosted(({**tuning.FIXED, **tuning.START},))


@pytest.fixture(scope="module")
def tuned(learnable):
    """A search of twelve trials."""
    with tuning.quiet():
        return tuning.tune(*learnable, LEARNER, folds=2, trials=12, seconds=None, best=3, seed=4)


def test_the_first_trial_has_the_starting_parameters(tuned):
    """Trial 0 has the starting parameters."""
    assert tuned.trials[0].params == tuning.START


def test_every_trial_is_recorded(tuned):
    """Each trial has its parameters and state, and a value unless it was pruned."""
    assert [trial.number for trial in tuned.trials] == list(range(12))
    for trial in tuned.trials:
        assert (trial.value is None) == (trial.state == "pruned")


def test_the_best_trials_are_averaged(tuned):
    """The members are the best three complete trials, best first."""
    best = sorted((t for t in tuned.trials if t.value is not None), key=lambda trial: -trial.value)[:3]
    assert tuned.members == tuple({**tuning.FIXED, **trial.params} for trial in best)
    assert {trial.number for trial in tuned.trials if trial.averaged} == {trial.number for trial in best}


def test_the_same_seed_repeats_the_search(learnable, tuned):
    """The same seed gives the same trials."""
    with tuning.quiet():
        again = tuning.tune(*learnable, LEARNER, folds=2, trials=12, seconds=None, best=3, seed=4)
    assert again == tuned


def test_bad_trials_are_pruned(learnable, monkeypatch):
    """A trial below the median of the others in its first folds is pruned."""
    scores = iter([*[2.0] * (tuning.STARTUP * 4), *[0.0] * 4])
    monkeypatch.setattr(tuning._Part, "score", lambda *_: next(scores))
    with tuning.quiet():
        found = tuning.tune(*learnable, LEARNER, folds=4, trials=tuning.STARTUP + 1, seconds=None, best=1, seed=1)
    assert found.trials[-1].state == "pruned"


def test_a_budget_in_seconds_records_the_trials_that_it_made(learnable):
    """With a budget in seconds, at least one trial is made, and all are recorded."""
    with tuning.quiet():
        found = tuning.tune(*learnable, LEARNER, folds=2, trials=1, seconds=0.01, best=5, seed=1)
    assert len(found.trials) >= 1
    assert len(found.members) <= len(found.trials)


def test_quiet_restores_the_verbosity():
    """Optuna's verbosity is restored."""
    before = optuna.logging.get_verbosity()
    with tuning.quiet():
        assert optuna.logging.get_verbosity() == optuna.logging.WARNING
    assert optuna.logging.get_verbosity() == before
