"""The facts about a listed customer for an analyst."""

from __future__ import annotations

import dataclasses

import polars as pl
import pytest

from customer_risk.model.offboarding.certainty import Certainty
from customer_risk.model.offboarding.dossier import _doubts, dossiers, evidence
from customer_risk.model.offboarding.scored import score_cohort


@pytest.fixture(scope="session")
def files(scored):
    """The dossiers of the synthetic cohort."""
    return dossiers(scored)


def test_every_listed_customer_has_a_dossier(scored, files):
    """The listed customers have a dossier, and no other customer has one."""
    listed = scored.table.filter(pl.col("list") != "")
    assert {one.customer_id for one in files} == set(listed["customer_id"])
    assert [one.probability for one in files] == sorted((one.probability for one in files), reverse=True)


def test_reasons_that_raise_and_lower_are_separate(scored, files):
    """Reasons that raise and reasons that lower are separate, each the strongest first."""
    rows = {customer: row for row, customer in enumerate(scored.features.ids)}
    for one in files[:20]:
        contributions = scored.scores.contributions[rows[one.customer_id]]
        assert all(line.contribution > 0 for line in one.raises)
        assert all(line.contribution < 0 for line in one.lowers)
        assert one.raises[0].contribution == contributions.max()
        assert one.lowers[0].contribution == contributions.min()
        assert len(one.raises) <= 5
        assert len(one.lowers) <= 5


def test_reason_has_its_value_and_its_place(files):
    """A reason has its value and its place among all customers."""
    told = [line.tell() for one in files for line in one.raises]
    assert any("higher than for" in text and "% of customers)" in text for text in told)


def test_patterns_have_the_transactions_that_show_them(scored, files):
    """Each pattern has its transactions in order of time."""
    proposed = [one for one in files if one.listing == "off-boarding"]
    assert proposed
    found = dict(scored.patterns.group_by("customer_id").agg("code").iter_rows())
    for one in proposed:
        assert {pattern.code for pattern in one.patterns} == set(found[one.customer_id])
        for pattern in one.patterns:
            times = [transaction.time for transaction in pattern.transactions]
            assert times == sorted(times)
            assert pattern.sentence


def test_evidence_has_every_transaction_of_every_pattern(scored):
    """The evidence has a row for each pattern and transaction of the listed customers, and no others."""
    listed = scored.table.filter(pl.col("list") != "")
    shown = evidence(scored, listed)
    wanted = scored.patterns.join(listed.select("customer_id"), on="customer_id", how="semi")
    assert shown.height == wanted["count"].sum()
    assert set(shown["customer_id"]) == set(wanted["customer_id"])


def test_doubts_speak_for_the_customer(files):
    """A thin or short history, an uncertain score and missing patterns are doubts."""
    doubts = {doubt for one in files for doubt in one.doubts}
    assert "No transaction pattern supports the score." in doubts
    assert any(doubt.startswith("The history is short") for doubt in doubts)
    assert any(doubt.startswith("The score is uncertain") for doubt in doubts)


def test_uncorroborated_high_score_is_doubted_and_a_corroborated_one_not(files):
    """Only a High customer without a pattern has the doubt about missing patterns."""
    for one in files:
        doubted = "No transaction pattern supports the score." in one.doubts
        assert doubted is (one.listing == "review: high without corroboration")


def test_customer_without_transactions_and_profile_is_doubted(scored, write_tiny_bundle, tmp_path, corroboration):
    """The doubts name missing transactions, missing profile fields and unknown categories."""
    from customer_risk.model.scoring.bundle import load_bundle

    write_tiny_bundle(tmp_path / "bundle", medium=0.0, high=0.0)
    customers = scored.cohort.customers.head(3).with_columns(
        pl.lit(None, pl.String).alias("occupation"), pl.lit("OTHERWISE").alias("reason_to_use_app")
    )
    cohort = dataclasses.replace(scored.cohort, customers=customers, events=scored.cohort.events.clear())
    for one in dossiers(score_cohort(load_bundle(tmp_path / "bundle"), cohort, corroboration)):
        assert one.segment == "high"
        assert "The customer has no transactions. The score is based on the profile alone." in one.doubts
        assert any(doubt.startswith("The profile does not give: ") and "Occupation" in doubt for doubt in one.doubts)
        assert any(doubt.endswith('scored it as "other": Reason for the account.') for doubt in one.doubts)
        assert all(line.place == "" for line in one.raises)  # too few customers for a place


def test_single_transaction_is_a_thin_history(scored):
    """One transaction is written in the singular, and has no length in days."""
    customer = scored.table.filter(pl.col("transactions") == 1).row(0, named=True)
    doubts = _doubts(customer | {"segment": "medium"}, Certainty(models=0), [])
    assert doubts == ["The customer has only 1 transaction."]


def test_each_dossier_made_is_counted(scored, files):
    """`tick` is called once for each dossier."""
    done = []
    dossiers(scored, tick=lambda: done.append(1))
    assert len(done) == len(files)
