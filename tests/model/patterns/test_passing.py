"""Money out matched with money in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from customer_risk.model.features.encoded import NEVER, Encoded
from customer_risk.model.features.kernel.compute import DEFAULTS
from customer_risk.model.features.vocabulary import DIRECTIONS, PROFILE, STATES, TYPES
from customer_risk.model.patterns.finder import Finder
from tests.oracles.polars_patterns import pass_through

HOUR = 3_600_000_000
amounts = st.integers(-300, 300).filter(bool)
histories = st.lists(st.tuples(st.integers(0, 40), amounts), max_size=12).map(
    lambda moves: sorted(((time, float(amount)) for time, amount in moves), key=lambda move: (move[0], -move[1]))
)


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


def matched(moves: list[tuple[int, float]], window: float) -> float:
    """Match by the compiled search."""
    n = len(moves)
    encoded = Encoded(
        offsets=np.array([0, n]),
        ids=np.arange(n),
        created=np.array([time * HOUR for time, _ in moves], np.int64),
        completed=np.full(n, NEVER),
        amount=np.array([abs(amount) for _, amount in moves], np.float64),
        state=np.full(n, STATES.index("COMPLETED"), np.int8),
        type=np.full(n, TYPES.index("BANK_TRANSFER"), np.int8),
        direction=np.array([DIRECTIONS.index("IN" if amount > 0 else "OUT") for _, amount in moves], np.int8),
        profile=np.zeros((1, len(PROFILE)), np.int32),
    )
    limits = {"hours": window, "share": 1e-9, "amount": 1e-9}
    found = Finder({"PASS_THROUGH": limits}, DEFAULTS).find_one(encoded)
    return found[0].amount if found else 0.0


@settings(max_examples=150, deadline=None)
@given(moves=histories, window=st.integers(0, 20))
def test_no_other_matching_carries_more(moves, window):
    """Taking the oldest money first gives what a linear programme finds to be the greatest amount."""
    expected = pytest.approx(greatest(moves, window), abs=1e-6)
    assert matched(moves, window or 1e-9) == expected
    assert pass_through(moves, window)[0] == expected


def test_rounding_errors_are_not_matched():
    """Differences far below a cent match nothing further."""
    assert matched([(0, 0.3), (1, -0.1), (1, -0.2), (2, -5.0)], 5) == 0.3
