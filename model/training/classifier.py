"""The training procedure as a scikit-learn estimator, and the features that it is fitted to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec
import numpy as np
import polars as pl
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from customer_risk.model.config import load_config
from customer_risk.model.errors import CustomerRiskError
from customer_risk.model.features.catalogue import BY_NAME
from customer_risk.model.features.frame import FeatureTable, feature_table
from customer_risk.model.tables.cleaning import load_cohort
from customer_risk.model.tables.mapping import as_mapping
from customer_risk.model.training.candidates import candidates, kernel_settings
from customer_risk.model.training.procedure import fit_procedure
from customer_risk.model.training.tuning import FIXED, START, quiet

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from customer_risk.model.config import ConfigSource
    from customer_risk.model.tables.mapping import CohortName, MappingSource


def features(
    tables: str | Path, cohort: CohortName = "labelled", *, config: ConfigSource = None, mapping: MappingSource = None
) -> pl.DataFrame:
    """Return the features of a cohort's customers, a row for each customer.

    The columns are `customer_id`, in the labelled cohort `suspended` (bool), and the features that training may use
    (float64; NaN where missing). `config` and `mapping` are files, nested dicts or loaded objects. Raises ConfigError,
    TableError, FeatureError.
    """
    settings = load_config(config)
    people = load_cohort(Path(tables), cohort, mapping=as_mapping(mapping), config=settings)
    names, _ = candidates(settings.training, people.absent)
    kernel = kernel_settings(settings.training.excluded_types)
    table = feature_table(people.customers, people.events, kernel, threads=settings.threads).select(names)
    return people.customers.select("customer_id", *(["suspended"] if cohort == "labelled" else [])).with_columns(
        pl.from_numpy(table.values, schema=list(names))
    )


class RiskClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """The training procedure of `train` as a scikit-learn classifier: select features, tune, fit, calibrate.

    It fits the boosted trees of a bundle; probabilities are calibrated at the sample's share of risky customers.
    Columns that are named as features of the catalogue get the catalogue's monotone constraints. Missing values are
    NaN. The greater one of the two classes is the risky one.

    trials       number of parameter sets to try; 0 takes the default parameters without tuning
    members      number of the best trials whose boosters are averaged
    inner_folds  number of folds for tuning and calibration, or fewer if a class has too few rows
    random_state seed; the same seed and rows give the same model
    """

    def __init__(self, *, trials: int = 20, members: int = 5, inner_folds: int = 5, random_state: int = 7) -> None:
        self.trials = trials
        self.members = members
        self.inner_folds = inner_folds
        self.random_state = random_state

    def fit(self, X: ArrayLike | pl.DataFrame, y: ArrayLike) -> Self:  # noqa: N803  scikit-learn's name
        """Fit to rows X float64[n, f] and their two classes y[n].

        Raises ValueError if y doesn't have two classes with at least six rows each, or X isn't numeric.
        """
        values, classes = validate_data(
            self, X, y, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=2
        )
        check_classification_targets(classes)
        self.classes_, numbers = np.unique(classes, return_inverse=True)
        if len(self.classes_) != 2:
            counted = "1 class" if len(self.classes_) == 1 else f"{len(self.classes_)} classes"
            raise ValueError(f"Only binary classification is supported. y has {counted}.")
        table = self._table(values)
        settings = load_config().training
        tuned = self.trials > 0
        try:
            with quiet():
                self.fitted_ = fit_procedure(
                    table,
                    numbers == 1,
                    msgspec.structs.replace(
                        settings, trials=self.trials, members=self.members, inner_folds=self.inner_folds
                    ),
                    self.random_state,
                    directions={name: BY_NAME[name].direction for name in table.names if name in BY_NAME},
                    members=None if tuned else ({**FIXED, **START},),
                )
        except CustomerRiskError as error:
            raise ValueError(f"{error} (n_samples={len(values)}, n_features={len(table.names)})") from error
        return self

    def predict_proba(self, X: ArrayLike | pl.DataFrame) -> NDArray[np.float64]:  # noqa: N803
        """Return the probabilities float64[n, 2] of the classes, in the order of `classes_`."""
        check_is_fitted(self)
        values = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        risky = self.fitted_.probabilities(self._table(values))
        return np.column_stack([1 - risky, risky])

    def predict(self, X: ArrayLike | pl.DataFrame) -> NDArray[Any]:  # noqa: N803
        """Return the more probable class of each row. The bundle of `train` has cut-offs that follow from costs."""
        risky = self.predict_proba(X)[:, 1] >= 0.5
        return np.asarray(self.classes_[risky.astype(np.intp)])

    def _table(self, values: NDArray[np.float64]) -> FeatureTable:
        names = getattr(self, "feature_names_in_", [f"x{at}" for at in range(values.shape[1])])
        return FeatureTable(tuple(map(str, range(len(values)))), tuple(map(str, names)), values)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.classifier_tags.multi_class = False
        return tags
