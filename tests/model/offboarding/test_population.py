"""The place of a value among the customers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from customer_risk.model.offboarding.population import Population
from customer_risk.model.scoring.reasons import Reason


def reason(value, unit="count"):
    """Return a reason with a value."""
    return Reason(
        code="C",
        text="",
        direction="raises",
        feature="f",
        value=value,
        unit=unit,
        contribution=1.0,
        share=1.0,
        investigator_text="",
    )


def test_places_are_shares_of_the_known_values():
    """The shares of smaller, equal and greater values add up to 1 over the known values."""
    assert Population(np.array([1, 2, 2, 3, math.nan])).place(2.0) == (0.25, 0.5, 0.25)


def test_place_agrees_with_counting():
    """The place equals that from comparing with every customer."""
    values = np.random.default_rng(0).integers(0, 20, 200).astype(float)
    values[::7] = math.nan
    known = values[~np.isnan(values)]
    for value in range(-1, 21):
        expected = ((known < value).mean(), (known == value).mean(), (known > value).mean())
        assert Population(values).place(value) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (96.5, "higher than for 97% of customers"),
        (2.5, "lower than for 97% of customers"),
        (99.5, "higher than for 99.9% of customers"),
    ],
)
def test_place_is_compared_with_the_larger_side(value, told):
    """High values are compared with lower values, low values with higher values."""
    assert Population(np.arange(100.0)).tell(reason(value)) == told


def test_place_of_a_flag_is_the_share_with_the_same_value():
    """A yes/no value is compared by the share of customers with the same value."""
    assert Population(np.array([1.0] * 25 + [0.0] * 75)).tell(reason(1.0, "yes/no")) == "the same for 25% of customers"


def test_place_of_a_missing_value_is_the_share_without_a_value():
    """A missing value is compared by the share of customers without a value."""
    population = Population(np.array([1.0] * 30 + [math.nan] * 10))
    assert population.tell(reason(None)) == "missing for 25% of customers"


def test_value_of_all_customers_is_reported_as_such():
    """If all customers have the same value, the text says so."""
    assert Population(np.ones(50)).tell(reason(1.0)) == "the same for all customers"


@pytest.mark.parametrize("values", [np.arange(29.0), np.full(100, math.nan), np.array([])])
def test_too_few_customers_say_nothing(values):
    """With fewer than 30 values, a value gets no place."""
    assert Population(values).tell(reason(1.0)) == ""
