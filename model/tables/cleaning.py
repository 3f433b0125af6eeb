"""Cleans one cohort's tables: one row per customer, the customers' event rows, and a count of every irregularity."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NoReturn

import dataframely as dy
import polars as pl

from customer_risk.model.config import load_config
from customer_risk.model.errors import EmptyTable
from customer_risk.model.escaping import shortened
from customer_risk.model.features.vocabulary import STATES
from customer_risk.model.tables.conversion import CONVERSIONS, Conversion
from customer_risk.model.tables.dialect import advising
from customer_risk.model.tables.examination import FAILING_ROWS, Examination, ever_suspended, examine, refuse_unusable
from customer_risk.model.tables.reading import CohortTables, Table, read_cohort
from customer_risk.model.tables.schema import Customers, Events, LabelledCustomers
from customer_risk.model.tables.traps import TRAPS

if TYPE_CHECKING:
    from pathlib import Path

    from customer_risk.model.config import Config
    from customer_risk.model.tables.mapping import CohortName, Mapping
    from customer_risk.model.tables.rates import Rates

__all__ = ["TRAPS", "Cohort", "clean", "load_cohort"]

OVERSEAS: Final = ("PF", "NC", "YT", "RE", "GP", "MQ", "GF")
# Country codes of two digits. Any other two digits are the beginning of a longer code.
_TWO_DIGIT_CODES: Final = frozenset(
    "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 "  # noqa: SIM905  44 pairs of quotes are hard to read
    "91 92 93 94 95 98".split()
)
_PROFILE: Final = tuple(name for name in Customers.column_names() if name != "customer_id")


@dataclass(frozen=True, slots=True)
class Cohort:
    """A clean cohort.

    customers    one row per customer, ordered by id; with `suspended` in the labelled cohort
    events       event rows, ordered by customer, creation, id and state; no row twice, ids not collapsed
    counts       the count of each key of TRAPS; of the keys `failed_...`, only rules that failed
    failing      the rows that failed a rule, with the reason (examination.FAILING_ROWS)
    absent       columns that the files lack
    constant     columns with one value in every row
    conversions  each event row that was converted to EUR (conversion.CONVERSIONS)
    rates        the rates that converted them; None if the mapping names no rates
    """

    customers: dy.DataFrame[Customers] | dy.DataFrame[LabelledCustomers]
    events: dy.DataFrame[Events]
    counts: dict[str, int]
    failing: pl.DataFrame = field(default_factory=FAILING_ROWS.to_frame)
    absent: tuple[str, ...] = ()
    constant: tuple[str, ...] = ()
    conversions: pl.DataFrame = field(default_factory=CONVERSIONS.to_frame)
    rates: Rates | None = None


def load_cohort(
    folder: Path, cohort: CohortName, *, mapping: Mapping | None = None, config: Config | None = None
) -> Cohort:
    """Read, check and clean one cohort.

    If the folder has the other cohort's users, they are read too: events of the other cohort's customers are counted
    separately. Raises TableMissing, ColumnMismatch, EmptyTable, LabelError, RuleFailure, or ConfigError for unusable
    rates.
    """
    limits = (config or load_config()).checks
    tables = read_cohort(folder, cohort, mapping)
    with advising(folder, mapping):
        examination = examine(tables, limits)
        refuse_unusable(tables, examination, limits)
        return clean(tables, examination)


def clean(tables: CohortTables, examination: Examination) -> Cohort:
    """Collapse profiles, drop unusable rows and count every irregularity.

    Raises EmptyTable if no customer is left, or if no event belongs to a customer.
    """
    users = tables.users.frame.filter(~pl.col("row").is_in(examination.users.implode()))
    customers = _collapse(users, labelled=tables.users.cohort == "labelled")
    sound = tables.transactions.frame.filter(
        ~pl.col("row").is_in(examination.transactions.implode()) & ~pl.col("repeat")
    )
    events = (
        sound.filter(pl.col("customer_id").is_in(customers["customer_id"].implode()))
        .select(Events.column_names())
        .with_columns(_order=pl.col("state").replace_strict(list(STATES), range(len(STATES)), default=len(STATES)))
        .sort("customer_id", "created_at", "id", "_order", "state", "completed_at", "amount")
        .drop("_order")
    )
    _refuse_empty(tables, examination, customers, events)
    absent = (*tables.users.absent, *tables.transactions.absent)
    constant = (*_constant(tables.users), *_constant(tables.transactions))
    conversion = tables.conversion
    counts = (
        _count_users(tables.users, users, customers, events)
        | _count_events(tables, customers)
        | {"constant_columns": len(constant), "absent_columns": len(absent)}
        | {"set_aside_rows": len(examination.users) + len(examination.transactions)}
        | {"kept_events": events.height, "kept_transactions": events["id"].n_unique()}
        | _count_conversions(conversion)
        | {f"failed_{outcome.rule.name}": outcome.failing for outcome in examination.outcomes if outcome.failing}
    )
    return Cohort(
        customers=LabelledCustomers.validate(customers)
        if "suspended" in customers.columns
        else Customers.validate(customers),
        events=Events.validate(events),
        counts={key: counts[key] for key in TRAPS if key in counts},
        failing=examination.failing,
        absent=absent,
        constant=constant,
        conversions=conversion.conversions,
        rates=conversion.rates,
    )


def _collapse(users: pl.DataFrame, *, labelled: bool) -> pl.DataFrame:
    """Return one row per customer, with the most frequent value of each field (the smallest of equally frequent)."""
    several = users.filter(pl.col("customer_id").is_duplicated())
    collapsed = (
        several.group_by("customer_id").agg(pl.col(_PROFILE).drop_nulls().mode().sort().first())
        if several.height
        else several.select("customer_id", *_PROFILE)
    )
    single = users.filter(pl.col("customer_id").is_unique()).select("customer_id", *_PROFILE)
    customers = pl.concat([single, collapsed.select(single.columns)]).sort("customer_id")
    return customers.join(ever_suspended(users), on="customer_id", maintain_order="left") if labelled else customers


def _refuse_empty(
    tables: CohortTables, examination: Examination, customers: pl.DataFrame, events: pl.DataFrame
) -> None:
    users, transactions = tables.users, tables.transactions
    if customers.is_empty():
        _refuse_dropped(users, examination)
    if events.is_empty():
        lost, rules = _dropped(transactions, examination)
        if lost == transactions.rows:
            _refuse_dropped(transactions, examination)
        beside = f" {lost:,} other rows were dropped: {rules}." if lost else ""
        raise EmptyTable(
            f"{transactions.where}: none of {transactions.rows - lost:,} rows belongs to one of the "
            f"{customers.height:,} customers of {users.where}.{beside}",
            remedy="Check that both files use the same customer ids, and that they belong to the same cohort.",
        )


def _refuse_dropped(table: Table, examination: Examination) -> NoReturn:
    _, rules = _dropped(table, examination)
    raise EmptyTable(
        f"{table.where}: all {table.rows:,} rows were dropped because they fail a rule: {rules}.",
        remedy="Correct or map the values; `customer-risk check --out FILE` lists the rows.",
    )


def _dropped(table: Table, examination: Examination) -> tuple[int, str]:
    """Return how many rows were dropped, and the rules that they fail, most rows first."""
    outcomes = [
        outcome
        for outcome in examination.outcomes
        if outcome.where == table.where and outcome.failing and outcome.rule.drops
    ]
    names = [outcome.rule.name for outcome in outcomes]
    rows = examination.failing.filter((pl.col("table") == table.where) & pl.col("rule").is_in(names))
    outcomes.sort(key=lambda outcome: -(outcome.failing or 0))
    firsts = {each["rule"]: each for each in rows.unique("rule", keep="first").iter_rows(named=True)}
    reasons = [
        f"{outcome.failing:,} fail {outcome.rule.name} ({outcome.rule.sentence}{_example(firsts[outcome.rule.name])})"
        for outcome in outcomes
    ]
    return rows["row"].n_unique(), ", ".join(reasons)


def _example(failing: dict[str, Any]) -> str:
    value = failing["value"]
    return "" if value is None else f"; row {failing['row']:,} has {shortened(value)!r}"


def _constant(table: Table) -> tuple[str, ...]:
    """Return the columns that have one value in every row, if the table has more than one row."""
    values = table.frame.select(pl.exclude("row", "repeat", *table.absent).n_unique())
    return tuple(name for name in values.columns if values[name][0] == 1) if table.frame.height > 1 else ()


def _count_users(table: Table, users: pl.DataFrame, customers: pl.DataFrame, events: pl.DataFrame) -> dict[str, int]:
    by_customer = users.group_by("customer_id").agg(
        rows=pl.len(),
        changed=pl.any_horizontal(pl.col(name).n_unique() > 1 for name in _PROFILE),
        labels=pl.col("label").n_unique() if "label" in users.columns else pl.lit(1, dtype=pl.UInt32),
    )
    digits = pl.col("phone_number_country_code").str.strip_prefix("+")
    there = [name for name in _PROFILE if name not in table.absent]
    counts = {
        "customers": customers.height,
        "profile_rows": table.rows,
        "repeated_profile_rows": users.height - customers.height,
        "customers_on_several_rows": by_customer.filter(pl.col("rows") > 1).height,
        "customers_with_changing_profile": by_customer.filter("changed").height,
        "customers_without_events": customers.join(events, on="customer_id", how="anti").height,
        "missing_profile_values": sum(customers.select(there).null_count().row(0)),
        "unreadable_profile_values": table.unreadable.height,
        "cut_phone_codes": customers.filter(digits.str.len_chars() == 2, ~digits.is_in(_TWO_DIGIT_CODES)).height,
        "overseas_customers": customers.filter(pl.col("country_of_residence").is_in(OVERSEAS)).height,
    }
    if "suspended" in customers.columns:
        counts["suspended_customers"] = int(customers["suspended"].sum())
        counts["customers_with_both_labels"] = by_customer.filter(pl.col("labels") > 1).height
    return counts


def _count_conversions(conversion: Conversion) -> dict[str, int]:
    if not conversion.currencies:
        return {}
    foreign = sum(conversion.currencies.values())
    return {"events_in_other_currencies": foreign, "converted_events": conversion.conversions.height}


def _count_events(tables: CohortTables, customers: pl.DataFrame) -> dict[str, int]:
    """Count the rows and transactions of the file, before any row is dropped."""
    frame = tables.transactions.frame
    mine = pl.col("customer_id").is_in(customers["customer_id"].implode())
    foreign = pl.lit(False) if tables.others is None else pl.col("customer_id").is_in(tables.others.implode()) & ~mine  # noqa: FBT003
    zero = pl.col("amount") == 0
    rows = frame.select(
        event_rows=pl.lit(tables.transactions.rows),
        repeated_event_rows=pl.col("repeat").sum(),
        events_of_other_cohort=foreign.sum(),
        customers_of_other_cohort=pl.col("customer_id").filter(foreign).n_unique(),
        events_of_no_customer=(pl.col("customer_id").is_not_null() & ~mine & ~foreign).sum(),
        manual_events=(pl.col("type") == "MANUAL").sum(),
        zero_amount_card_checks=(zero & (pl.col("type") == "CARDS")).sum(),
        zero_amount_fees=(zero & (pl.col("type") == "PROCESSING_FEE")).sum(),
        completed_before_created=(pl.col("completed_at") < pl.col("created_at")).sum(),
    )
    by_id = (
        frame.filter(pl.col("id").is_not_null())
        .group_by("id")
        .agg(
            rows=pl.len(),
            states=pl.col("state").min() != pl.col("state").max(),
            amounts=pl.col("amount").min() != pl.col("amount").max(),
            pending=(pl.col("state") == "PENDING").all(),
        )
    )
    ids = by_id.select(
        transactions=pl.len(),
        transactions_on_several_rows=(pl.col("rows") > 1).sum(),
        transactions_in_several_states=pl.col("states").sum(),
        transactions_still_pending=pl.col("pending").sum(),
        transactions_with_changed_amount=pl.col("amounts").sum(),
    )
    return {name: int(value or 0) for name, value in (rows.row(0, named=True) | ids.row(0, named=True)).items()}
