"""Limits, computed from the sample's size."""

from __future__ import annotations

import msgspec

from customer_risk.model.evaluation.fairness import wilson
from customer_risk.model.report.numbers import span
from customer_risk.model.report.sections.limits import computed, section

replace = msgspec.structs.replace


def said(results, lead: str) -> str:
    """The computed limit with that lead."""
    return dict(computed(results))[lead]


def test_the_sample_size_is_told_by_an_interval(results):
    """What 30 suspended customers allow is Wilson's interval of a half."""
    assert span(wilson(15, 30), "percent", digits=0) in said(results, "Sample size.")


def test_events_per_variable_are_counted(results):
    """30 suspended customers and 6 features are 5 events each, below the usual 10."""
    text = said(results, "Events per variable.")
    assert "5.0 per feature" in text
    assert "below the 10" in text


def test_enough_events_are_not_called_too_few(results):
    """With three features there are 10 events each, which isn't below 10."""
    assert "At least 10" in said(replace(results, features=results.features[:3]), "Events per variable.")


def test_silent_customers_are_counted(results):
    """Customers without a transaction are counted with their share."""
    assert "53 customers (33%)" in said(results, "Customers without transactions.")


def test_parts_without_a_test_are_counted(results):
    """The parts of the time-ordered split that can't be measured are counted."""
    assert "2 of 2 later parts" in said(results, "No test in time.")


def test_the_runs_own_limits_stand_beside_the_computed_ones(results, words_of):
    """What the run states, such as that there is no suspension time, is listed."""
    assert "No suspension time. The tables don't say" in words_of(section(results))
