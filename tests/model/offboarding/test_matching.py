"""Money out matched with money in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from customer_risk.model.offboarding.matching import pass_through


def greatest(moves: list[tuple[int, float]], window: int) -> float:
    """Solve the matching as a linear programme: the most euros that some pairing of in and out can carry."""
    pairs = [
        (i, j)
        for i, (came, amount) in enumerate(moves)
        for j, (left, out) in enumerate(moves)
        if amount > 0 > out and i < j and left - came <= window
    ]
    if not pairs:
        return 0.0
    limits = np.zeros((len(moves), len(pairs)))
    for column, (i, j) in enumerate(pairs):
        limits[i, column] = limits[j, column] = 1
    solved = linprog(-np.ones(len(pairs)), A_ub=limits, b_ub=[abs(amount) for _, amount in moves])
    return float(-solved.fun)


amounts = st.integers(-300, 300).filter(bool)
histories = st.lists(st.tuples(st.integers(0, 40), amounts), max_size=12).map(
    lambda moves: sorted(((time, float(amount)) for time, amount in moves), key=lambda move: (move[0], -move[1]))
)


@settings(max_examples=150, deadline=None)
@given(moves=histories, window=st.integers(0, 20))
def test_no_other_matching_carries_more(moves, window):
    """Taking the oldest money first gives what a linear programme finds to be the greatest amount."""
    assert pass_through(moves, window)[0] == pytest.approx(greatest(moves, window), abs=1e-6)


def test_who_took_part_is_named_by_position():
    """Only the moves that carried matched money are evidence."""
    matched, took_part = pass_through([(0, 50.0), (5, 100.0), (6, -80.0), (30, -500.0)], window=10)
    assert (matched, took_part) == (80.0, [0, 1, 2])


def test_money_that_waited_too_long_is_not_matched():
    """The window's end belongs to it, what is past it does not."""
    assert pass_through([(0, 10.0), (5, -10.0)], window=5)[0] == 10.0
    assert pass_through([(0, 10.0), (6, -10.0)], window=5) == (0.0, [])


def test_rounding_crumbs_are_no_money():
    """Differences far below a cent match nothing further."""
    matched, took_part = pass_through([(0, 0.3), (1, -0.1), (1, -0.2), (2, -5.0)], window=5)
    assert matched == pytest.approx(0.3)
    assert took_part == [0, 1, 2]


def test_no_move_matches_nothing():
    """An empty history passes nothing through."""
    assert pass_through([], 5) == (0.0, [])
