"""The section on segments."""

from __future__ import annotations

import msgspec
import pytest

from customer_risk.model.evaluation.results import Interval
from customer_risk.model.report.sections.segments import section

replace = msgspec.structs.replace


def rated(results, *rates: Interval):
    """Return the results with these observed rates, beginning with Low; fewer rates give fewer segments."""
    rows = [replace(row, observed_rate=rate) for row, rate in zip(results.segments.rows, rates, strict=False)]
    return replace(results, segments=replace(results.segments, rows=tuple(rows)))


LOW = Interval(estimate=0.05, low=0.02, high=0.1)
MEDIUM = Interval(estimate=0.3, low=0.2, high=0.4)
HIGH = Interval(estimate=0.7, low=0.5, high=0.9)
BLURRED = Interval(estimate=0.35, low=0.15, high=0.6)


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        ((LOW, MEDIUM, HIGH), "the intervals of neighbouring segments don't overlap"),
        ((LOW, MEDIUM, BLURRED), "but the intervals of neighbouring segments overlap"),
        ((LOW, HIGH, MEDIUM), "don't order the risk"),
    ],
)
def test_the_text_about_the_order_of_segments_follows_the_intervals(results, words_of, rates, said):
    """The text says whether the shares rise and whether their intervals overlap."""
    assert said in words_of(section(rated(results, *rates)))


def test_one_segment_has_no_order(results, words_of):
    """With one segment the text says nothing about an order."""
    assert "rise" not in words_of(section(rated(results, LOW)))


def test_medians_are_shown_by_segment(results, words_of):
    """Each feature has its medians; a missing median is "missing"."""
    text = words_of(section(results))
    assert "declined_share | share | 0.1 | 0.25 | 0.751" in text
    assert "amount_median | share | 0.1 | 0.25 | missing for every customer" in text


def test_medians_are_in_the_order_of_importance(results, words_of):
    """Medians are in the order of importance; those after the fifteenth are in a fold."""
    base, weighed = results.segments.features[0], results.importance[0]
    features = tuple(replace(base, feature=f"f{at:02d}") for at in range(20))
    importance = tuple(replace(weighed, feature=f"f{at:02d}", mean_abs_contribution=float(at)) for at in range(20))
    found = section(replace(results, segments=replace(results.segments, features=features), importance=importance))
    text = words_of(found)
    assert text.index("f19 |") < text.index("f18 |") < text.index("All other features") < text.index("f04 |")
