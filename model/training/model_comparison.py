"""Compares XGBoost with the baselines in the same folds, and measures it within months of joining."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from customer_risk.model.evaluation.cohorts import NEVER, month
from customer_risk.model.evaluation.intervals import Measured
from customer_risk.model.evaluation.results import Contender, Difference, Stratum
from customer_risk.model.policy.thresholds import max_f1
from customer_risk.model.training.baselines import Dummy, Forest, Logistic
from customer_risk.model.training.procedure import fit_calibrated, fit_procedure

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from customer_risk.model.features.frame import FeatureTable
    from customer_risk.model.training.comparison import Fit, OutOfFold
    from customer_risk.model.training.learners import Learner
    from customer_risk.model.training.procedure import Fitted
    from customer_risk.model.training.study import Study

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

FEWEST = 5  # suspended customers, and others, that a stratum must have for metrics
TITLES = {
    "xgboost": "XGBoost",
    "logistic_regression": "Logistic regression",
    "random_forest": "Random forest",
    "dummy": "Dummy (the risk rate for everyone)",
}


@dataclass(frozen=True, slots=True)
class Judged:
    """One contender: its out-of-fold scores, the customers it flags, and its metrics."""

    key: str
    found: OutOfFold
    flagged: Flags
    measured: dict[str, Measured]


def fits(study: Study) -> dict[str, Fit]:
    """Return each contender's procedure by name; the first, XGBoost, is the shipped one."""
    settings = study.config.training

    def shipped(table: FeatureTable, suspended: Flags, seed: int) -> Fitted:
        return fit_procedure(table, suspended, settings, seed, directions=study.directions)

    def plain(learner: Learner) -> Fit:
        return lambda table, suspended, seed: fit_calibrated(learner, table, suspended, settings.inner_folds, seed)

    return {
        "xgboost": shipped,
        "logistic_regression": plain(Logistic()),
        "random_forest": plain(Forest()),
        "dummy": plain(Dummy()),
    }


def judge(key: str, fit: Fit, study: Study, tick: Callable[[], None]) -> Judged:
    """Cross-validate one contender."""
    found = study.cross_validate(fit, tick=tick)
    flagged = found.flag(lambda labels, inner: max_f1(labels, inner, np.ones(len(labels))))
    return Judged(key, found, flagged, study.measure(found.probabilities, flagged=flagged, found=found))


def contender(judged: Judged, study: Study, order: NDArray[np.int64]) -> Contender:
    """Return the results of a contender, with the customers in `order`."""
    nothing = (
        "it flags no customer or every customer, so precision is not defined"
        if judged.measured["precision"].estimate is None
        else ""
    )
    return Contender(
        key=judged.key,
        title=TITLES[judged.key],
        probabilities=tuple(tuple(row) for row in judged.found.probabilities[:, order].tolist()),
        flagged=tuple(tuple(row) for row in judged.flagged[:, order].tolist()),
        metrics=study.intervals(judged.measured),
        metrics_by_repeat={
            name: tuple(None if np.isnan(value) else value for value in one.by_repeat)
            for name, one in judged.measured.items()
        },
        note=nothing,
    )


def differences(first: Judged, others: list[Judged], study: Study) -> tuple[Difference, ...]:
    """Return the metrics of the first contender minus those of each other, on the same resamples."""
    return tuple(
        Difference(baseline=other.key, metric=metric, difference=found)
        for other in others
        for metric, found in study.differences(first.measured, other.measured).items()
    )


def strata(judged: Judged, study: Study) -> tuple[Stratum, ...]:
    """Measure within each month of joining; months are small, so the scores of all folds are ranked together."""
    periods = np.array([month(day) for day in study.joined])
    names = sorted(set(periods.tolist()), key=lambda name: (name == NEVER, name))
    return tuple(stratum(judged, study, period, periods == period) for period in names)


def stratum(judged: Judged, study: Study, name: str, members: Flags) -> Stratum:
    """Return the metrics among `members`, bool[n]; no metrics if fewer than FEWEST of them have one of the labels."""
    customers, suspended = int(members.sum()), int((members & study.suspended).sum())
    enough = min(suspended, customers - suspended) >= FEWEST
    measured = study.measure(judged.found.probabilities, flagged=judged.flagged, members=members) if enough else {}
    return Stratum(
        period=name,
        customers=customers,
        suspended=suspended,
        metrics=study.intervals(measured),
        note="" if enough else f"fewer than {FEWEST} customers of one label",
    )
