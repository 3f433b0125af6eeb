"""The search for the capacity of a server."""

from __future__ import annotations

import pytest

from loadtest.capacity import Rung, climb


@pytest.mark.parametrize("truth", [7.0, 20.0, 55.0, 1234.0])
def test_the_capacity_is_found(truth):
    """The capacity is found within ten per cent in few attempts, from a lower and from a greater first rate."""
    tried = []

    def attempt(rate: float) -> Rung:
        tried.append(rate)
        return Rung(rate, 0.0, 0.0, rate <= truth)

    assert truth / 1.1 <= climb(attempt, 20.0) <= truth
    assert len(tried) < 18


def test_a_server_without_capacity_ends_the_search():
    """The search ends once a quarter of the first rate fails."""
    assert climb(lambda rate: Rung(rate, 0.0, 0.0, held=False), 20.0) == 0.0
