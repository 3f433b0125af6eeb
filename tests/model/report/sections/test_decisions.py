"""The section on cut-offs, costs and benefit."""

from __future__ import annotations

import msgspec
import pytest

from customer_risk.model.evaluation.intervals import wilson
from customer_risk.model.evaluation.results import Interval, Proposed
from customer_risk.model.report.numbers import EURO, count, written
from customer_risk.model.report.sections import calibration
from customer_risk.model.report.sections.decisions import section

replace = msgspec.structs.replace


def decided(results, **changes):
    """Return the results with changed decisions."""
    return replace(results, decisions=replace(results.decisions, **changes))


def saving(results, **saved: Interval):
    """Return the results with only the strategies of these keys, with these savings."""
    kept = [each for each in results.decisions.strategies if each.key in saved]
    return decided(results, strategies=tuple(replace(each, saved_per_customer=saved[each.key]) for each in kept))


def reading(text: str) -> str:
    """Return the note about the strategies."""
    return next(line for line in text.splitlines() if line.startswith("Result"))


def test_each_strategy_shows_its_counts(results, words_of):
    """The row of every strategy has its confusion counts."""
    text = words_of(section(results))
    for each in results.decisions.strategies:
        counts = each.confusion
        row = " | ".join(
            count(value)
            for value in (counts.true_positive, counts.false_positive, counts.false_negative, counts.true_negative)
        )
        assert row in text


def test_flagging_no_customer_has_no_precision(results, words_of):
    """Precision without flagged customers and return without spending have a reason."""
    text = words_of(section(results))
    assert "not computable no customer is flagged" in text
    assert "not computable no money is spent" in text


def test_the_best_strategy_is_named_by_its_saving(results, words_of):
    """The text names the strategy with the greatest saving, also if it isn't the shipped one."""
    found = saving(
        results,
        segments=Interval(estimate=10.0, low=8.0, high=12.0),
        least_cost=Interval(estimate=30.0, low=28.0, high=32.0),
    )
    said = reading(words_of(section(found)))
    assert "The strategy that saves most is Least expected cost" in said
    assert "overlaps" not in said


def test_savings_with_overlapping_intervals_are_not_ordered(results, words_of):
    """If intervals overlap, the text calls the order uncertain."""
    found = saving(
        results,
        segments=Interval(estimate=30.0, low=20.0, high=40.0),
        max_f1=Interval(estimate=28.0, low=18.0, high=38.0),
    )
    assert "overlaps with that of Greatest F1" in reading(words_of(section(found)))


def test_savings_that_cannot_be_computed_are_not_ordered(bare, words_of):
    """Without any computable saving, the text names no best strategy."""
    assert "No strategy's saving is computable" in reading(words_of(section(bare)))


def test_strategies_beyond_the_reviewers_capacity_are_named(results, words_of):
    """A strategy that needs more reviews than the capacity is marked."""
    costs = results.decisions.costs | {"reviews_per_week": 2.0}
    text = words_of(section(decided(results, costs=costs)))
    assert "over capacity" in text
    assert "Least expected cost would need more reviews than analysts can do" in reading(text)


def test_a_cost_without_a_title_has_its_key(results, words_of):
    """A cost without a title is shown by its key."""
    costs = results.decisions.costs | {"new_cost": 7.0, "review_catches": 0.8}
    text = words_of(section(decided(results, costs=costs)))
    assert "New cost new_cost | 7" in text
    assert "review_catches | 80%" in text


def test_the_share_of_high_customers_within_appetite_is_stated(results, words_of):
    """The text has the share of High customers who were within appetite."""
    high = next(row for row in results.segments.rows if row.segment == "high")
    wrong = written(1 - high.observed_rate.estimate, "percent", digits=0)
    text = words_of(section(results))
    assert f"Off-boarding them all would be wrong for {wrong}, at EUR\N{NO-BREAK SPACE}400 each." in text
    assert "at least 1 of the patterns below is found" in text
    assert "Money passes through PASS_THROUGH | It hands money on. | 24 (hours)" in text


def test_without_a_high_segment_its_share_is_not_computable(results, words_of):
    """Without a High segment, this share isn't computable."""
    text = words_of(section(replace(results, segments=replace(results.segments, rows=()))))
    assert "The share of High customers within appetite is not computable" in text


@pytest.mark.parametrize(
    ("minimum", "said"), [(1, "at least 1 of the patterns below is"), (3, "at least 3 of the patterns below are")]
)
def test_the_action_rule_is_stated_with_its_version(results, words_of, minimum, said):
    """The text has the rule's version and minimum, and says that every High customer counts as proposed."""
    text = words_of(section(replace(results, action_rule=2, criteria_minimum=minimum)))
    assert (
        f"The action rule. Version 2: off-boarding is proposed for a High customer in whose transactions {said} found."
        in text
    )
    assert (
        "The figures above treat every High customer as proposed and off-boarded, as if each had enough patterns."
        in text
    )


def test_amounts_have_a_badge_until_the_costs_are_confirmed(results):
    """Tables and figures with amounts that follow from default costs are marked until the costs are confirmed."""
    confirmed = decided(results, costs_confirmed_by="B. Buyer")
    for found, marked in ((results, True), (confirmed, False)):
        for make in (calibration.section, section):
            blocks = [block for block in make(found).blocks if block.kind in {"table", "picture"}]
            money = [block for block in blocks if "EUR" in str(block) and block.caption != "Declared patterns"]
            assert money
            assert [block.caption for block in money if bool(block.badge) is not marked] == []


def test_default_prices_are_named_in_their_rows(results, words_of):
    """Only prices with their default are marked as defaults."""
    text = words_of(section(results))
    assert f"review | {EURO}40 default, not confirmed" in text
    assert f"wrongly_flagged | {EURO}400\n" in text


def test_whole_counts_have_no_decimals(results, words_of):
    """A whole count has no decimals, a mean of counts has one."""
    whole = replace(results.decisions.strategies[0].confusion, true_positive=42.0, false_positive=17.5)
    strategies = (replace(results.decisions.strategies[0], confusion=whole), *results.decisions.strategies[1:])
    text = words_of(section(decided(results, strategies=strategies)))
    assert "| 42 | 17.5 |" in text
    assert "42.0" not in text


def test_reviews_at_the_capacity_are_not_over_capacity(results, words_of):
    """Reviews that round to the capacity are not over capacity."""
    strategies = tuple(replace(each, reviews_per_week=25.04) for each in results.decisions.strategies)
    assert "over capacity" not in words_of(section(decided(results, strategies=strategies)))


@pytest.mark.parametrize(
    ("customers", "suspended", "said"),
    [
        (
            12.0,
            9.0,
            "12 would be proposed; 75% (47% to 91%) of these (9) had been suspended. An analyst would review the",
        ),
        (0.0, 0.0, "no customer shows enough patterns: an analyst would review them all."),
    ],
)
def test_the_customers_that_the_rule_proposes_are_counted(results, bare, words_of, customers, suspended, said):
    """The report says how many High customers show enough patterns, and how many of these had been suspended."""
    share = wilson(suspended, customers, 0.95)
    found = Proposed(customers=customers, suspended=suspended, observed_rate=share)
    assert said in words_of(section(replace(results, proposed=found)))
    assert "How many customers the rule would propose" not in words_of(section(bare))
