"""Margins with exact reasons: what each feature adds to a customer's log-odds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from model.errors import FeatureError
from model.scoring.paths import explain_by_paths, paths_of

if TYPE_CHECKING:
    from model.scoring.trees import Trees

Method = Literal["tables", "paths"]


class Explainer:
    """Path-dependent TreeSHAP of `trees`, exact.

    `method` says how: "tables" looks contributions up, "paths" computes them leaf by leaf where the tables would need
    more than `memory_limit_bytes`. `bias` is the margin expected over the training weight: contributions and bias add
    up to the margin.
    """

    def __init__(self, trees: Trees, *, memory_limit_bytes: int = 64 * 2**20) -> None:
        self.trees = trees
        self.memory_limit_bytes = memory_limit_bytes
        self._paths = paths_of(trees)
        self.bias: float = trees.base + self._paths.expected
        self.method: Method = "paths"

    def explain(self, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give margins float64[n] and contributions float64[n, features], in log-odds, for values of that shape.

        NaN is a missing value. A row has the same bits alone and in any batch. Raises FeatureError for another width.
        """
        if values.ndim != 2 or values.shape[1] != self.trees.features:
            raise FeatureError(
                f"The model takes rows of {self.trees.features} features, not an array of shape {values.shape}.",
                remedy="Select the bundle's features, in the manifest's order.",
            )
        contributions = np.empty(values.shape)
        rows = np.ascontiguousarray(values, np.float32)
        trees, paths = self.trees, self._paths
        explain_by_paths(
            rows,
            trees.feature,
            trees.threshold,
            trees.default_left,
            paths.values,
            paths.steps,
            paths.step_node,
            paths.step_left,
            paths.step_slot,
            paths.slots,
            paths.feature,
            paths.zero,
            paths.points,
            paths.weights,
            contributions,
        )
        return self._margins(contributions), contributions

    def margins(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the margins alone, the same bits as `explain` gives."""
        return self.explain(values)[0]

    def _margins(self, contributions: NDArray[np.float64]) -> NDArray[np.float64]:
        margins = np.full(len(contributions), self.bias)
        for column in range(contributions.shape[1]):  # one order of additions, whatever the number of rows
            margins += contributions[:, column]
        return margins
