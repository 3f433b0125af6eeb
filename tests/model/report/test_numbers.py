"""How numbers are written."""

from __future__ import annotations

import pytest

from customer_risk.model.evaluation.fairness import wilson
from customer_risk.model.evaluation.results import Interval
from customer_risk.model.report.numbers import (
    cell,
    count,
    covers_zero,
    listed,
    quantity,
    share_cell,
    span,
    spoken,
    verdict,
    written,
)

EURO = "EUR\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("value", "form", "digits", "text"),
    [
        (0.12345, "decimal", None, "0.12"),
        (0.12345, "decimal", 3, "0.123"),
        (-0.5, "decimal", None, f"{MINUS}0.50"),
        (-0.001, "decimal", None, "0.00"),
        (0.1875, "percent", None, "18.8%"),
        (-0.02, "percent", 0, f"{MINUS}2%"),
        (1234.5, "euro", None, f"{EURO}1,234.50"),
        (-12.0, "euro", 0, f"{EURO}{MINUS}12"),
        (3.25, "ratio", None, "3.2"),
        (None, "percent", None, "not computable"),
    ],
)
def test_each_form_is_written_in_one_way(value, form, digits, text):
    """A number is written in its form, with a real minus sign and none before a zero."""
    assert written(value, form, digits=digits) == text


@pytest.mark.parametrize(("value", "text"), [(1234, "1,234"), (5.0, "5"), (104.333, "104.3")])
def test_counts_keep_a_decimal_only_where_they_have_one(value, text):
    """A whole count has no decimals; a mean of counts has one."""
    assert count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "missing"), (0.0, "0"), (0.012345, "0.0123"), (-1.5, f"{MINUS}1.5"), (1234.5, "1,234"), (3.0, "3")],
)
def test_feature_values_have_three_significant_digits(value, text):
    """A feature's value is short whatever its size, and a missing one says so."""
    assert quantity(value) == text


def test_an_interval_names_its_currency_once():
    """Bounds in EUR say EUR before the first one only."""
    assert span(Interval(estimate=1.0, low=-2.0, high=3.0), "euro") == f"{EURO}{MINUS}2.00 to 3.00"


def test_an_estimate_without_an_interval_stands_alone():
    """Where there are no bounds, none are written."""
    assert spoken(Interval(estimate=0.5)) == "0.50"
    assert cell(Interval(estimate=0.5)).below == ""


def test_a_cell_that_cannot_be_computed_says_why():
    """The reason stands under "not computable"; a share brings its own."""
    assert (cell(None, why="too few").main, cell(None, why="too few").below) == ("not computable", "too few")
    assert cell(wilson(0, 0, why="nobody here")).below == "nobody here"
    assert share_cell(wilson(0, 0, why="nobody here")).below == "nobody here"


def test_a_share_shows_its_counts():
    """A share's cell holds the counts and the interval beside the value."""
    shown = share_cell(wilson(3, 4))
    assert shown.main == "75%"
    assert shown.below.startswith("3 of 4; ")


@pytest.mark.parametrize(
    ("low", "high", "covered"), [(-0.1, 0.1, True), (0.0, 0.1, True), (0.01, 0.1, False), (None, None, True)]
)
def test_an_interval_that_touches_zero_covers_it(low, high, covered):
    """A difference is told from none only by an interval that excludes 0; without one it never is."""
    assert covers_zero(Interval(estimate=0.05, low=low, high=high)) is covered


@pytest.mark.parametrize(
    ("difference", "metric", "said"),
    [
        (Interval(estimate=0.1, low=0.05, high=0.15), "roc_auc", "ahead of B by 0.10"),
        (Interval(estimate=-0.1, low=-0.15, high=-0.05), "roc_auc", "behind B by 0.10"),
        (Interval(estimate=-0.02, low=-0.03, high=-0.01), "brier", "ahead of B by 0.020"),
        (Interval(estimate=0.02, low=0.01, high=0.03), "brier", "behind B by 0.020"),
        (Interval(estimate=0.1, low=-0.05, high=0.25), "roc_auc", "can't tell the two apart"),
        (Interval(estimate=0.1), "roc_auc", "proves nothing"),
        (Interval(estimate=0.0, low=-0.1, high=0.1), "roc_auc", "are level"),
        (Interval(estimate=None), "roc_auc", "can't be compared"),
    ],
)
def test_a_verdict_claims_what_its_interval_supports(difference, metric, said):
    """Who is ahead follows the metric's good direction, and nothing is claimed where the interval covers 0."""
    assert said in verdict(difference, metric, first="A", second="B")


def test_a_verdict_that_covers_zero_never_says_excludes():
    """A difference whose interval covers 0 isn't called proven."""
    assert "excludes" not in verdict(Interval(estimate=0.1, low=-0.05, high=0.25), "f1", first="A", second="B")


@pytest.mark.parametrize(
    ("names", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_names_are_listed_as_people_do(names, text):
    """Names are parted by commas, the last by "and"."""
    assert listed(names) == text
