"""The section on assumptions and limits."""

from __future__ import annotations

import msgspec

from customer_risk.model.evaluation.fairness import wilson
from customer_risk.model.report.numbers import span
from customer_risk.model.report.sections.limits import computed, section

replace = msgspec.structs.replace


def said(results, lead: str) -> str:
    """Return the text of the computed limit with this lead."""
    return dict(computed(results))[lead]


def test_the_text_has_the_interval_of_the_sample_size(results):
    """The text has Wilson's interval of one half of the suspended customers."""
    assert span(wilson(15, 30), "percent", digits=0) in said(results, "Sample size.")


def test_events_per_variable_are_counted(results):
    """30 suspended customers and 6 features are 5 events each, below the usual 10."""
    text = said(results, "Events per variable.")
    assert "5.0 per feature" in text
    assert "below the 10" in text


def test_enough_events_are_not_called_too_few(results):
    """With three features there are 10 events each, which isn't below 10."""
    assert "At least 10" in said(replace(results, features=results.features[:3]), "Events per variable.")


def test_customers_without_transactions_are_counted(results):
    """Customers without a transaction are counted with their share."""
    assert "53 customers (33%)" in said(results, "Customers without transactions.")


def test_parts_without_a_test_are_counted(results):
    """The parts of the time-ordered split that can't be measured are counted."""
    assert "2 of 2 later parts" in said(results, "No test in time.")


def test_stated_and_computed_limits_are_listed(results, words_of):
    """The section lists the limits in the results."""
    assert "No suspension time. The tables don't say" in words_of(section(results))
