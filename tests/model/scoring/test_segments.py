"""Low, medium, high."""

from __future__ import annotations

import math

import pytest

from customer_risk.model.errors import BundleError
from customer_risk.model.scoring.segments import ACTIONS, SEGMENTS, Thresholds


@pytest.mark.parametrize(
    ("probability", "segment"),
    [(0.0, "low"), (0.1999, "low"), (0.2, "medium"), (0.5999, "medium"), (0.6, "high"), (1.0, "high")],
)
def test_a_threshold_belongs_to_the_upper_segment(probability, segment):
    """A probability equal to a threshold is in the upper segment."""
    assert Thresholds(0.2, 0.6).segment_of(probability) == segment


def test_equal_thresholds_leave_no_medium():
    """Equal thresholds leave only low and high."""
    assert [Thresholds(0.5, 0.5).segment_of(p) for p in (0.4999, 0.5)] == ["low", "high"]


@pytest.mark.parametrize(
    ("medium", "high"), [(0.6, 0.2), (-0.1, 0.5), (0.1, 1.1), (math.nan, 0.5), (0.1, math.nan), (0.1, math.inf)]
)
def test_impossible_thresholds_are_refused(medium, high):
    """Impossible thresholds are refused."""
    with pytest.raises(BundleError, match="thresholds can't be used"):
        Thresholds(medium, high)


def test_each_segment_has_an_action():
    """Each segment has an action; only high proposes off-boarding."""
    assert tuple(ACTIONS) == SEGMENTS
    assert [name for name, action in ACTIONS.items() if action == "propose_off_boarding"] == ["high"]
