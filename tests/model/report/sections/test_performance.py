"""The section on performance."""

from __future__ import annotations

import msgspec
import pytest

from customer_risk.model.evaluation.results import METRICS, Interval
from customer_risk.model.report.numbers import written
from customer_risk.model.report.sections.performance import _week_of, section

replace = msgspec.structs.replace


def curve(results, first: Interval, last: Interval):
    """Return the results with a learning curve of two points."""
    points = (results.learning_curve[0], results.learning_curve[-1])
    made = [replace(p, metrics={"average_precision": m}) for p, m in zip(points, (first, last), strict=True)]
    return replace(results, learning_curve=tuple(made))


def test_every_metric_has_its_estimate(results, words_of):
    """Each metric has its estimate."""
    text = words_of(section(results))
    for name, title in METRICS.items():
        digits = 3 if name in {"brier", "calibration_error"} else 2
        assert f"{title} | {written(results.contenders[0].metrics[name].estimate, digits=digits)}" in text


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (Interval(estimate=0.3, low=0.2, high=0.4), Interval(estimate=0.6, low=0.5, high=0.7), "don't overlap"),
        (
            Interval(estimate=0.3, low=0.2, high=0.4),
            Interval(estimate=0.35, low=0.25, high=0.45),
            "proves neither a rise nor a fall",
        ),
        (Interval(estimate=0.3), Interval(estimate=0.6), "proves neither a rise nor a fall"),
        (Interval(estimate=0.4, low=0.3, high=0.5), Interval(estimate=0.35, low=0.25, high=0.45), "falls"),
        (Interval(estimate=None), Interval(estimate=0.35), "This run doesn't show"),
    ],
)
def test_overlapping_intervals_claim_no_rise_of_the_learning_curve(results, words_of, first, last, said):
    """With overlapping intervals the text claims neither a rise nor a fall."""
    assert said in words_of(section(curve(results, first, last)))


def test_months_with_one_label_have_a_reason(results, words_of):
    """A month without suspended customers has a reason instead of metrics."""
    assert "2024-09 no suspended customer | 17 | 0 0% | not computable" in words_of(section(results))


def test_parts_that_cannot_be_measured_are_named(results, words_of):
    """Parts with too few customers of a label are named and have no metrics."""
    text = words_of(section(results))
    assert "Not computable for: validate 15% and test 15%." in text
    assert "Metric | train 70%\n" in text


def test_the_text_about_the_time_ordered_view_is_shown(results, words_of):
    """The section has the results' text about the time-ordered view."""
    assert results.time_view.meaning in words_of(section(results))


@pytest.mark.parametrize(
    ("day", "week"), [("2024-06-17", "2024-W25"), ("2024-06-30", "2024-W38"), ("2024-12-30", None), (None, None)]
)
def test_a_part_begins_in_the_week_of_its_first_day(day, week):
    """A day belongs to its week if that is shown, else to the next shown week."""
    assert _week_of(day, ["2024-W20", "2024-W25", "2024-W38", "no transaction"]) == week
