"""Learners: each fits a table of features to labels, and returns margins (log-odds, not yet calibrated)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
import xgboost

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
OURS = ("keep", "rounds")  # parameters that aren't XGBoost's


class Model(Protocol):
    """Something fitted; `names` are the features that it takes."""

    @property
    def names(self) -> tuple[str, ...]:
        """The features that it takes, in order."""

    def margins(self, table: FeatureTable) -> Floats:
        """Return float64[n] log-odds for the table's rows."""


class Learner(Protocol):
    """Something that can be fitted."""

    def fit(self, table: FeatureTable, suspended: Flags, seed: int) -> Model:
        """Fit to the table's rows and their labels bool[n]."""


@dataclass(frozen=True, slots=True)
class BoostedModel:
    """A fitted booster over the columns that the selection kept."""

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
class Boosted:
    """XGBoost with selection, monotone constraints and class weights; one booster a member, merged into one.

    Each of `members` is one set of parameters: `keep` best-ranked features, `rounds`, and XGBoost's own. `directions`
    maps a feature to +1, -1 or 0. The merged booster's margin is the mean of the members'.
    """

    members: tuple[Params, ...]
    directions: Mapping[str, int] = field(default_factory=dict)
    weighting: Weighting = "mild"

    def fit(self, table: FeatureTable, suspended: Flags, seed: int) -> BoostedModel:
        """Rank features on these rows alone, then fit."""
        return self.fit_ranked(table, suspended, rank(table, suspended, self.directions, seed), seed)

    def fit_ranked(self, table: FeatureTable, suspended: Flags, ranked: tuple[str, ...], seed: int) -> BoostedModel:
        """Fit with the features' ranking given, best first."""
        widest = max(int(member["keep"]) for member in self.members)
        kept = set(ranked[:widest])
        return self._fit(table.select([name for name in table.names if name in kept]), suspended, ranked, seed)

    def fit_columns(self, table: FeatureTable, suspended: Flags, seed: int) -> BoostedModel:
        """Fit on exactly the table's columns; members that keep fewer take those that rank best among them."""
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
        narrowed = np.where([name in kept for name in names], values, np.nan)  # no split falls on what is all missing
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
