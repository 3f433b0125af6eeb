"""What the segments look like."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from customer_risk.model.offboarding.segments import as_table, characterise


@pytest.fixture(scope="session")
def profiles(scored):
    """The synthetic cohort's segments."""
    return characterise(scored)


def test_segments_add_up_to_all_customers(scored, profiles):
    """Low, medium and high, in this order, hold everybody once."""
    assert [one.segment for one in profiles] == ["low", "medium", "high"]
    assert sum(one.customers for one in profiles) == scored.table.height
    assert sum(one.share for one in profiles) == pytest.approx(1)
    assert sum(one.expected_risky for one in profiles) == pytest.approx(scored.table["probability"].sum())


def test_lift_is_the_chance_of_the_greater_value_minus_that_of_the_smaller(scored, profiles):
    """The ranks' shortcut gives what comparing every pair gives."""
    inside = (scored.table["segment"] == "high").to_numpy()
    high = profiles[2]
    assert high.differences
    for difference in high.differences:
        values = scored.features.select((difference.feature,)).values[:, 0]
        here, there = values[inside], values[~inside]
        pairs = np.sign(here[~np.isnan(here), None] - there[~np.isnan(there)][None])
        assert difference.lift == pytest.approx(pairs.mean())
        assert difference.inside == pytest.approx(np.nanmedian(here))


def test_differences_come_strongest_first(profiles):
    """The reader sees first what sets a segment apart most."""
    for one in profiles:
        lifts = [abs(difference.lift) for difference in one.differences]
        assert lifts == sorted(lifts, reverse=True)


def test_patterns_are_counted_by_segment(scored, profiles):
    """Each customer who shows a pattern counts in their own segment."""
    for code, count in scored.patterns.group_by("code").len().iter_rows():
        counted = [held.customers for one in profiles for held in one.patterns if held.code == code]
        assert sum(counted) == count


def test_table_says_the_same_in_long_form(profiles):
    """Spreadsheets get every figure of the page."""
    table = as_table(profiles)
    assert table.filter(pl.col("name") == "customers")["value"].to_list() == [one.customers for one in profiles]
    assert set(table["kind"]) == {"size", "pattern", "median"}


def test_segment_with_nobody_in_it_is_described_as_empty(scored, write_tiny_bundle, tmp_path, corroboration):
    """Equal thresholds leave nobody in the middle."""
    from customer_risk.model.offboarding.scored import score_cohort
    from customer_risk.model.scoring.bundle import load_bundle

    write_tiny_bundle(tmp_path / "bundle", medium=0.4, high=0.4)
    again = score_cohort(load_bundle(tmp_path / "bundle"), scored.cohort, corroboration)
    medium = characterise(again)[1]
    assert (medium.customers, medium.mean_probability, medium.differences) == (0, None, ())
    assert medium.plain[0].worded(medium.plain[0].inside) == "not known"
