"""Baselines for XGBoost: logistic regression, a random forest and a constant, in the same folds, calibrated alike."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from typing_extensions import override

from customer_risk.model.training.learners import Learner
from customer_risk.model.training.selection import rank

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from customer_risk.model.features.frame import FeatureTable

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]


# scikit-learn's forests set and restore the warning filters of the process for each tree. If two threads do this at
# once, they restore each other's filters until no filter is left, and scikit-learn prints a warning for every tree.
_ONE_FOREST = threading.Lock()


@dataclass(frozen=True, slots=True)
class _Filled:
    """Fills missing values with medians and adds flags for them, for learners that don't accept missing values."""

    middle: Floats
    flags: NDArray[np.int64]
    centre: Floats
    scale: Floats

    @classmethod
    def learn(cls, values: Floats) -> _Filled:
        missing = np.isnan(values)
        middle = np.array(
            [
                np.median(column[~gone]) if not gone.all() else 0.0
                for column, gone in zip(values.T, missing.T, strict=True)
            ]
        )
        bare = cls(middle, np.flatnonzero(missing.any(axis=0)), np.zeros(1), np.ones(1))
        squeezed = bare(values)
        scale = squeezed.std(axis=0)
        return cls(middle, bare.flags, squeezed.mean(axis=0), np.where(scale > 0, scale, 1.0))

    def __call__(self, values: Floats) -> Floats:
        missing = np.isnan(values)
        filled = np.where(missing, self.middle, values)
        squeezed = np.sign(filled) * np.log1p(np.abs(filled))  # sums of money span six orders of magnitude
        return (np.hstack([squeezed, missing[:, self.flags]]) - self.centre) / self.scale


@dataclass(frozen=True, slots=True)
class _SklearnModel:
    names: tuple[str, ...]
    filled: _Filled
    estimator: LogisticRegression | RandomForestClassifier

    def margins(self, table: FeatureTable) -> Floats:
        with _ONE_FOREST:
            p = self.estimator.predict_proba(self.filled(table.select(self.names).values))[:, 1]
        p = np.clip(p, 1e-3, 1 - 1e-3)
        return np.asarray(np.log(p) - np.log1p(-p), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Logistic(Learner):
    """Ridge-penalised logistic regression on the `keep` best-ranked features, log-scaled and standardised."""

    keep: int = 35

    @override
    def fit(self, table: FeatureTable, suspended: Flags, seed: int) -> _SklearnModel:
        kept = table.select(sorted(rank(table, suspended, {}, seed)[: self.keep], key=table.names.index))
        filled = _Filled.learn(kept.values)
        estimator = LogisticRegression(C=0.02, class_weight="balanced", max_iter=2000)
        return _SklearnModel(kept.names, filled, estimator.fit(filled(kept.values), suspended))


@dataclass(frozen=True, slots=True)
class Forest(Learner):
    """A random forest (Breiman 2001) of `trees` trees on the `keep` best-ranked features."""

    keep: int = 35
    trees: int = 150

    @override
    def fit(self, table: FeatureTable, suspended: Flags, seed: int) -> _SklearnModel:
        kept = table.select(sorted(rank(table, suspended, {}, seed)[: self.keep], key=table.names.index))
        filled = _Filled.learn(kept.values)
        estimator = RandomForestClassifier(
            n_estimators=self.trees, min_samples_leaf=3, class_weight="balanced", n_jobs=1, random_state=seed
        )
        with _ONE_FOREST:
            return _SklearnModel(kept.names, filled, estimator.fit(filled(kept.values), suspended))


@dataclass(frozen=True, slots=True)
class _Constant:
    names: tuple[str, ...] = ()

    def margins(self, table: FeatureTable) -> Floats:
        return np.zeros(len(table.ids))


@dataclass(frozen=True, slots=True)
class Dummy(Learner):
    """The same score for every customer; calibration turns it into the sample's risk rate."""

    @override
    def fit(self, table: FeatureTable, suspended: Flags, seed: int) -> _Constant:
        return _Constant()
