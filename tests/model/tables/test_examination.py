"""Rules, each broken by one row."""

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
# rule: (table, changes of its third row, the shown value)
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
# rule: changes of the third row, so that it contradicts the fourth row of the same transaction
DISAGREEMENTS: dict[str, dict[str, Any]] = {
    "one_owner": {"user_id": "a"},
    "one_kind": {"type": "PAYMENTS"},
    "one_creation": {"created_at": "2024-08-26 10:33:51 UTC"},
    "one_ending": {"state": "DECLINED"},
}


def failing(bank: Any) -> pl.DataFrame:
    """Write the tables and return the failing rows of the labelled cohort."""
    limits = load_config().checks
    found = examine(read_cohort(bank.write(), "labelled"), limits).failing
    assert found.schema == FAILING_ROWS
    return found.with_columns(pl.col("table").str.split("/").list.last())


def test_every_rule_has_a_test() -> None:
    """Each rule has a test that breaks it."""
    others = {"label_rate_in_bounds", "field_count_matches"}  # below, and in test_csv_file
    assert {rule.name for rule in CHECKS} == set(BREAKS) | set(DISAGREEMENTS) | others


def test_valid_tables_fail_no_rule(bank: Any) -> None:
    """The tables that the other tests change fail no rule."""
    assert failing(bank).is_empty()


@pytest.mark.parametrize("rule", BREAKS)
def test_a_broken_row_fails_only_its_rule(bank: Any, rule: str) -> None:
    """The row is listed with file, number, rule, value and reason, and fails no other rule."""
    table, changes, value = BREAKS[rule]
    getattr(bank, table)[2] |= changes
    if rule == "customer_id_present":  # otherwise its events would belong to no customer
        bank.transactions_labelled[2] |= {"user_id": "a"}
    if rule == "one_cohort":
        bank.transactions_labelled[2] |= {"user_id": "y"}
    rows = failing(bank)
    assert rows.select("table", "row", "rule", "value").rows() == [(f"{table}.csv", 3, rule, value)]
    assert rows["reason"][0].startswith("The row has ")


def test_an_event_without_a_customer_fails_its_rule(bank: Any) -> None:
    """An event without a customer fails the rule of its table."""
    bank.transactions_labelled[0]["user_id"] = None
    assert failing(bank).select("table", "rule").rows() == [("transactions_labelled.csv", "customer_id_present")]


@pytest.mark.parametrize("rule", DISAGREEMENTS)
def test_rows_of_one_transaction_that_disagree_all_fail(bank: Any, rule: str) -> None:
    """Both rows fail, because either can be wrong."""
    bank.transactions_labelled[2] |= {"id": "t-d", "user_id": "d"} | DISAGREEMENTS[rule]
    assert failing(bank).select("row", "rule").rows() == [(3, rule), (4, rule)]


def test_states_of_one_transaction_do_not_disagree(bank: Any) -> None:
    """A transaction may be pending, completed and reversed, and change its amount."""
    event = bank.transactions_labelled[0]
    bank.transactions_labelled += [
        event | {"state": "PENDING", "completed_at": None, "amount": "12"},
        event | {"state": "REVERSED", "completed_at": "2024-08-27 11:00:00 UTC"},
    ]
    assert failing(bank).is_empty()


def test_a_completion_a_second_before_creation_passes(bank: Any) -> None:
    """A completion exactly a second before the creation is allowed."""
    changes = {"created_at": "2024-08-26 10:00:02.5 UTC", "completed_at": "2024-08-26 10:00:01.5 UTC"}
    bank.transactions_labelled[0] |= changes
    assert failing(bank).is_empty()


@pytest.mark.parametrize("amount", ["NaN", "inf"])
def test_invalid_amounts_fail_their_rule(bank: Any, amount: str) -> None:
    """Such an amount fails `amount_readable` as a text, and `amount_usable` as a float of Parquet."""
    bank.transactions_labelled[0]["amount"] = amount
    assert failing(bank)["rule"].to_list() == ["amount_readable"]
    path = bank.write() / "transactions_labelled.csv"
    pl.read_csv(path, schema_overrides={"amount": pl.Float64}).write_parquet(path.with_suffix(".parquet"))
    path.unlink()
    cohort = read_cohort(bank.folder, "labelled")
    assert examine(cohort, load_config().checks).failing["rule"].to_list() == ["amount_usable"]


@pytest.mark.parametrize("kind", ["CARDS", "PROCESSING_FEE"])
def test_free_card_checks_and_fees_pass(bank: Any, kind: str) -> None:
    """Card checks and waived fees may have the amount 0."""
    bank.transactions_labelled[0] |= {"type": kind, "amount": "0"}
    assert failing(bank).is_empty()


@pytest.mark.parametrize("labels", [["SUSPENDED"] * 2 + ["ACTIVE"] * 2, ["ACTIVE"] * 4])
def test_a_label_rate_out_of_bounds_fails_the_whole_table(bank: Any, labels: list[str]) -> None:
    """Too many or too few suspended customers fail every row, listed as one row without a number."""
    for row, label in zip(bank.users_labelled, labels, strict=True):
        row["user_current_state"] = label
    limits = load_config().checks
    examination = examine(read_cohort(bank.write(), "labelled"), limits)
    assert examination.failing.select("row", "rule").rows() == [(None, "label_rate_in_bounds")]
    outcome = next(outcome for outcome in examination.outcomes if outcome.failing)
    assert (outcome.failing, outcome.share) == (4, 1.0)


def test_rules_about_both_cohorts_need_both(bank: Any) -> None:
    """Without the other cohort's users, rules about both cohorts aren't checked."""
    bank.users_labelled, bank.transactions_labelled = [], []
    examination = examine(read_cohort(bank.write(), "unlabelled"), load_config().checks)
    unjudged = {outcome.rule.name for outcome in examination.outcomes if outcome.failing is None}
    assert unjudged == {"one_cohort", "owner_is_known"}
    assert all(outcome.share == 0 for outcome in examination.outcomes)


def test_only_rows_that_fail_a_dropping_rule_are_dropped(bank: Any) -> None:
    """An unusable amount and an unknown direction are dropped, an unknown type is kept, as in the service."""
    bank.transactions_labelled[1]["amount"] = "-1"
    bank.transactions_labelled[2]["type"] = "BARTER"
    bank.transactions_labelled[3]["direction"] = "in"
    examination = examine(read_cohort(bank.write(), "labelled"), load_config().checks)
    assert examination.transactions.to_list() == [2, 4]
    assert examination.users.to_list() == []


def test_unusable_values_are_refused_by_file_column_row_and_value(bank: Any) -> None:
    """Too many unreadable values are refused with file, column, row and value."""
    bank.transactions_labelled[2]["amount"] = "abc"
    tables, limits = read_cohort(bank.write(), "labelled"), load_config().checks
    with pytest.raises(
        ColumnMismatch, match=r"transactions_labelled\.csv: 1 of 4 values of amount.*the first is 'abc' in row 3"
    ):
        refuse_unusable(tables, examine(tables, limits), limits)


@pytest.mark.parametrize("rule", sorted(set(BREAKS) - {"owner_is_known"}))
def test_too_many_failing_rows_are_refused(bank: Any, rule: str) -> None:
    """A quarter of failing rows stops a run, except for events of unknown customers."""
    table, changes, _ = BREAKS[rule]
    getattr(bank, table)[2] |= changes
    tables, limits = read_cohort(bank.write(), "labelled"), load_config().checks
    with pytest.raises((RuleFailure, ColumnMismatch, LabelError), match=table):
        refuse_unusable(tables, examine(tables, limits), limits)


def test_events_of_unknown_customers_are_not_refused(bank: Any) -> None:
    """Events of unknown customers are not refused."""
    bank.transactions_labelled[2]["user_id"] = "nobody"
    tables, limits = read_cohort(bank.write(), "labelled"), load_config().checks
    refuse_unusable(tables, examine(tables, limits), limits)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("FROZEN", r"1 of 4 rows have an unknown label \(FROZEN\); the first is row 2"),
        (None, r"1 of 4 rows have no label; the first is row 2"),
    ],
)
def test_one_unusable_label_is_refused(bank: Any, lenient: Any, label: str | None, message: str) -> None:
    """One unknown or missing label is refused at any allowed share."""
    bank.users_labelled[1]["user_current_state"] = label
    tables = read_cohort(bank.write(), "labelled")
    with pytest.raises(LabelError, match=message):
        refuse_unusable(tables, examine(tables, lenient.checks), lenient.checks)


@pytest.mark.parametrize("label", ["SUSPENDED", "ACTIVE"])
def test_labels_of_one_class_are_refused(bank: Any, lenient: Any, label: str) -> None:
    """Equal labels are refused."""
    for row in bank.users_labelled:
        row["user_current_state"] = label
    tables = read_cohort(bank.write(), "labelled")
    with pytest.raises(LabelError, match=rf"all 4 customers are {label}"):
        refuse_unusable(tables, examine(tables, lenient.checks), lenient.checks)


def test_many_failing_rows_of_times_are_shown(bank: Any) -> None:
    """Thousands of failing rows with two times each are listed in the order of the file."""
    bad = {"created_at": "2024-08-26 10:00:02 UTC", "completed_at": "2024-08-26 09:00:00 UTC"}
    bank.transactions_labelled += [bank.event("a", f"x-{n}", **(bad if n % 3 else {})) for n in range(9_000)]
    rows = failing(bank)
    assert rows["rule"].unique().to_list() == ["completes_after_creation"]
    assert rows["row"].to_list() == [5 + n for n in range(9_000) if n % 3]
    assert rows["value"].null_count() == 0


@pytest.mark.parametrize("cohort", COHORTS)
def test_the_real_tables_pass(hometask: Path, cohort: Any) -> None:
    """The real tables fail no rule."""
    limits = load_config().checks
    tables = read_cohort(hometask, cohort)
    examination = examine(tables, limits)
    refuse_unusable(tables, examination, limits)
    assert examination.failing.is_empty()


@pytest.mark.parametrize("cohort", COHORTS)
def test_the_synthetic_tables_pass(synthetic: Path, cohort: Any) -> None:
    """The synthetic tables fail no rule."""
    assert examine(read_cohort(synthetic, cohort), load_config().checks).failing.is_empty()
