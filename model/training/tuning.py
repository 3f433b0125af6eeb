"""The search for XGBoost's parameters with Optuna, over inner folds of customers."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import optuna

from customer_risk.model.evaluation import metrics
from customer_risk.model.evaluation.results import Trial
from customer_risk.model.training.selection import rank
from customer_risk.model.training.splits import customer_folds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from customer_risk.model.features.frame import FeatureTable
    from customer_risk.model.training.learners import Boosted, Params
    from customer_risk.model.training.splits import Fold

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

# The first trial. The search space is near it, because few customers can't distinguish distant parameters.
START: Params = {
    "keep": 40,
    "rounds": 8,
    "max_depth": 3,
    "subsample": 0.63,
    "colsample_bynode": 0.4,
    "min_child_weight": 0.7,
    "reg_lambda": 1.0,
}
FIXED: Params = {"eta": 0.25, "num_parallel_tree": 6}  # a forest per round: less noise than one tree per round
OBJECTIVE = "average precision plus ROC-AUC, mean over inner folds of customers"
STARTUP = 8  # random trials before the sampler uses results and the pruner stops trials


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Optuna's messages. Enclose all tuning of a run, because the setting is shared by all threads."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)


@dataclass(frozen=True, slots=True)
class Tuned:
    """The best trials' parameters, best first, and every trial."""

    members: tuple[Params, ...]
    trials: tuple[Trial, ...]


def tune(
    table: FeatureTable,
    suspended: Flags,
    learner: Boosted,
    *,
    folds: int,
    trials: int,
    seconds: float | None,
    best: int,
    seed: int,
) -> Tuned:
    """Search parameters for `learner`, and return those of the `best` trials. Features are ranked in each inner fold.

    The budget is `trials`, or `seconds` if given; then the number of trials depends on the machine. Trial 0 is `START`.
    The best trials are averaged, because with few customers a single best trial is partly luck.
    """
    parts = [
        _Part.make(table, suspended, fold, learner, seed + at)
        for at, fold in enumerate(customer_folds(table.ids, suspended, folds=folds, seed=seed))
    ]

    def score(trial: optuna.Trial) -> float:
        tried = replace(learner, members=({**FIXED, **suggest(trial)},))
        found: list[float] = []
        for step, part in enumerate(parts):
            found.append(part.score(tried, seed))
            trial.report(float(np.mean(found)), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(np.mean(found))

    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=1),
    )
    study.enqueue_trial(START)
    study.optimize(score, n_trials=None if seconds is not None else trials, timeout=seconds)
    complete = [one for one in study.trials if one.state == optuna.trial.TrialState.COMPLETE]
    first = sorted(complete, key=lambda one: (-(one.value or 0.0), one.number))[:best]
    chosen = {one.number for one in first}
    return Tuned(
        tuple({**FIXED, **one.params} for one in first),
        tuple(_trial(one, one.number in chosen) for one in study.trials),
    )


def suggest(trial: optuna.Trial) -> Params:
    """Return one point of the search space."""
    return {
        "keep": trial.suggest_int("keep", 30, 60, step=10),
        "rounds": trial.suggest_int("rounds", 7, 10),
        "max_depth": trial.suggest_int("max_depth", 3, 4),
        "subsample": trial.suggest_float("subsample", 0.55, 0.75),
        "colsample_bynode": trial.suggest_float("colsample_bynode", 0.25, 0.5),
        "min_child_weight": trial.suggest_float("min_child_weight", 0.5, 1.2, log=True),
        "reg_lambda": trial.suggest_float("reg_lambda", 0.7, 1.5, log=True),
    }


@dataclass(frozen=True, slots=True)
class _Part:
    """One inner fold, with the features ranked on its training customers."""

    train: FeatureTable
    train_labels: Flags
    test: FeatureTable
    test_labels: Flags
    ranked: tuple[str, ...]

    @classmethod
    def make(cls, table: FeatureTable, suspended: Flags, fold: Fold, learner: Boosted, seed: int) -> _Part:
        train, labels = table.rows(fold.train), suspended[fold.train]
        ranked = rank(train, labels, learner.directions, seed)
        return cls(train, labels, table.rows(fold.test), suspended[fold.test], ranked)

    def score(self, learner: Boosted, seed: int) -> float:
        margins = learner.fit_ranked(self.train, self.train_labels, self.ranked, seed).margins(self.test)
        found = metrics.ranking(self.test_labels, margins, np.ones((1, len(margins))))
        return float(found["average_precision"][0] + found["roc_auc"][0])


def _trial(found: optuna.trial.FrozenTrial, averaged: bool) -> Trial:
    pruned = found.state == optuna.trial.TrialState.PRUNED
    return Trial(
        number=found.number,
        params=found.params,
        value=None if pruned else found.value,
        state=found.state.name.lower(),
        averaged=averaged,
    )
