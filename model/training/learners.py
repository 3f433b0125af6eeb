"""Learners: each fits a table of features to labels, and returns margins (log-odds, not yet calibrated)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
import xgboost
from typing_extensions import override

from customer_risk.model.training.export import merge_boosters
from customer_risk.model.training.minority import Weighting, balanced
from customer_risk.model.training.selection import constraints, rank

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from customer_risk.model.features.frame import FeatureTable

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

Params = dict[str, float | int | str]
OURS = ("keep", "rounds")  # parameters that XGBoost doesn't know


class Model(Protocol):
    """A fitted model."""

    @property
    def names(self) -> tuple[str, ...]:
        """The features that the model uses, in order."""

    def margins(self, table: FeatureTable) -> Floats:
        """Return float64[n] log-odds for the table's rows."""


class Learner(Protocol):
    """A method that fits a model to labelled features."""

    def fit(self, table: FeatureTable, suspended: Flags, seed: int) -> Model:
        """Fit to the table's rows and their labels bool[n]."""


@dataclass(frozen=True, slots=True)
class BoostedModel:
    """A fitted booster and the features that the selection kept."""

    names: tuple[str, ...]
    booster: xgboost.Booster

    def margins(self, table: FeatureTable) -> Floats:
        """Return float64[n] log-odds for the table's rows."""
        return self.margins_of(table.select(self.names).values)

    def margins_of(self, values: Floats) -> Floats:
        """Return float64[n] log-odds for rows float64[n, len(names)]."""
        data = xgboost.DMatrix(values, nthread=1, feature_names=list(self.names))
        return np.asarray(self.booster.predict(data, output_margin=True), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Boosted(Learner):
    """XGBoost with feature selection, monotone constraints and class weights; one booster per member, merged into one.

    Each of `members` is a set of parameters: `keep` (the number of best-ranked features), `rounds`, and those of
    XGBoost. `directions` maps a feature to +1, -1 or 0. The margin of the merged booster is the mean of the members'
    margins.
    """

    members: tuple[Params, ...]
    directions: Mapping[str, int] = field(default_factory=dict)
    weighting: Weighting = "mild"

    @override
    def fit(self, table: FeatureTable, suspended: Flags, seed: int) -> BoostedModel:
        return self.fit_ranked(table, suspended, rank(table, suspended, self.directions, seed), seed)

    def fit_ranked(self, table: FeatureTable, suspended: Flags, ranked: tuple[str, ...], seed: int) -> BoostedModel:
        """Fit with a given ranking of the features, best first."""
        widest = max(int(member["keep"]) for member in self.members)
        kept = set(ranked[:widest])
        return self._fit(table.select([name for name in table.names if name in kept]), suspended, ranked, seed)

    def fit_columns(self, table: FeatureTable, suspended: Flags, seed: int) -> BoostedModel:
        """Fit on exactly the columns of the table; a member that keeps fewer uses the best-ranked of them."""
        found = rank(table, suspended, self.directions, seed)
        return self._fit(table, suspended, (*found, *(name for name in table.names if name not in found)), seed)

    def _fit(self, table: FeatureTable, suspended: Flags, ranked: tuple[str, ...], seed: int) -> BoostedModel:
        names = table.names
        values, labels, weight = balanced(table.values, suspended, self.weighting, seed)
        boosters = [
            self._grow(values, labels, weight, names, ranked, member, seed * 100 + at)
            for at, member in enumerate(self.members)
        ]
        return BoostedModel(names, boosters[0] if len(boosters) == 1 else merge_boosters(boosters))

    def _grow(
        self,
        values: Floats,
        labels: Flags,
        weight: float,
        names: tuple[str, ...],
        ranked: tuple[str, ...],
        member: Params,
        seed: int,
    ) -> xgboost.Booster:
        kept = set(ranked[: int(member["keep"])])
        narrowed = np.where(
            [name in kept for name in names], values, np.nan
        )  # no split uses a column of missing values
        positives = weight * labels.sum()
        return xgboost.train(
            {
                "objective": "binary:logistic",
                "tree_method": "hist",
                "nthread": 1,
                "verbosity": 0,
                "seed": seed,
                "base_score": float(positives / (positives + (~labels).sum())),
                "scale_pos_weight": weight,
                "monotone_constraints": constraints(names, self.directions),
                **{name: value for name, value in member.items() if name not in OURS},
            },
            xgboost.DMatrix(narrowed, label=labels, nthread=1, feature_names=list(names)),
            num_boost_round=int(member["rounds"]),
        )
