"""Lengths of time in words."""

from __future__ import annotations

import pytest

from customer_risk.model.offboarding.duration import worded


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (59, "59 seconds"),
        (119, "2 minutes"),
        (360, "6 minutes"),
        (7_200, "2 hours"),
        (2 * 86_400, "2 days"),
        (86_400 * 5_000, "5,000 days"),
    ],
)
def test_greatest_unit_with_at_least_two_is_used(seconds, words):
    """A duration is written in a unit that fits it: six minutes, not 0.1 hours."""
    assert worded(seconds) == words
