"""The section on fairness."""

from __future__ import annotations

import dataclasses

import msgspec

from customer_risk.model.report.numbers import written
from customer_risk.model.report.sections.fairness import section

replace = msgspec.structs.replace


def with_gaps(results, **changes):
    """Return the results with the first decision only, and with its computable gaps changed."""
    each = results.fairness[0]
    gaps = tuple(dataclasses.replace(gap, **changes) if gap.value is not None else gap for gap in each.gaps)
    return replace(results, fairness=(dataclasses.replace(each, gaps=gaps),))


def test_every_slice_has_its_counts(results, words_of):
    """Each slice has its customers and the counts of its flagged share."""
    text = words_of(section(results))
    for each in results.fairness[0].slices:
        assert f"{each.name} {each.attribute} | {each.customers} | " in text
        assert f"{each.flagged.count} of {each.flagged.of}; " in text


def test_a_slice_without_suspended_customers_is_not_computable(results, words_of):
    """The true positive rate of a slice without suspended customers has a reason."""
    assert "not computable no suspended customer in this slice" in words_of(section(results))


def test_a_gap_that_is_likely_by_chance_is_not_called_unlikely(results, words_of):
    """Gaps that are likely by chance are not called unlikely, and equal treatment is not called proven."""
    text = words_of(section(with_gaps(results, by_chance=0.4)))
    assert "unlikely by chance |" not in text
    assert "This doesn't prove equal treatment." in text


def test_a_gap_that_is_unlikely_by_chance_is_named(results, words_of):
    """A gap that is unlikely by chance is named with its slices, and with the number expected by chance."""
    text = words_of(section(with_gaps(results, by_chance=0.0004)))
    gap = results.fairness[0].gaps[0]
    assert f"In {gap.attribute}, {gap.greatest} has a greater flagged share than {gap.least}" in text
    assert "would be this wide by chance alone" in text
    assert "under 0.1%" in text
    assert "equalized odds fail between" in text


def test_gaps_have_their_size(results, words_of):
    """The row of a computable gap has its size in per cent."""
    gap = results.fairness[0].gaps[0]
    assert f"gender | flagged share | {written(gap.value, 'percent', digits=0)} " in words_of(section(results))


def test_without_computable_gaps_equal_treatment_is_unknown(results, words_of):
    """If no gap is computable, the text says that equal treatment is unknown."""
    each = results.fairness[0]
    lost = tuple(gap for gap in each.gaps if gap.value is None)
    found = replace(results, fairness=(dataclasses.replace(each, gaps=lost),))
    assert "These tables don't show whether treatment is equal." in words_of(section(found))
