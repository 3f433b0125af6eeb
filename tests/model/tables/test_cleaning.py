"""Cleaning, with every irregularity counted."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from customer_risk.model.errors import EmptyTable, RuleFailure
from customer_risk.model.tables.cleaning import load_cohort
from customer_risk.model.tables.mapping import COHORTS
from customer_risk.model.tables.schema import Customers, Events, LabelledCustomers
from customer_risk.model.tables.traps import TRAPS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# The figures in the README of the real tables, and those that follow from its rules.
README = {
    "labelled": {
        "customers": 300,
        "profile_rows": 348,
        "repeated_profile_rows": 48,
        "suspended_customers": 48,
        "event_rows": 4_048,
        "transactions": 2_869,
        "transactions_on_several_rows": 1_138,
        "events_of_other_cohort": 0,
        "events_of_no_customer": 0,
        "absent_columns": 0,
        "constant_columns": 3,
        "set_aside_rows": 0,
    },
    "unlabelled": {
        "customers": 263,
        "profile_rows": 300,
        "event_rows": 8_908,
        "events_of_other_cohort": 1_273,
        "customers_of_other_cohort": 46,
        "events_of_no_customer": 0,
        "absent_columns": 2,
        "constant_columns": 3,
        "set_aside_rows": 0,
    },
}


@pytest.mark.parametrize("cohort", COHORTS)
def test_the_counts_of_the_real_tables_equal_their_readme(hometask: Path, cohort: Any) -> None:
    """The counts of the real tables equal those of their README."""
    loaded = load_cohort(hometask, cohort)
    assert {key: loaded.counts[key] for key in README[cohort]} == README[cohort]
    assert set(loaded.constant) == {"is_pep", "is_adverse_media_minor", "currency"}


def test_the_real_tables_share_of_free_card_checks(hometask: Path) -> None:
    """6% of the labelled rows have the amount 0, and seven rows of both cohorts are completed before their creation."""
    labelled, unlabelled = (load_cohort(hometask, cohort).counts for cohort in COHORTS)
    zero = labelled["zero_amount_card_checks"] + labelled["zero_amount_fees"]
    assert round(zero / labelled["event_rows"], 2) == 0.06
    assert labelled["completed_before_created"] + unlabelled["completed_before_created"] == 7
    assert round(labelled["customers_without_events"] / labelled["customers"], 2) == 0.35


def test_scoring_needs_only_two_files(hometask: Path, tmp_path: Path) -> None:
    """Without the labelled tables the customers and events to score are the same."""
    for name in ("users_unlabelled.csv", "transactions_unlabelled.csv"):
        (tmp_path / name).write_bytes((hometask / name).read_bytes())
    alone, beside = load_cohort(tmp_path, "unlabelled"), load_cohort(hometask, "unlabelled")
    assert alone.customers.equals(beside.customers)
    assert alone.events.equals(beside.events)
    assert alone.counts["events_of_no_customer"] == 1_273


@pytest.mark.parametrize("cohort", COHORTS)
def test_customers_rows_and_counts_equal_those_of_plain_python(synthetic: Path, cohort: Any) -> None:
    """A slow reading with the csv module finds the same customers, rows and counts."""
    with (synthetic / f"users_{cohort}.csv").open() as file:
        users = list(csv.DictReader(file))
    with (synthetic / f"transactions_{cohort}.csv").open() as file:
        events = list(csv.DictReader(file))
    snapshots = defaultdict(list)
    for row in users:
        snapshots[row["user_id"]].append(row)
    distinct = {tuple(row.items()) for row in events}
    mine = [dict(row) for row in distinct if dict(row)["user_id"] in snapshots]
    states = defaultdict(set)
    for row in events:
        states[row["id"]].add(row["state"])

    loaded = load_cohort(synthetic, cohort)

    def most_frequent(customer: str, column: str) -> str | None:
        found = Counter(row[column] for row in snapshots[customer] if row[column])
        return min(found, key=lambda value: (-found[value], value)) if found else None

    assert loaded.customers["customer_id"].to_list() == sorted(snapshots)
    for column in ("reason_to_use_app", "occupation", "locale", "gender", "country_of_residence"):
        assert loaded.customers[column].to_list() == [most_frequent(customer, column) for customer in sorted(snapshots)]
    if cohort == "labelled":
        ever = [any(row["user_current_state"] == "SUSPENDED" for row in snapshots[name]) for name in sorted(snapshots)]
        both = [len({row["user_current_state"] for row in rows}) > 1 for rows in snapshots.values()]
        assert loaded.customers["suspended"].to_list() == ever
        assert loaded.counts["customers_with_both_labels"] == sum(both) > 0
    key = ["id", "customer_id", "state", "amount"]
    expected = sorted((row["id"], row["user_id"], row["state"], float(row["amount"])) for row in mine)
    assert sorted(loaded.events.select(key).rows()) == expected
    assert (
        loaded.counts
        | {
            "profile_rows": len(users),
            "customers": len(snapshots),
            "customers_on_several_rows": sum(len(rows) > 1 for rows in snapshots.values()),
            "event_rows": len(events),
            "repeated_event_rows": len(events) - len(distinct),
            "events_of_other_cohort": sum(row["user_id"] not in snapshots for row in events),
            "transactions": len(states),
            "transactions_in_several_states": sum(len(found) > 1 for found in states.values()),
            "transactions_still_pending": sum(found == {"PENDING"} for found in states.values()),
            "manual_events": sum(row["type"] == "MANUAL" for row in events),
            "customers_without_events": len(set(snapshots) - {row["user_id"] for row in mine}),
            "kept_events": len(mine),
        }
        == loaded.counts
    )


@pytest.mark.parametrize("cohort", COHORTS)
def test_the_order_of_rows_changes_nothing(synthetic: Path, tmp_path: Path, cohort: Any) -> None:
    """The order of rows doesn't change the cohort."""
    for number, path in enumerate(sorted(synthetic.glob("*.csv"))):
        pl.read_csv(path, infer_schema=False).sample(fraction=1, shuffle=True, seed=number).write_csv(
            tmp_path / path.name
        )
    one, other = load_cohort(synthetic, cohort), load_cohort(tmp_path, cohort)
    assert one.customers.equals(other.customers)
    assert one.events.equals(other.events)
    assert one.counts == other.counts


@pytest.mark.parametrize("cohort", COHORTS)
def test_every_count_has_its_sentence(synthetic: Path, cohort: Any) -> None:
    """Each count has a sentence, and the frames are valid."""
    loaded = load_cohort(synthetic, cohort)
    assert set(loaded.counts) <= set(TRAPS)
    assert Events.is_valid(loaded.events)
    assert (LabelledCustomers if cohort == "labelled" else Customers).is_valid(loaded.customers)
    assert ("suspended" in loaded.customers.columns) == (cohort == "labelled")


def test_snapshots_collapse_to_the_most_frequent_value(bank: Any, load: Callable[..., Any]) -> None:
    """The most frequent value wins, a missing value never wins, and a tie is decided by the alphabet."""
    bank.users_labelled += [
        bank.user("b", "ACTIVE", occupation="EDUCATION", locale=None, gender="M"),
        bank.user("b", "ACTIVE", occupation="EDUCATION", locale=None, gender=None),
        bank.user("c", "ACTIVE", occupation="HEALTH", has_biometrics="FALSE"),
    ]
    customers = load().customers
    assert customers["occupation"].to_list() == ["STUDENTS", "EDUCATION", "HEALTH", "STUDENTS"]
    assert customers["locale"].to_list() == ["fr_FR"] * 4
    assert customers["gender"].to_list() == ["F"] * 4
    assert customers["has_biometrics"].to_list() == [True, True, False, True]


def test_a_customer_with_both_labels_is_suspended(bank: Any, load: Callable[..., Any]) -> None:
    """A customer with both labels is suspended, in any order of the rows."""
    bank.users_labelled.insert(0, bank.user("d", "SUSPENDED"))
    bank.users_labelled.append(bank.user("a", "ACTIVE"))
    cohort = load()
    assert cohort.customers["suspended"].to_list() == [True, False, False, True]
    assert cohort.counts["customers_with_both_labels"] == 2


def test_dropped_rows_are_listed_and_counted(bank: Any, load: Callable[..., Any]) -> None:
    """Dropped rows are listed with their rule, and counted."""
    bank.transactions_labelled[1]["currency"] = "USD"
    bank.transactions_labelled[2]["amount"] = "abc"
    bank.transactions_labelled[3]["type"] = "BARTER"
    cohort = load()
    assert cohort.events["id"].to_list() == ["t-a", "t-d"]
    assert cohort.counts["set_aside_rows"] == 2
    failed = {key: count for key, count in cohort.counts.items() if key.startswith("failed_")}
    assert failed == {"failed_amount_readable": 1, "failed_currency_is_eur": 1, "failed_type_known": 1}
    assert cohort.failing["rule"].to_list() == ["amount_readable", "type_known", "currency_is_eur"]


@pytest.mark.parametrize("direction", ["in", "IN ", "INBOUND", "-"])
def test_a_row_with_an_unknown_direction_is_dropped(bank: Any, load: Callable[..., Any], direction: str) -> None:
    """A direction is IN or OUT: the service refuses others too, so tables and requests give one score."""
    bank.transactions_labelled[2]["direction"] = direction
    cohort = load()
    assert "t-c" not in cohort.events["id"].to_list()
    assert cohort.counts["failed_direction_known"] == cohort.counts["set_aside_rows"] == 1


def test_an_unreadable_profile_field_is_missing(bank: Any, load: Callable[..., Any]) -> None:
    """A field that can't be read is missing; the customer is kept."""
    bank.users_labelled[0]["has_biometrics"] = "maybe"
    cohort = load()
    assert cohort.customers["has_biometrics"].to_list() == [None, True, True, True]
    assert cohort.counts["unreadable_profile_values"] == 1


def test_a_profile_without_an_id_is_dropped(bank: Any, load: Callable[..., Any]) -> None:
    """A profile without an id is dropped and counted."""
    bank.users_labelled.append(bank.user(None, "ACTIVE"))
    cohort = load()
    assert cohort.customers.height == 4
    assert cohort.counts["failed_customer_id_present"] == 1


def test_events_of_the_other_cohort_and_of_unknown_customers_are_counted_separately(
    bank: Any, load: Callable[..., Any]
) -> None:
    """Events of the other cohort and of unknown customers are counted separately."""
    bank.transactions_unlabelled.append(bank.event("nobody", "t-n"))
    cohort = load("unlabelled")
    assert cohort.events["customer_id"].to_list() == ["y", "z"]
    assert (cohort.counts["events_of_other_cohort"], cohort.counts["events_of_no_customer"]) == (1, 1)
    assert cohort.counts["failed_owner_is_known"] == 1


def test_a_repeated_id_in_another_state_is_kept(bank: Any, load: Callable[..., Any]) -> None:
    """A repeated id with another state is a separate event; events are in the order of states."""
    bank.transactions_labelled.insert(1, bank.transactions_labelled[0] | {"state": "PENDING", "completed_at": None})
    cohort = load()
    assert cohort.events.filter(pl.col("id") == "t-a")["state"].to_list() == ["PENDING", "COMPLETED"]
    assert cohort.counts["transactions_in_several_states"] == 1


def test_cut_phone_codes_are_counted(bank: Any, load: Callable[..., Any]) -> None:
    """+68 and +59 are cut codes, +33 and +262 are complete."""
    for row, code in zip(bank.users_labelled, ("+68", "+59", "+33", "+262"), strict=True):
        row["phone_number_country_code"] = code
    assert load().counts["cut_phone_codes"] == 2


def test_constant_columns_are_named_and_kept(load: Callable[..., Any]) -> None:
    """A column with one value is named and kept."""
    cohort = load()
    assert {"is_pep", "currency"} <= set(cohort.constant)
    assert cohort.customers["is_pep"].to_list() == [False] * 4


# Unusable tables: one clear message each.


def test_too_many_failing_rows_are_refused_with_the_rule(bank: Any, load: Callable[..., Any]) -> None:
    """Above the configured share of failing rows a run stops, with the rule and the command that lists the rows."""
    bank.transactions_labelled[1]["amount"] = "-1"
    with pytest.raises(
        RuleFailure,
        match=r"1 of 4 rows \(25\.00%, at most 1\.00% are allowed\) have an amount.*amount_usable.*customer-risk check",
    ):
        load(config=None)


@pytest.mark.parametrize("labels", [["SUSPENDED"], ["SUSPENDED", "ACTIVE"]])
def test_one_labelled_customer_is_refused(bank: Any, load: Callable[..., Any], labels: list[str]) -> None:
    """One labelled customer is refused, also with both labels."""
    bank.users_labelled = [bank.user("a", label) for label in labels]
    with pytest.raises(EmptyTable, match=r"users_labelled\.csv has only 1 customer"):
        load()


def test_one_customer_can_be_scored(bank: Any, load: Callable[..., Any]) -> None:
    """One customer can be scored."""
    bank.users_unlabelled = bank.users_unlabelled[:1]
    cohort = load("unlabelled")
    assert (cohort.customers.height, cohort.events.height) == (1, 1)


def test_tables_without_an_event_of_a_customer_are_refused(bank: Any, load: Callable[..., Any]) -> None:
    """Tables in which no event belongs to a customer are refused."""
    bank.transactions_labelled = [bank.event(f"other-{name}", f"t-{name}") for name in "abc"]
    with pytest.raises(EmptyTable, match=r"none of 3 rows belongs to one of the 4 customers"):
        load()


def test_profiles_without_ids_are_refused(bank: Any, load: Callable[..., Any]) -> None:
    """Users without any id are refused."""
    bank.users_unlabelled = [bank.user(None)]
    with pytest.raises(EmptyTable, match=r"all 1 rows were dropped .*: 1 fail customer_id_present \(customer_id has"):
        load("unlabelled")


def test_a_rule_that_no_event_passes_is_named(bank: Any, load: Callable[..., Any]) -> None:
    """The message about a table without valid rows has the failed rules, each with its first value."""
    for row in bank.transactions_labelled:
        row["created_at"] = "26/08/24"
    bank.transactions_labelled[0]["amount"] = "?"
    with pytest.raises(EmptyTable) as caught:
        load()
    assert (
        "transactions_labelled.csv: all 4 rows were dropped because they fail a rule: "
        "4 fail created_at_readable (created_at is a time such as" in caught.value.problem
    )
    assert "1 fail amount_readable (amount is a number; row 1 has '?')" in caught.value.problem
    assert "belongs" not in caught.value.problem


def test_a_message_about_unknown_customers_names_failed_rules_too(bank: Any, load: Callable[..., Any]) -> None:
    """If some rows fail a rule and the others belong to no customer, the message says both."""
    bank.transactions_labelled = [bank.event(f"other-{name}", f"t-{name}") for name in "abc"]
    bank.transactions_labelled[0]["amount"] = "?"
    with pytest.raises(EmptyTable, match=r"none of 2 rows belongs.*1 other rows were dropped: 1 fail amount_read"):
        load()
