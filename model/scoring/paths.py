"""Exact Shapley values of trees, leaf by leaf: the slower way that any tree allows, and what the tables are made with.

A leaf of value v stands behind conditions on d different features. Of feature j, `one` is 1 where the row meets all its
conditions on the way to the leaf and 0 otherwise, and `zero` is the share of training weight that met them. The
path-dependent game gives the leaf to a coalition S with v * prod(one_j, j in S) * prod(zero_j, j not in S), so that the
Shapley value of j (Lundberg et al. 2020, "From local explanations to global understanding with explainable AI for
trees", section "TreeExplainer") is

    phi_j = v (one_j - zero_j) sum over S without j of |S|! (d - 1 - |S|)! / d! prod(one_k, k in S) prod(zero_k, others)
          = v (one_j - zero_j) integral over t from 0 to 1 of prod over k != j of (one_k t + zero_k (1 - t))

since the integral of t^s (1 - t)^(d - 1 - s) is s! (d - 1 - s)! / d!. The integrand is a polynomial of degree d - 1, so
Gauss-Legendre quadrature with ceil(d / 2) points is exact, and all its terms are positive: nothing cancels, at any depth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from model.scoring.compiled import compiled

if TYPE_CHECKING:
    from model.scoring.trees import Trees


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """The ways to all leaves of all trees.

    leaves      int64[l]      node of each leaf (numbers count over all trees)
    values      float64[l]    its addition to the margin
    steps       int64[l + 1]  conditions on the way to leaf i are steps[i]:steps[i + 1], from the root down
    step_node   int64[s]      the node that asks
    step_left   bool[s]       whether the way to the leaf goes left there
    step_slot   int32[s]      which of the leaf's features it asks about (counted within the leaf)
    slots       int64[l + 1]  features of leaf i are slots[i]:slots[i + 1]
    feature     int32[k]      the column
    zero        float64[k]    share of the training weight that met the conditions on it
    points      float64[q + 1, q]  quadrature points on (0, 1) for 0 to q points
    weights     float64[q + 1, q]  their weights
    """

    leaves: NDArray[np.int64]
    values: NDArray[np.float64]
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
        """The margin's expectation over the training weight, without the base."""
        return sum(
            float(v * np.prod(self.zero[a:b])) for v, a, b in zip(self.values, self.slots, self.slots[1:], strict=False)
        )


def paths_of(trees: Trees) -> Paths:
    """Follow every way from a root to a leaf."""
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


def quadrature(features: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gauss-Legendre points and weights on (0, 1): row q holds q points; exact for up to `features` features."""
    most = max(1, (features + 1) // 2)
    points, weights = np.zeros((most + 1, most)), np.zeros((most + 1, most))
    for count in range(1, most + 1):
        x, w = np.polynomial.legendre.leggauss(count)
        points[count, :count], weights[count, :count] = (x + 1) / 2, w / 2
    return points, weights


@compiled
def leaf_contributions(
    value: float,
    zero: NDArray[np.float64],
    one: NDArray[np.float64],
    points: NDArray[np.float64],
    weights: NDArray[np.float64],
    before: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Add one leaf's Shapley values to out[d]; zero[d] and one[d] as above, before[d] is scratch."""
    count = zero.size
    quadrature_points = (count + 1) // 2
    for j in range(count):
        before[j] = 0.0
    for i in range(quadrature_points):
        t = points[quadrature_points, i]
        product = weights[quadrature_points, i]
        for j in range(count):
            out_factor = one[j] * t + zero[j] * (1.0 - t)
            before[j + count] = product  # of all factors in front of j
            product *= out_factor
        product = 1.0
        for j in range(count - 1, -1, -1):
            before[j] += before[j + count] * product
            product *= one[j] * t + zero[j] * (1.0 - t)
    for j in range(count):
        out[j] += value * (one[j] - zero[j]) * before[j]


@compiled
def explain_by_paths(
    values: NDArray[np.float32],
    node_feature: NDArray[np.int32],
    threshold: NDArray[np.float32],
    default_left: NDArray[np.bool_],
    leaf_value: NDArray[np.float64],
    steps: NDArray[np.int64],
    step_node: NDArray[np.int64],
    step_left: NDArray[np.bool_],
    step_slot: NDArray[np.int32],
    slots: NDArray[np.int64],
    feature: NDArray[np.int32],
    zero: NDArray[np.float64],
    points: NDArray[np.float64],
    weights: NDArray[np.float64],
    contributions: NDArray[np.float64],
) -> None:
    """Fill contributions[n, features] for values[n, features]: O(leaves * depth^2) a row."""
    most = 2 * weights.shape[1] + 1
    one = np.empty(most)
    scratch = np.empty(2 * most)
    out = np.empty(most)
    outcome = np.empty(node_feature.size, np.bool_)
    for row in range(values.shape[0]):
        contributions[row] = 0.0
        for node in range(node_feature.size):
            if node_feature[node] >= 0:
                x = values[row, node_feature[node]]
                outcome[node] = default_left[node] if np.isnan(x) else x < threshold[node]
        for leaf in range(leaf_value.size):
            first, last = slots[leaf], slots[leaf + 1]
            count = last - first
            one[:count] = 1.0
            out[:count] = 0.0
            for step in range(steps[leaf], steps[leaf + 1]):
                if outcome[step_node[step]] != step_left[step]:
                    one[step_slot[step]] = 0.0
            leaf_contributions(leaf_value[leaf], zero[first:last], one[:count], points, weights, scratch, out)
            for j in range(count):
                contributions[row, feature[first + j]] += out[j]
