"""Fairness as it is told: gaps, their chance, and what can't be computed."""

from __future__ import annotations

import dataclasses

import msgspec

from customer_risk.model.report.numbers import written
from customer_risk.model.report.sections.fairness import section

replace = msgspec.structs.replace


def with_gaps(results, **changes):
    """The results with the first decision alone, each computable gap changed."""
    each = results.fairness[0]
    gaps = tuple(dataclasses.replace(gap, **changes) if gap.value is not None else gap for gap in each.gaps)
    return replace(results, fairness=(dataclasses.replace(each, gaps=gaps),))


def test_every_slice_has_its_counts(results, words_of):
    """Each slice stands with its customers and its flagged share's counts."""
    text = words_of(section(results))
    for each in results.fairness[0].slices:
        assert f"{each.name} {each.attribute} | {each.customers} | " in text
        assert f"{each.flagged.count} of {each.flagged.of}; " in text


def test_a_slice_without_suspended_customers_is_not_computable(results, words_of):
    """Where a slice has no suspended customer its true positive rate says so."""
    assert "not computable no suspended customer in this slice" in words_of(section(results))


def test_a_gap_that_chance_makes_is_not_held_against_anyone(results, words_of):
    """Gaps that chance often makes aren't called wider than chance, nor is equal treatment called proven."""
    text = words_of(section(with_gaps(results, by_chance=0.4)))
    assert "wider than chance |" not in text
    assert "This doesn't prove equal treatment." in text


def test_a_gap_that_chance_rarely_makes_is_named(results, words_of):
    """A surprising gap is named with its slices, and with how many would look so by chance."""
    text = words_of(section(with_gaps(results, by_chance=0.0004)))
    gap = results.fairness[0].gaps[0]
    assert f"In {gap.attribute}, {gap.greatest} has a greater flagged share than {gap.least}" in text
    assert "would look like this by chance alone" in text
    assert "under 0.1%" in text
    assert "equalized odds fail between" in text


def test_gaps_show_their_size(results, words_of):
    """A computable gap's size, in per cent, stands in its row."""
    gap = results.fairness[0].gaps[0]
    assert f"gender | flagged share | {written(gap.value, 'percent', digits=0)} " in words_of(section(results))


def test_without_computable_gaps_nothing_is_claimed(results, words_of):
    """Where no gap can be computed, equal treatment is neither shown nor denied."""
    each = results.fairness[0]
    lost = tuple(gap for gap in each.gaps if gap.value is None)
    found = replace(results, fairness=(dataclasses.replace(each, gaps=lost),))
    assert "These tables don't show whether treatment is equal." in words_of(section(found))
