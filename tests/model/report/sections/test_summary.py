"""The summary for the committee."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from customer_risk.model.evaluation.results import Difference, Interval, Stratum
from customer_risk.model.report.numbers import spoken, written
from customer_risk.model.report.sections.summary import headlines, section

replace = msgspec.structs.replace


def with_metric(results, name: str, interval: Interval):
    """Return the results with one metric of the shipped procedure replaced."""
    first = results.contenders[0]
    other = replace(first, metrics=first.metrics | {name: interval})
    return replace(results, contenders=(other, *results.contenders[1:]))


def with_saved(results, saved: Interval):
    """Return the results with the saving of the shipped strategy replaced."""
    strategies = tuple(replace(s, saved_per_customer=saved) if s.shipped else s for s in results.decisions.strategies)
    return replace(results, decisions=replace(results.decisions, strategies=strategies))


def told(results, lead: str) -> str:
    """Return the text of the headline with this lead."""
    return next(text for found, text in headlines(results) if found.startswith(lead))


def test_tiles_have_the_values_of_the_results(results, words_of):
    """Each tile has the value of the results."""
    said, metrics = words_of(section(results)), results.contenders[0].metrics
    assert f"Average precision: {written(metrics['average_precision'].estimate)};" in said
    assert f"ROC-AUC: {written(metrics['roc_auc'].estimate)};" in said
    assert "Training customers: 160; 30 of them suspended" in said
    high = next(row for row in results.segments.rows if row.segment == "high")
    assert f"Suspended among High: {written(high.observed_rate.estimate, 'percent', digits=0)};" in said


def test_notes_come_before_the_key_figures(results, words_of):
    """Notes are before the key figures."""
    said = words_of(section(results))
    assert said.index("<b>not</b> real") < said.index("Training customers")


def test_the_summary_says_that_ranking_is_no_better_than_guessing(results):
    """If the interval of average precision includes guessing, the summary says that nothing is proven."""
    low = with_metric(results, "average_precision", Interval(estimate=0.3, low=0.1, high=0.5))
    assert "don't prove that the model is better than guessing" in told(low, "Ranking")
    assert "don't prove" not in told(results, "Ranking")


def test_a_wide_interval_is_called_rough(results):
    """Only an estimate with a wide interval is called rough."""
    narrow = with_metric(results, "average_precision", Interval(estimate=0.7, low=0.65, high=0.75))
    assert "the estimate is rough" in told(results, "Ranking")
    assert "rough" not in told(narrow, "Ranking")


def test_missing_metrics_are_not_computable(bare):
    """Without metrics, the headlines say "not computable"."""
    for lead in ("Ranking", "Probabilities", "Money", "Against other methods"):
        assert "ot computable" in told(bare, lead)


def test_no_method_is_called_better_if_the_interval_includes_zero(results):
    """If the interval includes 0, the text says that the data don't show which method is better."""
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
def test_the_interval_decides_which_saving_is_claimed(results, saved, said):
    """The interval decides whether a saving or a loss is claimed."""
    assert said in told(with_saved(results, saved), "Money")


def test_the_summary_says_that_later_customers_were_not_tested(results):
    """If later parts have too few customers of a label, the summary says that later customers weren't tested."""
    assert "could not be tested" in told(results, "Later")
    assert "validate 15%: 0 suspended of 24" in told(results, "Later")


def test_the_summary_has_the_metric_of_later_customers(results):
    """If the later parts have metrics, the summary has their average precision."""
    metrics = results.contenders[0].metrics
    parts = tuple(replace(part, metrics=metrics) for part in results.time_view.parts)
    said = told(replace(results, time_view=replace(results.time_view, parts=parts)), "Later")
    assert f"test 15%: average precision {spoken(metrics['average_precision'])}" in said


def test_without_dates_there_is_no_time_ordered_test(bare):
    """Without dated transactions the summary says that there was no time-ordered test."""
    assert "There was no time-ordered test" in told(bare, "Later")


def test_only_gaps_that_are_unlikely_by_chance_are_named(results):
    """Only gaps that are unlikely by chance are named, with their size."""
    each = results.fairness[0]
    quiet = tuple(dataclasses.replace(gap, by_chance=gap.by_chance and 0.5) for gap in each.gaps)
    loud = (dataclasses.replace(quiet[0], by_chance=0.001), *quiet[1:])
    silent = told(replace(results, fairness=(dataclasses.replace(each, gaps=quiet),)), "Groups")
    named = told(replace(results, fairness=(dataclasses.replace(each, gaps=loud),)), "Groups")
    assert "No gap is unlikely by chance" in silent
    assert f"gender, flagged share, review or more ({written(loud[0].value, 'percent', digits=0)})" in named


def test_without_computable_gaps_equal_treatment_is_not_claimed(bare):
    """Without computable gaps the summary doesn't claim equal treatment."""
    assert "not computable" in told(bare, "Groups")


def test_uses_that_were_not_evaluated_are_listed(results, words_of):
    """The summary lists uses that weren't evaluated, and the population."""
    said = words_of(section(results))
    for lead in ("Automatic decisions.", "Proof of wrongdoing.", "Other portfolios."):
        assert lead in said
    assert "with events from 2024-05-02 to 2024-09-30" in said


def test_the_committees_decisions_are_listed(results, words_of):
    """The committee's decisions have the values of costs, rate and cut-offs."""
    said = words_of(section(results))
    assert "a missed risky customer EUR\N{NO-BREAK SPACE}2,500" in said
    assert "a portfolio of which 18.8% is risky" in said
    assert "Medium from 0.20, High from 0.60" in said


def test_missing_segments_have_no_headline(results):
    """Without segments there are no headlines about High and Low."""
    none = replace(results, segments=replace(results.segments, rows=()))
    assert not [lead for lead, _ in headlines(none) if lead in {"High.", "Low."}]


def without(results, *, customers=267, suspended=7, note="", **bounds):
    """Return the results of 800 customers, some without transactions, with this ROC-AUC among them."""
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
def test_customers_without_transactions_are_described(results, words_of, bounds, meaning):
    """Number, share, suspended ones, ROC-AUC with its interval, and whether the model can rank them."""
    found = without(results, **bounds)
    said = told(found, "Customers without transactions")
    assert "267 of 800 customers (33%) have no transaction; 7 of these were suspended." in said
    assert f"ROC-AUC is {spoken(Interval(**bounds))}; guessing gives 0.50." in said
    assert meaning in said
    assert "Customers without transactions: 267; 33% of all; ROC-AUC among them:" in words_of(section(found))


def test_the_ranking_of_few_customers_without_transactions_is_unknown(results):
    """With too few suspended customers among them, the summary says that their ranking is unknown, and why."""
    said = told(
        without(results, customers=1, suspended=1, note="fewer than 5 customers of one label"), "Customers without"
    )
    assert "1 of 800 customers (0.1%) has no transaction; 1 of these was suspended." in said
    assert (
        "not computable (fewer than 5 customers of one label), so it is unknown whether the model can rank them."
        in said
    )


def test_the_summary_says_that_all_customers_have_transactions(results, bare):
    """The summary says if all customers have transactions; without a measurement it leaves out the topic."""
    assert told(without(results, customers=0, suspended=0), "Customers without") == "Every customer has a transaction."
    assert not [lead for lead, _ in headlines(bare) if lead.startswith("Customers without")]


@pytest.mark.parametrize(
    ("defaults", "confirmed", "badge"),
    [(("review",), "", True), (("review",), "B. Buyer, finance", False), ((), "", False)],
)
def test_unconfirmed_costs_have_a_badge(results, words_of, defaults, confirmed, badge):
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
    assert words_of(section(results)).index("SYNTHETIC DATA") < words_of(section(results)).index("Training customers")
    assert "SYNTHETIC" not in words_of(section(real))


@pytest.mark.parametrize(
    ("minimum", "said"), [(1, "at least 1 transaction pattern:"), (2, "at least 2 transaction patterns:")]
)
def test_a_high_customer_needs_patterns_to_be_proposed(results, words_of, minimum, said):
    """High customers are proposed only with the minimum of patterns, and reviewed otherwise."""
    text = words_of(section(replace(results, criteria_minimum=minimum)))
    assert (
        f"High with {said} off-boarding is proposed, and a named person decides. Any other High customer: an analyst "
        "reviews." in text
    )


def test_a_bound_just_above_zero_has_enough_digits(results):
    """The bounds of a saving that excludes 0 have enough digits to differ from 0."""
    said = told(with_saved(results, Interval(estimate=10.0, low=0.004, high=25.0)), "Money")
    assert "0.004 to 25.000" in said
    assert "excludes 0" in said
