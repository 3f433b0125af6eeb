"""Scores a cohort."""

from __future__ import annotations

import dataclasses

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from customer_risk.model.errors import FeatureError
from customer_risk.model.features import catalogue
from customer_risk.model.features.frame import encode_frame
from customer_risk.model.offboarding.scored import reason_codes, score_cohort
from customer_risk.model.scoring.freezing import freeze
from customer_risk.model.scoring.reasons import top_reasons
from customer_risk.model.scoring.scorer import Scores
from customer_risk.model.tables.cleaning import load_cohort


def test_every_customer_has_a_row(scored):
    """Customers without transactions have a row, too; rows are in the order of the ids."""
    assert scored.table["customer_id"].to_list() == scored.cohort.customers["customer_id"].to_list()
    silent = scored.table.filter(pl.col("transactions") == 0)
    assert silent.height > 0
    assert silent["probability"].is_between(0, 1).all()
    assert silent["warnings"].str.starts_with("NO_TRANSACTIONS").all()


def test_scores_are_those_of_the_scorer_for_one_customer(scored):
    """The list and the scorer give one answer: the same probability, segment and reason codes."""
    names = scored.bundle.manifest.features
    values = scored.features.select(names).values
    for index in range(0, scored.table.height, 23):
        row = scored.table.row(index, named=True)
        decision = scored.bundle.scorer.judge(values[index])
        assert row["probability"] == decision.probability
        assert row["segment"] == decision.segment
        assert row["reasons"].split("; ") == [reason.code for reason in decision.reasons]


def test_action_and_list_follow_from_the_rule(scored):
    """The rule determines the action and the list; a High customer without a pattern is reviewed."""
    codes = scored.table["patterns"].str.split("; ").to_list()
    for row, found in zip(scored.table.iter_rows(named=True), codes, strict=True):
        count = len([code for code in found if code])
        assert row["action"] == scored.criteria.rule.action(row["segment"], count)
        assert (row["list"] == "off-boarding") is (row["action"] == "propose_off_boarding")
    held_back = scored.table.filter(pl.col("list") == "review: high without corroboration")
    assert held_back.height > 0
    assert set(held_back["action"]) == {"review"}


def test_rule_of_a_bundle_counts_and_not_the_configuration(scored, corroboration):
    """The bundle's rule is used, whatever the configuration says."""
    strict = msgspec.structs.replace(corroboration, minimum=7)
    again = score_cohort(scored.bundle, scored.cohort, strict)
    assert again.criteria.origin == "bundle"
    assert again.criteria.rule == scored.bundle.manifest.action_rule
    assert again.table.equals(scored.table)


def test_rule_of_a_bundle_without_one_is_that_of_the_configuration(scored, without_rule, corroboration):
    """A bundle without a rule gets the configuration's rule, frozen for the scored customers."""
    one = score_cohort(without_rule, scored.cohort, corroboration)
    assert one.criteria.origin == "configuration"
    kernel = without_rule.manifest.settings.for_kernel()
    encoded = encode_frame(scored.cohort.customers, scored.cohort.events)
    assert one.criteria.rule == freeze(corroboration, encoded, kernel)
    assert "off-boarding" in set(one.table["list"])
    strict = score_cohort(without_rule, scored.cohort, msgspec.structs.replace(corroboration, minimum=7))
    assert "propose_off_boarding" not in set(strict.table["action"])
    assert "off-boarding" not in set(strict.table["list"])


def test_patterns_are_shown_by_transactions_of_the_customer(scored):
    """Each id in the evidence is one of the customer's own transactions, in order of time; the counts agree."""
    shown = scored.patterns.explode("ids").join(
        scored.transactions, left_on=["customer_id", "ids"], right_on=["customer_id", "id"], how="left"
    )
    assert shown.height == scored.patterns["count"].sum() > 0
    assert shown["time"].null_count() == 0
    assert shown.group_by("customer_id", "code").agg(pl.col("time").is_sorted())["time"].all()
    order = [list(scored.criteria.rule.patterns).index(code) for code in scored.patterns["code"]]
    assert order == sorted(order)


def test_history_rows_count_events_and_transactions_their_own(scored):
    """`history_rows` counts all rows of the tables, `transactions` the customer's own transactions."""
    rows = dict(scored.cohort.events.group_by("customer_id").len().iter_rows())
    own = dict(scored.transactions.group_by("customer_id").len().iter_rows())
    for customer, history, transactions in scored.table.select(
        "customer_id", "history_rows", "transactions"
    ).iter_rows():
        assert (history, transactions) == (rows.get(customer, 0), own.get(customer, 0))


def test_few_transactions_and_unknown_categories_are_warned_of(scored, corroboration):
    """A row has a warning for few transactions and for an unknown category."""
    few = scored.table.filter(pl.col("transactions").is_between(1, 4))
    assert few.height > 0
    assert few["warnings"].str.starts_with("FEW_TRANSACTIONS").all()
    strange = scored.cohort.customers.with_columns(pl.lit("ASTRONAUT").alias("occupation"))
    again = score_cohort(scored.bundle, dataclasses.replace(scored.cohort, customers=strange), corroboration)
    assert again.table["warnings"].str.ends_with("UNKNOWN_CATEGORY occupation").all()


def test_steps_are_reported_in_words(scored, corroboration):
    """Each step is named before it begins."""
    steps = []
    score_cohort(scored.bundle, scored.cohort, corroboration, step=steps.append)
    assert steps == ["computing features", "scoring", "searching for transaction patterns"]


def test_tables_without_a_column_that_the_bundle_needs_are_refused(scored, corroboration):
    """The message names the column and the features that need it."""
    assert "date_of_birth" in scored.cohort.absent  # no feature of the bundle needs it
    blind = dataclasses.replace(scored.cohort, absent=("has_biometrics",))
    with pytest.raises(FeatureError, match=r"lack has_biometrics, which .* no_biometrics"):
        score_cohort(scored.bundle, blind, corroboration)


def test_labelled_cohort_can_be_scored_too(scored, synthetic, corroboration):
    """Labelled customers are scored without their label."""
    labelled = load_cohort(synthetic, "labelled")
    again = score_cohort(scored.bundle, labelled, corroboration)
    assert "suspended" not in again.table.columns
    assert again.table.height == labelled.customers.height


contributions = arrays.arrays(
    np.float64, (3, 6), elements=st.sampled_from([0.0, 0.5, -0.5, 1.0, -1.0, 1e-12, -1e-12, 0.5 + 1e-11, 2.0])
)


@settings(max_examples=100, deadline=None)
@given(values=contributions, segments=st.tuples(*[st.sampled_from(["low", "medium", "high"])] * 3))
def test_reasons_of_all_at_once_come_in_the_order_of_one_at_a_time(values, segments):
    """Both ways of ordering reasons agree, also for ties, zeros and differences in the last bit."""
    names = [feature.name for feature in catalogue.CATALOGUE[:6]]
    scores = Scores(np.zeros(3), np.zeros(3), values, list(segments))
    for row, codes in enumerate(reason_codes(scores, names, n=3)):
        expected = top_reasons(np.zeros(6), values[row], catalogue.CATALOGUE[:6], 3, segment=segments[row])
        assert codes == "; ".join(reason.code for reason in expected)


@pytest.fixture(scope="module")
def real(scored, hometask, corroboration):
    """The real unlabelled customers, scored with the synthetic bundle."""
    return score_cohort(scored.bundle, load_cohort(hometask, "unlabelled"), corroboration)


def test_every_real_customer_has_a_row(real):
    """The real table has 263 customers, a third of them without transactions."""
    assert real.table.height == 263
    assert 0.2 < (real.table["transactions"] == 0).mean() < 0.5


def test_real_patterns_are_exceptions(real):
    """Each pattern is found, and in fewer than 15% of the customers: a common pattern would corroborate nothing."""
    shares = {code: count / real.table.height for code, count in real.patterns.group_by("code").len().iter_rows()}
    assert set(shares) == set(real.criteria.by_code())
    assert all(share < 0.15 for share in shares.values())


def test_real_patterns_are_more_frequent_among_suspended_customers(scored, hometask, corroboration):
    """Among labelled customers, patterns are more frequent if the customer is suspended."""
    labelled = load_cohort(hometask, "labelled")
    found = score_cohort(scored.bundle, labelled, corroboration).patterns["customer_id"].unique()
    shows = labelled.customers["customer_id"].is_in(found.implode())
    suspended = labelled.customers["suspended"]
    assert (shows & suspended).sum() / suspended.sum() > 2 * (shows & ~suspended).sum() / (~suspended).sum()
