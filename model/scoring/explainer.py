"""Margins with exact reasons: what each feature adds to a customer's log-odds."""

from __future__ import annotations

from dataclasses import astuple, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from customer_risk.model.errors import FeatureError
from customer_risk.model.scoring.paths import paths_of
from customer_risk.model.scoring.shap_tables import build, cut, explain_by_tables, table_bytes
from customer_risk.model.scoring.shapley import explain_by_paths

if TYPE_CHECKING:
    from collections.abc import Callable

    from customer_risk.model.scoring.trees import Trees

Method = Literal["tables", "paths"]


class Explainer:
    """Path-dependent TreeSHAP of `trees`, exact.

    `method` is "tables" (contributions are looked up), or "paths" (computed leaf by leaf) if the tables would need
    more than `memory_limit_bytes` (`table_bytes` says how much that is). `bias` is the margin expected over the
    training weight: bias and contributions, in the columns' order, add up to the margin.
    """

    def __init__(self, trees: Trees, *, memory_limit_bytes: int = 64 * 2**20) -> None:
        self.features = trees.features
        paths = paths_of(trees)
        cuts = cut(trees)
        self.bias: float = trees.base + paths.expected
        self.table_bytes = table_bytes(cuts)
        self.method: Method = "tables" if self.table_bytes <= memory_limit_bytes else "paths"
        self._arrays: tuple[Any, ...]
        if self.method == "tables":
            tables = build(trees, paths, cuts)
            self._explain: Callable[..., None] = explain_by_tables
            self._arrays = tuple(getattr(tables, field.name) for field in fields(tables))
        else:
            self._explain = explain_by_paths
            self._arrays = (trees.feature, trees.threshold, trees.default_left, *astuple(paths))

    def explain(self, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return margins float64[n] and contributions float64[n, features], in log-odds, for values of that shape.

        NaN is a missing value. A row has the same bits alone and in any batch, on any thread. Raises FeatureError for
        another shape.
        """
        if values.ndim != 2 or values.shape[1] != self.features:
            raise FeatureError(
                f"The model takes rows of {self.features} features, not an array of shape {values.shape}.",
                remedy="Select the bundle's features, in the manifest's order.",
            )
        rows = np.array(values, np.float64, order="C")  # a copy: a read-only array would need another compilation
        contributions, margins = np.empty(rows.shape), np.empty(len(rows))
        self._explain(rows, self.bias, *self._arrays, contributions, margins)
        return margins, contributions

    def explain_one(self, values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return one row's margin and contributions float64[features]; its values float64[features] are contiguous."""
        contributions, margins = np.empty((1, self.features)), np.empty(1)
        self._explain(values.reshape(1, self.features), self.bias, *self._arrays, contributions, margins)
        return margins.item(), contributions[0]

    def margins(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the margins only, with the same bits as `explain`."""
        return self.explain(values)[0]
