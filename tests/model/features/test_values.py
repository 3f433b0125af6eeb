"""Values in words."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import get_args

import pytest

from customer_risk.model.features.values import Unit, duration, formatted, in_sentence, with_noun


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1, "yes/no", "yes"),
        (0, "yes/no", "no"),
        (0.973, "share", "97%"),
        (0, "share", "0%"),
        (0.004, "share", "less than 1%"),
        (0.01, "share", "1%"),
        (0.99, "share", "99%"),
        (0.996, "share", "more than 99%"),
        (1, "share", "100%"),
        (1234.5, "EUR", "EUR 1,234.50"),
        (0, "EUR", "EUR 0.00"),
        (0.004, "EUR", "less than EUR 0.01"),
        (-20, "EUR", "EUR -20.00"),
        (1200, "count", "1,200"),
        (2.5, "count", "2.5"),
        (0.1, "hours", "6 minutes"),
        (2.25, "hours", "2.2 hours"),
        (1, "hours", "1 hour"),
        (48, "hours", "2 days"),
        (3, "days", "3 days"),
        (0.5, "days", "12 hours"),
        (41.7, "years", "41 years"),
        (1, "years", "1 year"),
        (1.5, "ratio", "1.50"),
        (0, "nats", "1 kind"),
        (math.log(2.7), "nats", "2.7 kinds"),
        (math.nan, "EUR", "not known"),
    ],
)
def test_values_are_written_with_their_unit(value: float, unit: Unit, text: str) -> None:
    """A value is written for a person, with its unit."""
    assert formatted(value, unit) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0, "share", "none"), (1, "share", "all"), (0.5, "share", "50%"), (0, "EUR", "no money"), (1, "EUR", "EUR 1.00")],
)
def test_none_all_and_no_money_are_words_in_a_sentence(value: float, unit: Unit, text: str) -> None:
    """In a sentence, 0% is "none", 100% is "all" and EUR 0 is "no money"."""
    assert in_sentence(value, unit) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "no card payments"), (1, "1 card payment"), (2, "2 card payments"), (1200, "1,200 card payments")],
)
def test_counts_have_the_noun_in_singular_or_plural(count: float, text: str) -> None:
    """One is singular; none and several are plural."""
    assert with_noun(count, "card payment") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"),
        (0.2, "less than a second"),
        (1, "1 second"),
        (40, "40 seconds"),
        (59.4, "59 seconds"),
        (59.6, "1 minute"),
        (90, "1.5 minutes"),
        (360, "6 minutes"),
        (3_596, "59.9 minutes"),
        (3_598, "1 hour"),
        (5_400, "1.5 hours"),
        (171_000, "47.5 hours"),
        (172_790, "2 days"),
        (216_000, "2.5 days"),
        (15_552_000, "180 days"),
    ],
)
def test_durations_have_the_unit_that_fits(seconds: float, text: str) -> None:
    """Rounding carries into the next unit: there are no 60 seconds, no 60 minutes and no 48 hours."""
    assert duration(seconds) == text


@pytest.mark.parametrize("unit", get_args(Unit))
@pytest.mark.parametrize("value", [1e308, 1e6, 5e-324, -0.0, -1e-9, -1e308])
@pytest.mark.parametrize("write", [formatted, in_sentence])
def test_every_finite_value_has_a_text(write: Callable[[float, Unit], str], value: float, unit: Unit) -> None:
    """Every finite number has a text, also far outside the plausible range."""
    assert not {"inf", "nan"} & set(re.findall(r"[a-z]+", write(value, unit)))
