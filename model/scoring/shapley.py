"""Exact Shapley values leaf by leaf, to fill the tables, or if tables would be too large.

A leaf of value v has conditions on d different features on its path. Of feature j, `one` is 1 where the row meets all
its conditions on the path to the leaf and 0 otherwise, and `zero` is the share of training weight that met them. The
path-dependent game gives the leaf to a coalition S with v * prod(one_j, j in S) * prod(zero_j, j not in S), so that the
Shapley value of j (Lundberg et al. 2020, "From local explanations to global understanding with explainable AI for
trees") is

    phi_j = v (one_j - zero_j) sum over S without j of |S|! (d - 1 - |S|)! / d! prod(one_k, k in S) prod(zero_k, others)
          = v (one_j - zero_j) integral over t from 0 to 1 of prod over k != j of (one_k t + zero_k (1 - t))

since the integral of t^s (1 - t)^(d - 1 - s) is s! (d - 1 - s)! / d!. The integrand is a polynomial of degree d - 1, so
Gauss-Legendre quadrature with ceil(d / 2) points is exact, and all its terms are positive: nothing cancels, at any
depth.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from customer_risk.model.scoring.compiled import compiled


def quadrature(features: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Gauss-Legendre points and weights on (0, 1): row q has q points; exact for up to `features` features."""
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
    scratch: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Add one leaf's Shapley values to out[d]; zero[d] and one[d] as above, scratch[2 d] is overwritten."""
    count = zero.size
    integral, before = scratch[:count], scratch[count : 2 * count]
    integral[:] = 0.0
    order = (count + 1) // 2
    for i in range(order):
        t = points[order, i]
        product = weights[order, i]
        for j in range(count):
            before[j] = product  # of the factors in front of j
            product *= one[j] * t + zero[j] * (1.0 - t)
        product = 1.0  # of the factors behind j
        for j in range(count - 1, -1, -1):
            integral[j] += before[j] * product
            product *= one[j] * t + zero[j] * (1.0 - t)
    for j in range(count):
        out[j] += value * (one[j] - zero[j]) * integral[j]


@compiled
def fill_tables(  # noqa: PLR0917  compiled code takes arrays, not objects
    leaves: NDArray[np.int64],
    bits: NDArray[np.int64],
    columns: NDArray[np.int64],
    leaf_value: NDArray[np.float64],
    steps: NDArray[np.int64],
    step_left: NDArray[np.bool_],
    step_slot: NDArray[np.int32],
    slots: NDArray[np.int64],
    zero: NDArray[np.float64],
    points: NDArray[np.float64],
    weights: NDArray[np.float64],
    table: NDArray[np.float64],
) -> None:
    """Add every leaf's Shapley values, for every pattern of its subtree, to the subtrees' tables.

    leaves   int64[l, 4]  leaf of Paths, where its table begins in `table`, the table's columns, its pattern's bits
    bits     int64        for each leaf's steps, one leaf behind the other: the step's bit in the pattern
    columns  int64        for each leaf's features, likewise: the feature's column in the table

    The other arguments are those of Paths.
    """
    most = 2 * weights.shape[1] + 1
    one = np.empty(most)
    scratch = np.empty(2 * most)
    first_bit = 0
    first_column = 0
    for place in range(leaves.shape[0]):
        leaf, begin, width, pattern_bits = leaves[place]
        asked = steps[leaf + 1] - steps[leaf]
        count = slots[leaf + 1] - slots[leaf]
        own = np.zeros((1 << asked, count))  # the leaf's values for each outcome of its own steps
        for pattern in range(1 << asked):
            one[:count] = 1.0
            for step in range(asked):
                if (((pattern >> step) & 1) == 1) != step_left[steps[leaf] + step]:
                    one[step_slot[steps[leaf] + step]] = 0.0
            leaf_contributions(
                leaf_value[leaf],
                zero[slots[leaf] : slots[leaf + 1]],
                one[:count],
                points,
                weights,
                scratch,
                own[pattern],
            )
        for pattern in range(1 << pattern_bits):
            mine = 0
            for step in range(asked):
                mine |= ((pattern >> bits[first_bit + step]) & 1) << step
            for j in range(count):
                table[begin + pattern * width + columns[first_column + j]] += own[mine, j]
        first_bit += asked
        first_column += count


@compiled
def explain_by_paths(  # noqa: PLR0917  compiled code takes arrays, not objects
    values: NDArray[np.float64],
    bias: float,
    node_feature: NDArray[np.int32],
    threshold: NDArray[np.float32],
    default_left: NDArray[np.bool_],
    leaf_value: NDArray[np.float64],
    leaves: NDArray[np.int64],
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
    margins: NDArray[np.float64],
) -> None:
    """Fill contributions[n, features] and margins[n] for values[n, features]: O(leaves * depth^2) a row."""
    most = 2 * weights.shape[1] + 1
    one = np.empty(most)
    scratch = np.empty(2 * most)
    outcome = np.empty(node_feature.size, np.bool_)
    out = np.empty(most)
    for row in range(values.shape[0]):
        contributions[row] = 0.0
        for node in range(node_feature.size):
            if node_feature[node] >= 0:
                x = np.float32(values[row, node_feature[node]])
                outcome[node] = default_left[node] if np.isnan(x) else x < threshold[node]
        for leaf in range(leaves.size):
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
        margins[row] = bias
        for column in range(values.shape[1]):
            margins[row] += contributions[row, column]
