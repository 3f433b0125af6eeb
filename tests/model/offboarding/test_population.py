"""A value's place among the customers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from customer_risk.model.offboarding.population import Population
from customer_risk.model.scoring.reasons import Reason


def reason(value, unit="count"):
    """A reason with a value."""
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
    """Smaller, equal and greater add up to all who have a value."""
    assert Population(np.array([1, 2, 2, 3, math.nan])).place(2.0) == (0.25, 0.5, 0.25)


def test_place_agrees_with_counting():
    """Sorting and searching gives what comparing with everybody gives."""
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
def test_place_is_told_from_the_nearer_end(value, told):
    """High values are compared with those below, low ones with those above; never with all."""
    assert Population(np.arange(100.0)).tell(reason(value)) == told


def test_flag_is_told_by_how_many_share_it():
    """Yes or no has no more and less."""
    assert Population(np.array([1.0] * 25 + [0.0] * 75)).tell(reason(1.0, "yes/no")) == "the same for 25% of customers"


def test_missing_value_is_told_by_how_many_lack_it():
    """Missing is a value of its own."""
    population = Population(np.array([1.0] * 30 + [math.nan] * 10))
    assert population.tell(reason(None)) == "missing for 25% of customers"


def test_value_that_all_share_says_so():
    """There is no more or less where nobody differs."""
    assert Population(np.ones(50)).tell(reason(1.0)) == "the same for all customers"


@pytest.mark.parametrize("values", [np.arange(29.0), np.full(100, math.nan), np.array([])])
def test_too_few_customers_say_nothing(values):
    """A place among a handful would mislead."""
    assert Population(values).tell(reason(1.0)) == ""
