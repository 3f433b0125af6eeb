"""Rules, each provoked by a row that breaks it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from customer_risk.model.config import load_config
from customer_risk.model.errors import ColumnMismatch, LabelError, RuleFailure
from customer_risk.model.tables.checks import CHECKS
from customer_risk.model.tables.examination import FAILING_ROWS, examine, refuse_unusable
from customer_risk.model.tables.mapping import COHORTS
from customer_risk.model.tables.reading import read_cohort

if TYPE_CHECKING:
    from pathlib import Path

USERS, EVENTS = "users_labelled", "transactions_labelled"
# rule: table, what to change in its third row, the value shown
BREAKS: dict[str, tuple[str, dict[str, Any], str | None]] = {
    "customer_id_present": (USERS, {"user_id": None}, None),
    "label_present": (USERS, {"user_current_state": None}, None),
    "has_biometrics_readable": (USERS, {"has_biometrics": "maybe"}, "maybe"),
    "is_pep_readable": (USERS, {"is_pep": "no"}, "no"),
    "is_adverse_media_minor_readable": (USERS, {"is_adverse_media_minor": "2"}, "2"),
    "date_of_birth_readable": (USERS, {"date_of_birth": "1.1.1990"}, "1.1.1990"),
    "label_known": (USERS, {"user_current_state": "FROZEN"}, "FROZEN"),
    "reason_to_use_app_known": (USERS, {"reason_to_use_app": "FUN"}, "FUN"),
    "occupation_known": (USERS, {"occupation": "JUGGLER"}, "JUGGLER"),
    "kyc_state_known": (USERS, {"kyc_state": "LOST"}, "LOST"),
    "screening_state_known": (USERS, {"screening_state": "LOST"}, "LOST"),
    "country_of_residence_formed": (USERS, {"country_of_residence": "France"}, "France"),
    "document_issuing_country_formed": (USERS, {"document_issuing_country": "FRA"}, "FRA"),
    "phone_number_country_code_formed": (USERS, {"phone_number_country_code": "0033"}, "0033"),
    "locale_formed": (USERS, {"locale": "french"}, "french"),
    "date_of_birth_plausible": (USERS, {"date_of_birth": "1066-10-14"}, "1066-10-14"),
    "one_cohort": (USERS, {"user_id": "y"}, "y"),
    "id_present": (EVENTS, {"id": None}, None),
    "state_present": (EVENTS, {"state": None}, None),
    "type_present": (EVENTS, {"type": None}, None),
    "direction_present": (EVENTS, {"direction": None}, None),
    "amount_present": (EVENTS, {"amount": None}, None),
    "currency_present": (EVENTS, {"currency": None}, None),
    "created_at_present": (EVENTS, {"created_at": None}, None),
    "amount_readable": (EVENTS, {"amount": "abc"}, "abc"),
    "created_at_readable": (EVENTS, {"created_at": "yesterday"}, "yesterday"),
    "completed_at_readable": (EVENTS, {"completed_at": "soon"}, "soon"),
    "state_known": (EVENTS, {"state": "LOST"}, "LOST"),
    "type_known": (EVENTS, {"type": "BARTER"}, "BARTER"),
    "direction_known": (EVENTS, {"direction": "UP"}, "UP"),
    "amount_usable": (EVENTS, {"amount": "-3.5"}, "-3.5"),
    "created_at_plausible": (EVENTS, {"created_at": "1970-01-01 00:00:00 UTC"}, "1970-01-01 00:00:00.000000+00:00"),
    "completed_at_plausible": (EVENTS, {"completed_at": "2201-01-01 00:00:00 UTC"}, "2201-01-01 00:00:00.000000+00:00"),
    "currency_is_eur": (
        EVENTS,
        {"currency": "USD"},
        "currency=USD, amount=12.5, created_at=2024-08-26 10:33:50.629801+00:00",
    ),
    "completes_after_creation": (
        EVENTS,
        {"created_at": "2024-08-26 10:00:02.5 UTC", "completed_at": "2024-08-26 10:00:01.499999 UTC"},
        "created_at=2024-08-26 10:00:02.500000+00:00, completed_at=2024-08-26 10:00:01.499999+00:00",
    ),
    "completion_matches_state": (EVENTS, {"completed_at": None}, "state=COMPLETED, completed_at=(none)"),
    "zero_is_check_or_fee": (EVENTS, {"type": "PAYMENTS", "amount": "0"}, "type=PAYMENTS, amount=0.0"),
    "owner_is_known": (EVENTS, {"user_id": "nobody"}, "nobody"),
}
# rule: what to change in the third row so that it disagrees with the fourth, both being of one transaction
DISAGREEMENTS: dict[str, dict[str, Any]] = {
    "one_owner": {"user_id": "a"},
    "one_kind": {"type": "PAYMENTS"},
    "one_creation": {"created_at": "2024-08-26 10:33:51 UTC"},
    "one_ending": {"state": "DECLINED"},
}


def failing(bank: Any) -> pl.DataFrame:
    """Write the tables and give the failing rows of the labelled cohort."""
    limits = load_config().checks
    found = examine(read_cohort(bank.write(), "labelled"), limits).failing
    assert found.schema == FAILING_ROWS
    return found.with_columns(pl.col("table").str.split("/").list.last())


def test_every_rule_is_provoked() -> None:
    """No rule is without a test that breaks it."""
    others = {"label_rate_in_bounds", "field_count_matches"}  # below, and in test_csv_file
    assert {rule.name for rule in CHECKS} == set(BREAKS) | set(DISAGREEMENTS) | others


def test_sound_tables_fail_nothing(bank: Any) -> None:
    """The tables that the other tests break are sound, at the bounds of the label rate too."""
    assert failing(bank).is_empty()


@pytest.mark.parametrize("rule", BREAKS)
def test_a_broken_row_fails_its_rule_alone(bank: Any, rule: str) -> None:
    """The row is told by file, number, rule, value and reason, and no other rule is failed by it."""
    table, changes, value = BREAKS[rule]
    getattr(bank, table)[2] |= changes
    if rule == "customer_id_present":  # else its events were nobody's
        bank.transactions_labelled[2] |= {"user_id": "a"}
    if rule == "one_cohort":
        bank.transactions_labelled[2] |= {"user_id": "y"}
    rows = failing(bank)
    assert rows.select("table", "row", "rule", "value").rows() == [(f"{table}.csv", 3, rule, value)]
    assert rows["reason"][0].startswith("not so: ")


def test_a_missing_owner_of_an_event(bank: Any) -> None:
    """An event without a customer's id fails the rule of its own table."""
    bank.transactions_labelled[0]["user_id"] = None
    assert failing(bank).select("table", "rule").rows() == [("transactions_labelled.csv", "customer_id_present")]


@pytest.mark.parametrize("rule", DISAGREEMENTS)
def test_rows_of_one_transaction_that_disagree_all_fail(bank: Any, rule: str) -> None:
    """Which of them is wrong nobody knows, so each is told."""
    bank.transactions_labelled[2] |= {"id": "t-d", "user_id": "d"} | DISAGREEMENTS[rule]
    assert failing(bank).select("row", "rule").rows() == [(3, rule), (4, rule)]


def test_states_of_one_transaction_are_no_disagreement(bank: Any) -> None:
    """An id that was pending, completed and then reversed, and changed its amount, is a transaction like any other."""
    event = bank.transactions_labelled[0]
    bank.transactions_labelled += [
        event | {"state": "PENDING", "completed_at": None, "amount": "12"},
        event | {"state": "REVERSED", "completed_at": "2024-08-27 11:00:00 UTC"},
    ]
    assert failing(bank).is_empty()


def test_a_second_of_two_clocks_passes(bank: Any) -> None:
    """Completing exactly a second before the creation is two clocks, not an error."""
    changes = {"created_at": "2024-08-26 10:00:02.5 UTC", "completed_at": "2024-08-26 10:00:01.5 UTC"}
    bank.transactions_labelled[0] |= changes
    assert failing(bank).is_empty()


@pytest.mark.parametrize("amount", ["NaN", "inf"])
def test_amounts_that_are_no_amounts(bank: Any, amount: str) -> None:
    """Such an amount is unreadable as a text, and unusable as a float of Parquet."""
    bank.transactions_labelled[0]["amount"] = amount
    assert failing(bank)["rule"].to_list() == ["amount_readable"]
    path = bank.write() / "transactions_labelled.csv"
    pl.read_csv(path, schema_overrides={"amount": pl.Float64}).write_parquet(path.with_suffix(".parquet"))
    path.unlink()
    cohort = read_cohort(bank.folder, "labelled")
    assert examine(cohort, load_config().checks).failing["rule"].to_list() == ["amount_usable"]


@pytest.mark.parametrize("kind", ["CARDS", "PROCESSING_FEE"])
def test_free_card_checks_and_fees_pass(bank: Any, kind: str) -> None:
    """Zero-amount card checks and waived fees are kinds of their own."""
    bank.transactions_labelled[0] |= {"type": kind, "amount": "0"}
    assert failing(bank).is_empty()


@pytest.mark.parametrize("labels", [["SUSPENDED"] * 2 + ["ACTIVE"] * 2, ["ACTIVE"] * 4])
def test_a_label_rate_out_of_bounds_fails_the_whole_table(bank: Any, labels: list[str]) -> None:
    """Too many or too few suspended customers are a wrong column: told in one row without a number, for every row."""
    for row, label in zip(bank.users_labelled, labels, strict=True):
        row["user_current_state"] = label
    limits = load_config().checks
    examination = examine(read_cohort(bank.write(), "labelled"), limits)
    assert examination.failing.select("row", "rule").rows() == [(None, "label_rate_in_bounds")]
    outcome = next(outcome for outcome in examination.outcomes if outcome.failing)
    assert (outcome.failing, outcome.share) == (4, 1.0)


def test_rules_on_both_cohorts_need_both(bank: Any) -> None:
    """Without the other cohort's users nobody can say whose an unknown event is: not judged, rather than failed."""
    bank.users_labelled, bank.transactions_labelled = [], []
    examination = examine(read_cohort(bank.write(), "unlabelled"), load_config().checks)
    unjudged = {outcome.rule.name for outcome in examination.outcomes if outcome.failing is None}
    assert unjudged == {"one_cohort", "owner_is_known"}
    assert all(outcome.share == 0 for outcome in examination.outcomes)


def test_rows_to_set_aside_are_those_of_the_rules_that_say_so(bank: Any) -> None:
    """An unusable amount and an unknown direction are set aside, as online; an unknown type is kept, as online."""
    bank.transactions_labelled[1]["amount"] = "-1"
    bank.transactions_labelled[2]["type"] = "BARTER"
    bank.transactions_labelled[3]["direction"] = "in"
    examination = examine(read_cohort(bank.write(), "labelled"), load_config().checks)
    assert examination.transactions.to_list() == [2, 4]
    assert examination.users.to_list() == []


def test_unusable_values_are_refused_by_file_column_row_and_value(bank: Any) -> None:
    """Too many unreadable values are a wrong column."""
    bank.transactions_labelled[2]["amount"] = "abc"
    tables, limits = read_cohort(bank.write(), "labelled"), load_config().checks
    with pytest.raises(ColumnMismatch, match=r"transactions_labelled\.csv: 1 of 4 values of amount.*row 3 holds 'abc'"):
        refuse_unusable(tables, examine(tables, limits), limits)


@pytest.mark.parametrize("rule", sorted(set(BREAKS) - {"owner_is_known"}))
def test_too_many_failing_rows_are_refused(bank: Any, rule: str) -> None:
    """A quarter of the rows failing any rule stops a run, whatever the rule; only strangers' events are set aside."""
    table, changes, _ = BREAKS[rule]
    getattr(bank, table)[2] |= changes
    tables, limits = read_cohort(bank.write(), "labelled"), load_config().checks
    with pytest.raises((RuleFailure, ColumnMismatch, LabelError), match=table):
        refuse_unusable(tables, examine(tables, limits), limits)


def test_few_failing_rows_are_not(bank: Any, lenient: Any) -> None:
    """Below the configured share nothing is refused."""
    bank.transactions_labelled[2]["amount"] = "abc"
    tables = read_cohort(bank.write(), "labelled")
    refuse_unusable(tables, examine(tables, lenient.checks), lenient.checks)


def test_strangers_events_are_not_refused(bank: Any) -> None:
    """However many events are of nobody known here, they are set aside."""
    bank.transactions_labelled[2]["user_id"] = "nobody"
    tables, limits = read_cohort(bank.write(), "labelled"), load_config().checks
    refuse_unusable(tables, examine(tables, limits), limits)


def test_an_unknown_label_is_named(bank: Any, lenient: Any) -> None:
    """A single unknown label is refused however lenient the shares: the outcome is no place for guesses."""
    bank.users_labelled[1]["user_current_state"] = "FROZEN"
    tables = read_cohort(bank.write(), "labelled")
    with pytest.raises(LabelError, match=r"unknown label \(FROZEN\), row 2 the first"):
        refuse_unusable(tables, examine(tables, lenient.checks), lenient.checks)


def test_a_missing_label_is_refused(bank: Any, lenient: Any) -> None:
    """A customer without a label isn't one to learn from."""
    bank.users_labelled[3]["user_current_state"] = None
    tables = read_cohort(bank.write(), "labelled")
    with pytest.raises(LabelError, match=r"1 of 4 rows have no label, row 4 the first"):
        refuse_unusable(tables, examine(tables, lenient.checks), lenient.checks)


@pytest.mark.parametrize("label", ["SUSPENDED", "ACTIVE"])
def test_labels_of_one_class_are_refused(bank: Any, lenient: Any, label: str) -> None:
    """One class teaches nothing."""
    for row in bank.users_labelled:
        row["user_current_state"] = label
    tables = read_cohort(bank.write(), "labelled")
    with pytest.raises(LabelError, match=rf"all 4 customers are {label}"):
        refuse_unusable(tables, examine(tables, lenient.checks), lenient.checks)


def test_many_failing_rows_of_times_are_shown(bank: Any) -> None:
    """Thousands of failing rows with two moments each are listed, in the order of the file."""
    bad = {"created_at": "2024-08-26 10:00:02 UTC", "completed_at": "2024-08-26 09:00:00 UTC"}
    bank.transactions_labelled += [bank.event("a", f"x-{n}", **(bad if n % 3 else {})) for n in range(9_000)]
    rows = failing(bank)
    assert rows["rule"].unique().to_list() == ["completes_after_creation"]
    assert rows["row"].to_list() == [5 + n for n in range(9_000) if n % 3]
    assert rows["value"].null_count() == 0


@pytest.mark.parametrize("cohort", COHORTS)
def test_the_real_tables_pass(hometask: Path, cohort: Any) -> None:
    """The real tables fail no rule: their oddities are counted, the milliseconds of two clocks among them."""
    limits = load_config().checks
    tables = read_cohort(hometask, cohort)
    examination = examine(tables, limits)
    refuse_unusable(tables, examination, limits)
    assert examination.failing.is_empty()


@pytest.mark.parametrize("cohort", COHORTS)
def test_the_synthetic_tables_pass(synthetic: Path, cohort: Any) -> None:
    """The synthetic tables fail no rule either."""
    assert examine(read_cohort(synthetic, cohort), load_config().checks).failing.is_empty()
