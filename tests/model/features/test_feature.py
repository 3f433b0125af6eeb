"""One feature's words."""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest

from customer_risk.model.features.catalogue import BY_NAME
from customer_risk.model.features.feature import Unit, formatted


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1, "yes/no", "yes"),
        (0, "yes/no", "no"),
        (0.973, "share", "97%"),
        (1234.5, "EUR", "EUR 1,234.50"),
        (1200, "count", "1,200"),
        (2.25, "hours", "2.2 hours"),
        (3, "days", "3.0 days"),
        (41.7, "years", "42 years"),
        (1.5, "ratio", "1.50"),
        (0.693, "nats", "0.69 nats"),
        (math.nan, "EUR", "not known"),
    ],
)
def test_values_are_written_with_their_unit(value: float, unit: Any, text: str) -> None:
    """A value is written for a person, with its unit."""
    assert formatted(value, unit) == text


@pytest.mark.parametrize("unit", get_args(Unit))
def test_every_unit_can_be_written(unit: Unit) -> None:
    """No unit is without a way to write it."""
    assert formatted(1.0, unit)


def test_sentences_are_filled_with_the_value() -> None:
    """The investigator's sentence carries the value."""
    sentence = BY_NAME["pass_24h_share"].describe(0.9)
    assert sentence == "90% of the money that came in left again within 24 hours"
