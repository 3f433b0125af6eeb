"""The distance to each cut-off."""

from __future__ import annotations

import pytest

from customer_risk.model.offboarding.cut_offs import cut_offs
from customer_risk.model.scoring.segments import Thresholds


@pytest.mark.parametrize(
    ("probability", "medium", "high"),
    [
        (0.05, "0.100 lower", "0.350 lower"),
        (0.15, "exactly that", "0.250 lower"),
        (0.3999, "0.250 higher", "less than 0.001 lower"),
        (0.9, "0.750 higher", "0.500 higher"),
    ],
)
def test_distance_has_a_direction(probability, medium, high):
    """Above, below and exactly at a cut-off are different sentences; no difference is written as 0.000."""
    told = [one.tell() for one in cut_offs(probability, Thresholds(0.15, 0.4))]
    assert told[0].startswith("Medium begins at 0.150: the probability is ")
    assert told[1].startswith("High begins at 0.400: the probability is ")
    assert told[0].endswith(medium)
    assert told[1].endswith(high)


def test_thresholds_without_a_medium_segment_have_one_cut_off():
    """Equal thresholds leave no segment between Low and High."""
    assert [one.segment for one in cut_offs(0.2, Thresholds(0.4, 0.4))] == ["high"]
