"""How numbers are written."""

from __future__ import annotations

import re

import pytest

from customer_risk.model.evaluation.fairness import wilson
from customer_risk.model.evaluation.results import Interval
from customer_risk.model.report.numbers import (
    cell,
    count,
    counted,
    covers_zero,
    difference_span,
    listed,
    quantity,
    share_cell,
    signed,
    span,
    spoken,
    times,
    verdict,
    were,
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
        (float("nan"), "percent", 0, "not computable"),
        (0.996, "percent", 0, "99.6%"),
        (0.004, "percent", 0, "0.4%"),
        (0.99996, "percent", 1, "99.996%"),
        (1.0, "percent", 0, "100%"),
        (0.0, "percent", 1, "0.0%"),
        (1e-18, "percent", 0, "0%"),
        (-1e-18, "euro", None, f"{EURO}0.00"),
    ],
)
def test_each_form_is_written_in_one_way(value, form, digits, text):
    """A number has its form, with a minus sign instead of a hyphen, and without a sign before zero."""
    assert written(value, form, digits=digits) == text


@pytest.mark.parametrize(
    ("value", "text"), [(1234, "1,234"), (5.0, "5"), (104.333, "104.3"), (42.0, "42"), (0.97, "1"), (0.0, "0")]
)
def test_only_means_of_counts_have_a_decimal(value, text):
    """A whole count has no decimals; a mean of counts has one."""
    assert count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "missing"),
        (0.0, "0"),
        (0.012345, "0.0123"),
        (-1.5, f"{MINUS}1.5"),
        (1234.5, "1,234"),
        (3.0, "3"),
        (float("nan"), "missing"),
        (-0.0000012, f"{MINUS}0.00000120"),
    ],
)
def test_feature_values_have_three_significant_digits(value, text):
    """A feature's value is short at any size; a missing value is "missing"."""
    assert quantity(value) == text


def test_an_interval_names_its_currency_once():
    """Only the first bound in EUR has the currency."""
    assert span(Interval(estimate=1.0, low=-2.0, high=3.0), "euro") == f"{EURO}{MINUS}2.00 to 3.00"


def test_an_estimate_without_an_interval_has_no_bounds():
    """Without bounds the text is empty."""
    assert spoken(Interval(estimate=0.5)) == "0.50"
    assert cell(Interval(estimate=0.5)).below == ""


def test_a_cell_that_cannot_be_computed_has_a_reason():
    """The reason is below "not computable"; a share has its own reason."""
    assert (cell(None, why="too few").main, cell(None, why="too few").below) == ("not computable", "too few")
    assert cell(wilson(0, 0, why="nobody here")).below == "nobody here"
    assert share_cell(wilson(0, 0, why="nobody here")).below == "nobody here"


def test_a_share_shows_its_counts():
    """A share's cell has the value, the counts and the interval."""
    shown = share_cell(wilson(3, 4))
    assert shown.main == "75%"
    assert shown.below.startswith("3 of 4; ")


@pytest.mark.parametrize(
    ("low", "high", "covered"), [(-0.1, 0.1, True), (0.0, 0.1, True), (0.01, 0.1, False), (None, None, True)]
)
def test_an_interval_that_touches_zero_includes_it(low, high, covered):
    """An interval that touches 0, or without bounds, covers 0."""
    assert covers_zero(Interval(estimate=0.05, low=low, high=high)) is covered


@pytest.mark.parametrize(
    ("difference", "metric", "said"),
    [
        (Interval(estimate=0.1, low=0.05, high=0.15), "roc_auc", "ahead of B by 0.10"),
        (Interval(estimate=-0.1, low=-0.15, high=-0.05), "roc_auc", "behind B by 0.10"),
        (Interval(estimate=-0.02, low=-0.03, high=-0.01), "brier", "ahead of B by 0.020"),
        (Interval(estimate=0.02, low=0.01, high=0.03), "brier", "behind B by 0.020"),
        (Interval(estimate=0.1, low=-0.05, high=0.25), "roc_auc", "don't show which is better"),
        (Interval(estimate=0.1), "roc_auc", "this can be chance"),
        (Interval(estimate=0.0, low=-0.1, high=0.1), "roc_auc", "are equal"),
        (Interval(estimate=None), "roc_auc", "can't be compared"),
    ],
)
def test_a_verdict_follows_its_interval(difference, metric, said):
    """The verdict follows the metric's better direction, and claims nothing if the interval covers 0."""
    assert said in verdict(difference, metric, first="A", second="B")


def test_a_verdict_with_zero_in_its_interval_never_says_excludes():
    """A difference whose interval covers 0 doesn't "exclude 0"."""
    assert "excludes" not in verdict(Interval(estimate=0.1, low=-0.05, high=0.25), "f1", first="A", second="B")


@pytest.mark.parametrize(
    ("names", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_names_are_separated_by_commas_and_and(names, text):
    """Names are separated by commas, the last by "and"."""
    assert listed(names) == text


@pytest.mark.parametrize(("number", "text"), [(0, "0 times"), (1, "once"), (2, "twice"), (5, "5 times")])
def test_repetitions_are_words(number, text):
    """One time is written "once"."""
    assert times(number) == text


@pytest.mark.parametrize(
    ("number", "text", "verb"),
    [(0, "0 customers", "were"), (1, "1 customer", "was"), (1.04, "1 customer", "was"), (1.5, "1.5 customers", "were")],
)
def test_nouns_and_verbs_agree_with_the_written_count(number, text, verb):
    """Noun and verb agree with the written count, so that a mean of 1.04 isn't "1 customers"."""
    assert counted(number) == text
    assert were(number) == verb


def test_an_irregular_plural_can_be_given():
    """An irregular plural can be given."""
    assert counted(2, "entry", "entries") == "2 entries"


@pytest.mark.parametrize(("value", "text"), [(0.5, "+0.50"), (-0.5, f"{MINUS}0.50"), (0.001, "0.00"), (-0.001, "0.00")])
def test_a_zero_has_no_sign(value, text):
    """A signed number that rounds to 0 has no sign."""
    assert signed(value) == text


@pytest.mark.parametrize(
    ("difference", "bounds"),
    [
        (Interval(estimate=0.04, low=0.002, high=0.085), "0.002 to 0.085"),
        (Interval(estimate=0.04, low=0.00002, high=0.085), "just above 0 to 0.0850"),
        (Interval(estimate=-0.04, low=-0.085, high=-0.00002), f"{MINUS}0.0850 to just below 0"),
        (Interval(estimate=0.04, low=-0.0004, high=0.08), f"{MINUS}0.0004 to 0.0800"),
        (Interval(estimate=0.04, low=0.0, high=0.08), "0.00 to 0.08"),
        (Interval(estimate=0.04, low=-1e-17, high=0.08), "0.00 to 0.08"),
        (Interval(estimate=0.04), ""),
    ],
)
def test_bounds_of_a_difference_show_their_sign(difference, bounds):
    """Only a bound of 0 is written as 0."""
    assert difference_span(difference) == bounds


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision", "brier"])
@pytest.mark.parametrize("estimate", [0.3, 0.004, 0.0004, 0.00004, 0.0000004])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("spread", [(0.5, 2.0), (-1.0, 2.0)])
def test_no_verdict_contradicts_its_numbers(metric, estimate, sign, spread):
    """No verdict says "by 0.00" or excludes 0 with a bound that is written as 0."""
    bounds = sorted(sign * estimate * factor for factor in spread)
    said = verdict(Interval(estimate=sign * estimate, low=bounds[0], high=bounds[1]), metric, first="A", second="B")
    assert not re.search(r"by 0\.0+ ", said)
    if "excludes 0" in said:
        assert not re.search(r"difference 0\.0+ to|to 0\.0+\)", said)
