"""The importance of features, measured on customers who were not in the training data of a fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from customer_risk.model.evaluation import metrics
from customer_risk.model.evaluation.results import Importance, Interval, ShapSample
from customer_risk.model.scoring.explainer import Explainer
from customer_risk.model.training.export import trees_from_booster
from customer_risk.model.training.learners import BoostedModel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from customer_risk.model.features.feature import Feature
    from customer_risk.model.features.frame import FeatureTable
    from customer_risk.model.training.comparison import FoldFit, OutOfFold

    Floats = NDArray[np.float64]

SAMPLE = 1000  # customers in the summary plot at most
SHUFFLES = 3


def contributions(found: OutOfFold, table: FeatureTable, names: Sequence[str]) -> Floats:
    """Return exact Shapley values float64[n, len(names)] in calibrated log-odds, out of fold, of the first repeat.

    A feature that a fold's selection left out contributes 0 in that fold.
    """
    values = np.zeros((len(table.ids), len(names)))
    place = {name: at for at, name in enumerate(names)}
    for one in found.fits:
        if one.repeat == 0:
            model = _boosted(one)
            _, shares = Explainer(trees_from_booster(model.booster)).explain(
                table.rows(one.fold.test).select(model.names).values
            )
            for at, name in enumerate(model.names):
                if name in place:
                    values[one.fold.test, place[name]] = one.fitted.slope * shares[:, at]
    return values


def permutation_falls(
    found: OutOfFold, table: FeatureTable, names: Sequence[str], seed: int, tick: Callable[[], None] = lambda: None
) -> Floats:
    """Return the fall of average precision when the values of one feature are shuffled among a fold's customers.

    float64[r * SHUFFLES, len(names)]: the mean over a repeat's folds, for each shuffle (Breiman 2001). The fall is 0 in
    a fold whose selection left the feature out.
    """
    place = {name: at for at, name in enumerate(names)}
    falls = np.zeros((found.repeats, SHUFFLES, len(names)))
    folds = np.bincount([one.repeat for one in found.fits])
    for number, one in enumerate(found.fits):
        random = np.random.default_rng((seed, number))
        model = _boosted(one)
        values = table.rows(one.fold.test).select(model.names).values
        labels = found.labels[one.fold.test]
        whole = _average_precision(labels, one.margins)
        for column, name in enumerate(model.names):
            if name not in place:
                continue
            shuffled = np.tile(values, (SHUFFLES, 1))
            shuffled[:, column] = np.concatenate([random.permutation(values[:, column]) for _ in range(SHUFFLES)])
            margins = model.margins_of(shuffled).reshape(SHUFFLES, -1)
            scores = np.array([_average_precision(labels, each) for each in margins])
            falls[one.repeat, :, place[name]] += (whole - scores) / folds[one.repeat]
        tick()
    return falls.reshape(-1, len(names))


def selection_frequency(found: OutOfFold) -> dict[str, float]:
    """Return the share of outer folds that kept each feature; without features that no fold kept."""
    counts: dict[str, int] = {}
    for one in found.fits:
        for name in one.fitted.model.names:
            counts[name] = counts.get(name, 0) + 1
    return {name: count / len(found.fits) for name, count in counts.items()}


def importances(
    shares: Floats, falls: Floats, features: Sequence[Feature], frequency: Mapping[str, float], confidence: float
) -> tuple[Importance, ...]:
    """Return the measures of each feature, the most important feature first."""
    tail = (1 - confidence) / 2
    bounds = np.quantile(falls, [tail, 1 - tail], axis=0)
    rows = [
        Importance(
            feature=feature.name,
            unit=feature.unit,
            direction=feature.direction,
            mean_abs_contribution=float(np.abs(shares[:, at]).mean()),
            permutation=Interval(
                estimate=float(falls[:, at].mean()), low=float(bounds[0, at]), high=float(bounds[1, at])
            ),
            selection_frequency=frequency.get(feature.name, 0.0),
        )
        for at, feature in enumerate(features)
    ]
    return tuple(sorted(rows, key=lambda row: -row.mean_abs_contribution))


def shap_sample(shares: Floats, values: Floats, names: Sequence[str], seed: int) -> ShapSample:
    """Return at most `SAMPLE` customers for the summary plot, in shuffled order."""
    chosen = np.random.default_rng(seed).permutation(len(values))[:SAMPLE]
    return ShapSample(
        features=tuple(names),
        contributions=tuple(tuple(row) for row in np.round(shares[chosen], 4).tolist()),
        values=tuple(tuple(None if cell != cell else cell for cell in row) for row in values[chosen].tolist()),  # noqa: PLR0124  only NaN differs from itself
    )


def _boosted(one: FoldFit) -> BoostedModel:
    if not isinstance(one.fitted.model, BoostedModel):
        raise TypeError(f"only a boosted model can be explained, not {type(one.fitted.model).__name__}")
    return one.fitted.model


def _average_precision(labels: NDArray[np.bool_], scores: Floats) -> float:
    return float(metrics.ranking(labels, scores, np.ones((1, len(labels))))["average_precision"][0])
