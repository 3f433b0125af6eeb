"""The characteristics of the segments."""

from __future__ import annotations

import html
import re

import msgspec
import numpy as np
import polars as pl
import pytest

from customer_risk.model.features.catalogue import BY_NAME
from customer_risk.model.offboarding.pages import segments_page
from customer_risk.model.offboarding.segments import as_table, characterise


@pytest.fixture(scope="session")
def profiles(scored):
    """The segments of the synthetic cohort."""
    return characterise(scored)


def test_segments_add_up_to_all_customers(scored, profiles):
    """Each customer is in one of the segments low, medium and high, in this order."""
    assert [one.segment for one in profiles] == ["low", "medium", "high"]
    assert sum(one.customers for one in profiles) == scored.table.height
    assert sum(one.share for one in profiles) == pytest.approx(1)
    assert sum(one.expected_risky for one in profiles) == pytest.approx(scored.table["probability"].sum())


def test_the_share_of_pairs_with_the_greater_value_is_that_of_all_pairs(scored, profiles):
    """The share computed from ranks equals the share from comparing every pair."""
    inside = (scored.table["segment"] == "high").to_numpy()
    high = profiles[2]
    assert high.differences
    for difference in high.differences:
        values = scored.features.select((difference.feature,)).values[:, 0]
        here, there = values[inside], values[~inside]
        pairs = np.sign(here[~np.isnan(here), None] - there[~np.isnan(there)][None])
        assert difference.share_greater == pytest.approx((pairs.mean() + 1) / 2)
        assert difference.inside == pytest.approx(np.nanmedian(here))


def test_differences_come_strongest_first(profiles):
    """The greatest difference is first."""
    for one in profiles:
        shares = [abs(difference.share_greater - 0.5) for difference in one.differences]
        assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize(
    ("share", "unit", "text"),
    [
        (0.83, "EUR", "greater in 83 of 100 pairs"),
        (0.2, "share", "smaller in 80 of 100 pairs"),
        (0.5, "count", "greater in 50 of 100 pairs"),
        (0.7, "yes/no", "yes more often"),
        (0.3, "yes/no", "yes less often"),
    ],
)
def test_a_difference_is_described_in_words(profiles, share, unit, text):
    """The difference is stated as a number of pairs of customers."""
    assert msgspec.structs.replace(profiles[2].differences[0], share_greater=share, unit=unit).pairs() == text


def test_the_page_has_meanings_and_neither_formulas_nor_measures(profiles, run_record):
    """The page has the meaning of features, the numbers of pairs, and the actions of each segment."""
    page = html.unescape(segments_page(run_record, profiles))
    shown = {difference.feature for one in profiles for difference in (*one.plain, *one.differences)}
    for feature in (BY_NAME[name] for name in shown):
        assert feature.meaning[1:] in page
        assert feature.formula not in page or feature.formula in feature.meaning
    assert not re.search(r"\blift\b", page, re.IGNORECASE)
    assert "in how many of 100 pairs" in page
    for one in profiles:
        assert sum(one.actions.values()) == one.customers
    assert f"none: {profiles[0].actions['none']}" in page


def test_patterns_are_counted_by_segment(scored, profiles):
    """Each customer who shows a pattern counts in one segment."""
    for code, count in scored.patterns.group_by("code").len().iter_rows():
        counted = [held.customers for one in profiles for held in one.patterns if held.code == code]
        assert sum(counted) == count


def test_table_says_the_same_in_long_form(profiles):
    """The table has every figure of the page."""
    table = as_table(profiles)
    assert table.filter(pl.col("name") == "customers")["value"].to_list() == [one.customers for one in profiles]
    assert set(table["kind"]) == {"size", "pattern", "median"}


def test_segment_without_customers_is_described_as_empty(scored, write_tiny_bundle, tmp_path, corroboration):
    """Equal thresholds leave the segment Medium without customers."""
    from customer_risk.model.offboarding.scored import score_cohort
    from customer_risk.model.scoring.bundle import load_bundle

    write_tiny_bundle(tmp_path / "bundle", medium=0.4, high=0.4)
    again = score_cohort(load_bundle(tmp_path / "bundle"), scored.cohort, corroboration)
    medium = characterise(again)[1]
    assert (medium.customers, medium.mean_probability, medium.differences) == (0, None, ())
    assert medium.plain[0].worded(medium.plain[0].inside) == "not known"
