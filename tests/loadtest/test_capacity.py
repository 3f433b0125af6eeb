"""The search for what a server holds."""

from __future__ import annotations

import pytest

from loadtest.capacity import Rung, climb


@pytest.mark.parametrize("truth", [7.0, 20.0, 55.0, 1234.0])
def test_the_greatest_rate_held_is_found(truth):
    """From below and from above, within ten per cent, in few attempts."""
    tried = []

    def attempt(rate: float) -> Rung:
        tried.append(rate)
        return Rung(rate, 0.0, 0.0, rate <= truth)

    assert truth / 1.1 <= climb(attempt, 20.0) <= truth
    assert len(tried) < 18


def test_a_server_that_holds_nothing_ends_the_search():
    """A quarter of the first rate is the least that is tried."""
    assert climb(lambda rate: Rung(rate, 0.0, 0.0, held=False), 20.0) == 0.0
