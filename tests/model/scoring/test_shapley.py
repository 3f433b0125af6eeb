"""One leaf's Shapley values."""

from __future__ import annotations

from itertools import combinations
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customer_risk.model.scoring.shapley import leaf_contributions, quadrature


def _by_definition(value: float, zero: np.ndarray, one: np.ndarray) -> np.ndarray:
    count = len(zero)
    phi = np.zeros(count)
    for j in range(count):
        others = [k for k in range(count) if k != j]
        for size in range(count):
            weight = factorial(size) * factorial(count - size - 1) / factorial(count)
            for known in combinations(others, size):
                rest = np.prod([one[k] if k in known else zero[k] for k in others])
                phi[j] += weight * value * rest * (one[j] - zero[j])
    return phi


def _computed(value: float, zero: np.ndarray, one: np.ndarray) -> np.ndarray:
    out = np.zeros(len(zero))
    leaf_contributions(value, zero, one, *quadrature(len(zero)), np.empty(2 * len(zero) + 2), out)
    return out


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=7), st.floats(-3, 3))
@settings(deadline=None, max_examples=60)
def test_a_leafs_values_are_the_sum_over_all_coalitions(conditions, value):
    """The integral gives what the sum over subsets gives, for shares of 0 and of 1 too."""
    zero = np.array([share for share, _ in conditions])
    one = np.array([float(met) for _, met in conditions])
    np.testing.assert_allclose(_computed(value, zero, one), _by_definition(value, zero, one), atol=1e-13)


@pytest.mark.parametrize("count", [1, 2, 5, 30, 101])
def test_quadrature_is_exact_for_every_weight_of_a_path(count):
    """For t^s (1 - t)^(d - 1 - s) the points give s! (d - 1 - s)! / d!."""
    points, weights = quadrature(count)
    order = (count + 1) // 2
    for size in {0, count // 2, count - 1}:
        integral = (weights[order, :order] * points[order, :order] ** size) @ (
            (1 - points[order, :order]) ** (count - 1 - size)
        )
        exact = factorial(size) * factorial(count - 1 - size) / factorial(count)
        assert integral == pytest.approx(exact, rel=1e-10)


def test_sixty_conditions_lose_no_precision():
    """Contributions of a leaf behind sixty features still add up to its value minus its expectation."""
    zero = np.linspace(0.3, 0.99, 60)
    one = np.ones(60)
    assert _computed(2.0, zero, one).sum() == pytest.approx(2.0 * (1 - np.prod(zero)), abs=1e-13)
