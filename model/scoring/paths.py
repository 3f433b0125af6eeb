"""The paths from the roots to the leaves, as arrays for the computation of reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from customer_risk.model.scoring.shapley import quadrature

if TYPE_CHECKING:
    from customer_risk.model.scoring.trees import Trees


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """The paths to all leaves of all trees.

    values      float64[l]    each leaf's addition to the margin
    leaves      int64[l]      its node (numbers count over all trees)
    steps       int64[l + 1]  conditions on the path to leaf i are steps[i]:steps[i + 1], from the root down
    step_node   int64[s]      the node of the condition
    step_left   bool[s]       whether the path to the leaf goes left there
    step_slot   int32[s]      index of its feature among the leaf's features
    slots       int64[l + 1]  features of leaf i are slots[i]:slots[i + 1]
    feature     int32[k]      the column
    zero        float64[k]    share of the training weight that met the conditions on it
    points      float64[q + 1, q]  quadrature points on (0, 1) for 0 to q points
    weights     float64[q + 1, q]  their weights
    """

    values: NDArray[np.float64]
    leaves: NDArray[np.int64]
    steps: NDArray[np.int64]
    step_node: NDArray[np.int64]
    step_left: NDArray[np.bool_]
    step_slot: NDArray[np.int32]
    slots: NDArray[np.int64]
    feature: NDArray[np.int32]
    zero: NDArray[np.float64]
    points: NDArray[np.float64]
    weights: NDArray[np.float64]

    @property
    def expected(self) -> float:
        """The expected margin over the training weight, without the base."""
        return sum(
            float(v * np.prod(self.zero[a:b])) for v, a, b in zip(self.values, self.slots, self.slots[1:], strict=False)
        )


def paths_of(trees: Trees) -> Paths:
    """Return the paths from every root to every leaf."""
    leaves: list[int] = []
    steps, slots = [0], [0]
    step_node: list[int] = []
    step_left: list[bool] = []
    step_slot: list[int] = []
    feature: list[int] = []
    zero: list[float] = []
    node_feature, left, right = trees.feature.tolist(), trees.left.tolist(), trees.right.tolist()
    cover = trees.cover.tolist()
    for root in trees.offsets[:-1].tolist():
        waiting: list[tuple[int, tuple[tuple[int, bool], ...]]] = [(root, ())]
        while waiting:
            node, way = waiting.pop()
            if node_feature[node] >= 0:
                waiting.append((root + right[node], (*way, (node, False))))
                waiting.append((root + left[node], (*way, (node, True))))
                continue
            leaves.append(node)
            seen: dict[int, int] = {}
            for asked, goes_left in way:
                slot = seen.setdefault(node_feature[asked], len(seen))
                if slot == len(zero) - slots[-1]:
                    zero.append(1.0)
                    feature.append(node_feature[asked])
                child = root + (left[asked] if goes_left else right[asked])
                zero[slots[-1] + slot] *= cover[child] / cover[asked]
                step_node.append(asked)
                step_left.append(goes_left)
                step_slot.append(slot)
            steps.append(len(step_node))
            slots.append(len(zero))
    points, weights = quadrature(int(np.diff(slots).max(initial=0)))
    return Paths(
        leaves=np.array(leaves, np.int64),
        values=trees.value[leaves],
        steps=np.array(steps, np.int64),
        step_node=np.array(step_node, np.int64),
        step_left=np.array(step_left, np.bool_),
        step_slot=np.array(step_slot, np.int32),
        slots=np.array(slots, np.int64),
        feature=np.array(feature, np.int32),
        zero=np.array(zero, np.float64),
        points=points,
        weights=weights,
    )
