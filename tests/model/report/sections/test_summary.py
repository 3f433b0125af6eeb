"""What the committee reads first says no more than the numbers do."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from customer_risk.model.evaluation.results import Difference, Interval, Stratum
from customer_risk.model.report.numbers import spoken, written
from customer_risk.model.report.sections.summary import headlines, section

replace = msgspec.structs.replace


def with_metric(results, name: str, interval: Interval):
    """The results with one of the shipped procedure's metrics replaced."""
    first = results.contenders[0]
    other = replace(first, metrics=first.metrics | {name: interval})
    return replace(results, contenders=(other, *results.contenders[1:]))


def with_saved(results, saved: Interval):
    """The results with the shipped strategy's saving replaced."""
    strategies = tuple(replace(s, saved_per_customer=saved) if s.shipped else s for s in results.decisions.strategies)
    return replace(results, decisions=replace(results.decisions, strategies=strategies))


def told(results, lead: str) -> str:
    """The headline with that lead."""
    return next(text for found, text in headlines(results) if found.startswith(lead))


def test_the_tiles_are_the_results_numbers(results, words_of):
    """Each tile shows the value that the results hold."""
    said, metrics = words_of(section(results)), results.contenders[0].metrics
    assert f"Average precision: {written(metrics['average_precision'].estimate)};" in said
    assert f"ROC-AUC: {written(metrics['roc_auc'].estimate)};" in said
    assert "Customers learnt from: 160; 30 of them suspended" in said
    high = next(row for row in results.segments.rows if row.segment == "high")
    assert f"Suspended among High: {written(high.observed_rate.estimate, 'percent', digits=0)};" in said


def test_notes_stand_at_the_top(results, words_of):
    """What the reader must see is said before any number."""
    said = words_of(section(results))
    assert said.index("<b>not</b> real") < said.index("Customers learnt from")


def test_ranking_no_better_than_guessing_is_said(results):
    """Where the interval of average precision reaches guessing, the summary says that nothing is proven."""
    low = with_metric(results, "average_precision", Interval(estimate=0.3, low=0.1, high=0.5))
    assert "don't prove that the model is better than guessing" in told(low, "Ranking")
    assert "don't prove" not in told(results, "Ranking")


def test_a_wide_interval_is_called_rough(results):
    """A wide interval is explained by the few suspended customers; a narrow one isn't called rough."""
    narrow = with_metric(results, "average_precision", Interval(estimate=0.7, low=0.65, high=0.75))
    assert "the estimate is rough" in told(results, "Ranking")
    assert "rough" not in told(narrow, "Ranking")


def test_metrics_that_cannot_be_computed_are_said_to_be(bare):
    """Without metrics nothing is claimed of ranking, probabilities or money."""
    for lead in ("Ranking", "Probabilities", "Money", "Against other methods"):
        assert "ot computable" in told(bare, lead)


def test_no_rival_is_called_beaten_where_the_interval_covers_zero(results):
    """A difference that may be none is told as one that can't be told apart."""
    level = Difference(
        baseline="random_forest", metric="average_precision", difference=Interval(estimate=0.02, low=-0.05, high=0.09)
    )
    said = told(replace(results, differences=(level,)), "Against other methods")
    assert "don't show which is better" in said
    assert "excludes" not in said


@pytest.mark.parametrize(
    ("saved", "said"),
    [
        (Interval(estimate=10.0, low=5.0, high=15.0), "a saving is supported"),
        (Interval(estimate=-10.0, low=-15.0, high=-5.0), "a loss is supported"),
        (Interval(estimate=10.0, low=-5.0, high=25.0), "a saving isn't proven"),
    ],
)
def test_a_saving_is_claimed_as_far_as_its_interval_goes(results, saved, said):
    """Money is called saved, lost, or neither proven, by its interval."""
    assert said in told(with_saved(results, saved), "Money")


def test_an_untested_future_is_said(results):
    """Where later parts hold too few of a kind, the summary says that new joiners weren't tested."""
    assert "could not be tested" in told(results, "Later")
    assert "validate 15%: 0 suspended of 24" in told(results, "Later")


def test_a_tested_future_is_told_with_its_interval(results):
    """Where the later parts can be measured, their average precision stands there."""
    metrics = results.contenders[0].metrics
    parts = tuple(replace(part, metrics=metrics) for part in results.time_view.parts)
    said = told(replace(results, time_view=replace(results.time_view, parts=parts)), "Later")
    assert f"test 15%: average precision {spoken(metrics['average_precision'])}" in said


def test_without_dates_there_is_no_test_in_time(bare):
    """Without dated transactions the summary says that there was no time-ordered test."""
    assert "There was no time-ordered test" in told(bare, "Later")


def test_gaps_between_groups_are_named_only_where_chance_rarely_makes_them(results):
    """A gap that chance seldom makes is named with its size; others aren't."""
    each = results.fairness[0]
    quiet = tuple(dataclasses.replace(gap, by_chance=gap.by_chance and 0.5) for gap in each.gaps)
    loud = (dataclasses.replace(quiet[0], by_chance=0.001), *quiet[1:])
    silent = told(replace(results, fairness=(dataclasses.replace(each, gaps=quiet),)), "Groups")
    named = told(replace(results, fairness=(dataclasses.replace(each, gaps=loud),)), "Groups")
    assert "No gap is wider than chance" in silent
    assert f"gender, flagged share, review or more ({written(loud[0].value, 'percent', digits=0)})" in named


def test_groups_that_cannot_be_compared_are_said_to_be(bare):
    """Without computable gaps the summary doesn't say that groups are treated alike."""
    assert "not computable" in told(bare, "Groups")


def test_what_it_must_not_be_used_for_is_said(results, words_of):
    """The summary names the uses that nobody measured, and the population."""
    said = words_of(section(results))
    for lead in ("Deciding alone.", "Proof of wrongdoing.", "Other customers than these."):
        assert lead in said
    assert "with events from 2024-05-02 to 2024-09-30" in said


def test_the_committee_is_asked_for_its_decisions(results, words_of):
    """Costs, rate and cut-offs are put to the committee with their values."""
    said = words_of(section(results))
    assert "a missed risky customer EUR\N{NO-BREAK SPACE}2,500" in said
    assert "a portfolio of which 18.8% is risky" in said
    assert "Medium from 0.20, High from 0.60" in said


def test_segments_that_are_missing_are_left_out(results):
    """Without segments nothing is said of High and Low."""
    none = replace(results, segments=replace(results.segments, rows=()))
    assert not [lead for lead, _ in headlines(none) if lead in {"High.", "Low."}]


def without(results, *, customers=267, suspended=7, note="", **bounds):
    """The results of 800 customers, some of them without transactions, with this ROC-AUC among them."""
    metrics = {"roc_auc": Interval(**bounds)} if bounds else {}
    found = Stratum(period="no transaction", customers=customers, suspended=suspended, metrics=metrics, note=note)
    return replace(results, data=replace(results.data, customers=800), without_transactions=found)


@pytest.mark.parametrize(
    ("bounds", "meaning"),
    [
        (
            {"estimate": 0.4, "low": 0.18, "high": 0.65},
            "The interval includes 0.50: these tables don't show that the model can rank them.",
        ),
        ({"estimate": 0.7, "low": 0.6, "high": 0.8}, "The interval lies above 0.50: the model ranks them better than"),
        ({"estimate": 0.3, "low": 0.2, "high": 0.4}, "The interval lies below 0.50: the model ranks them worse than"),
        ({"estimate": 0.4}, "No interval could be computed, so it is unknown whether the model can rank them."),
    ],
)
def test_customers_without_transactions_are_told_with_what_it_means(results, words_of, bounds, meaning):
    """Number, share, suspended ones, ROC-AUC with its interval, and whether the model can rank them."""
    found = without(results, **bounds)
    said = told(found, "Customers without transactions")
    assert "267 of 800 customers (33%) have no transaction; 7 of these were suspended." in said
    assert f"ROC-AUC is {spoken(Interval(**bounds))}; guessing gives 0.50." in said
    assert meaning in said
    assert "Customers without transactions: 267; 33% of all; ROC-AUC among them:" in words_of(section(found))


def test_an_unmeasured_ranking_of_customers_without_transactions_is_unknown(results):
    """With too few suspended customers among them, the summary says that their ranking is unknown, and why."""
    said = told(
        without(results, customers=1, suspended=1, note="fewer than 5 customers of one label"), "Customers without"
    )
    assert "1 of 800 customers (0.1%) has no transaction; 1 of these was suspended." in said
    assert (
        "not computable (fewer than 5 customers of one label), so it is unknown whether the model can rank them."
        in said
    )


def test_customers_who_all_have_transactions_are_told(results, bare):
    """The summary says if there are no such customers, and leaves the topic out if the run didn't measure them."""
    assert told(without(results, customers=0, suspended=0), "Customers without") == "Every customer has a transaction."
    assert not [lead for lead, _ in headlines(bare) if lead.startswith("Customers without")]


@pytest.mark.parametrize(
    ("defaults", "confirmed", "badge"),
    [(("review",), "", True), (("review",), "B. Buyer, finance", False), ((), "", False)],
)
def test_costs_that_no_one_confirmed_have_a_badge(results, words_of, defaults, confirmed, badge):
    """The summary names the default prices until the configuration says who confirmed them or sets others."""
    decisions = replace(results.decisions, default_costs=defaults, costs_confirmed_by=confirmed)
    said = words_of(section(replace(results, decisions=decisions)))
    assert ("Default costs, not confirmed Defaults: a review." in said) is badge
    assert ("flagging no customer Default costs" in said) is badge
    assert ("The costs are not confirmed" in said) is badge
    assert ("Confirmed by B. Buyer, finance." in said) is bool(confirmed)


def test_synthetic_tables_are_named_first(results, words_of):
    """The summary of synthetic tables begins with a warning; that of other tables has none."""
    real = replace(results, provenance=replace(results.provenance, synthetic=False))
    assert words_of(section(results)).index("SYNTHETIC DATA") < words_of(section(results)).index(
        "Customers learnt from"
    )
    assert "SYNTHETIC" not in words_of(section(real))


@pytest.mark.parametrize(
    ("minimum", "said"), [(1, "at least 1 transaction pattern:"), (2, "at least 2 transaction patterns:")]
)
def test_high_alone_is_never_said_to_be_proposed(results, words_of, minimum, said):
    """High is proposed with as many patterns as the action rule asks for, and reviewed otherwise."""
    text = words_of(section(replace(results, criteria_minimum=minimum)))
    assert (
        f"High with {said} off-boarding is proposed, and a named person decides. Any other High customer: an analyst "
        "reviews." in text
    )


def test_a_saving_whose_bound_is_just_above_zero_is_written_with_enough_digits(results):
    """A saving that excludes 0 never has a bound of 0.00."""
    said = told(with_saved(results, Interval(estimate=10.0, low=0.004, high=25.0)), "Money")
    assert "0.004 to 25.000" in said
    assert "excludes 0" in said
