"""Checks tables against the rules, row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

import polars as pl

from customer_risk.model.errors import ColumnMismatch, EmptyTable, LabelError, RuleFailure
from customer_risk.model.escaping import list_names, shortened
from customer_risk.model.tables.checks import FIELD_COUNT, OWNER_KNOWN, checks_of
from customer_risk.model.tables.schema import Event, LabelledProfile, Profile

if TYPE_CHECKING:
    from customer_risk.model.config import Checks
    from customer_risk.model.tables.checks import Check
    from customer_risk.model.tables.reading import CohortTables, Table

FAILING_ROWS: Final = pl.Schema(
    {
        "table": pl.String,
        "row": pl.UInt32,
        "rule": pl.String,
        "layer": pl.String,
        "value": pl.String,
        "reason": pl.String,
    }
)
_IN_EUR: Final = "currency_is_eur"
_LISTED: Final = "`customer-risk check --out FILE` lists the rows."


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one rule for one table: `failing` of `rows` rows fail; None if the rule couldn't be checked."""

    rule: Check
    where: str
    rows: int
    failing: int | None

    @property
    def share(self) -> float:
        """Share of the table's rows that fail."""
        return (self.failing or 0) / self.rows


@dataclass(frozen=True, slots=True)
class Examination:
    """The results of all rules for a cohort's two tables.

    outcomes             one for each table and rule, also if no row fails
    failing              FAILING_ROWS: one row for each failing row and rule; `row` is null if the whole table fails
    users, transactions  the numbers of the rows that cleaning drops
    """

    outcomes: tuple[Outcome, ...]
    failing: pl.DataFrame
    users: pl.Series
    transactions: pl.Series

    def above(self, share: float) -> tuple[Outcome, ...]:
        """Return the outcomes whose failing share is greater than `share`."""
        return tuple(outcome for outcome in self.outcomes if outcome.share > share)


def examine(tables: CohortTables, limits: Checks) -> Examination:
    """Check both tables of a cohort against every rule. Raises for no value of a row."""
    labelled = tables.users.cohort == "labelled"
    own = tables.users.frame["customer_id"].drop_nulls().unique()
    everyone = own if tables.others is None else pl.concat([own, tables.others])
    others_known = tables.others is not None
    users = tables.users.frame.with_columns(
        in_other_cohort=pl.col("customer_id").is_in(tables.others.implode()) if tables.others is not None else None
    ).with_columns(pl.col("in_other_cohort").cast(pl.Boolean))
    events = tables.transactions.frame.with_columns(
        owner_known=pl.col("customer_id").is_in(everyone.implode()) if others_known else pl.lit(None, dtype=pl.Boolean)
    ).with_columns(_agreements(tables.transactions.frame))
    unjudged = frozenset() if others_known else frozenset({"one_cohort", OWNER_KNOWN})

    found = [
        _judge(tables.users, users, LabelledProfile if labelled else Profile, unjudged),
        _judge(tables.transactions, events, Event, unjudged),
    ]
    outcomes = [outcome for part, _ in found for outcome in part]
    failing = [rows for _, rows in found]
    if labelled:
        outcome, rows = _label_rate(tables.users, limits.label_rate)
        outcomes = [outcome if old.rule == outcome.rule else old for old in outcomes]
        failing.append(rows)
    everything = pl.concat(failing)
    return Examination(
        outcomes=tuple(outcomes),
        failing=everything,
        users=_dropped(everything, tables.users),
        transactions=_dropped(everything, tables.transactions),
    )


def refuse_unusable(tables: CohortTables, examination: Examination, limits: Checks) -> None:
    """Raise an error if the tables can't be used for training or scoring.

    LabelError if a label is unknown or missing, or if all labels are equal; EmptyTable for one labelled customer;
    ColumnMismatch if too many values can't be read as their column's type; RuleFailure if another rule fails too often.
    """
    refuse_labels(tables, examination)
    for outcome in examination.above(limits.max_failing_share):
        if outcome.rule.name == _IN_EUR:
            raise RuleFailure(f"{outcome.where}: {tables.conversion.describe()}", remedy=_LISTED)
        if outcome.rule.name != OWNER_KNOWN:  # a folder for scoring may lack the other users
            _refuse(outcome, examination, limits)


def refuse_labels(tables: CohortTables, examination: Examination) -> None:
    """Raise LabelError if a label is unknown or missing, or if all are equal; EmptyTable for one labelled customer."""
    failed = {outcome.rule.name: outcome for outcome in examination.outcomes if outcome.failing}
    for name in ("label_known", "label_present"):
        if name in failed:
            _refuse_label(failed[name], examination)
    if tables.users.cohort == "labelled":
        _refuse_one_class(tables.users)


def _agreements(events: pl.DataFrame) -> list[pl.Expr]:
    """Return expressions for whether the rows of a row's transaction agree."""
    several = events.filter(pl.col("id").is_not_null() & pl.col("id").is_duplicated())
    ends = ~pl.col("state").is_in(["PENDING", "REVERSED"])

    def differs(values: pl.Expr) -> pl.Expr:
        return values.drop_nulls().n_unique() > 1

    by_id = several.group_by("id").agg(
        same_owner=differs(pl.col("customer_id")),
        same_kind=differs(pl.col("type")) | differs(pl.col("direction")),
        same_creation=differs(pl.col("created_at")),
        same_ending=differs(pl.col("state").filter(ends)),
    )
    return [
        (~pl.col("id").is_in(by_id.filter(name)["id"].implode())).fill_null(value=True).alias(name)
        for name in by_id.columns
        if name != "id"
    ]


def _judge(
    table: Table, frame: pl.DataFrame, schema: type[Profile | Event], unjudged: frozenset[str]
) -> tuple[list[Outcome], pl.DataFrame]:
    _, failure = schema.filter(frame)
    details = failure.details()
    outcomes, found = [], []
    for rule in checks_of(table.kind, labelled=table.cohort == "labelled"):
        unread = table.unreadable.filter(pl.col("column").is_in(rule.columns))
        if rule.name in unjudged:
            outcomes.append(Outcome(rule, table.where, table.rows, None))
            continue
        if rule.name == FIELD_COUNT:
            rows = table.malformed
        elif rule.key is None:
            rows = (
                unread.select("row", "value")
                if rule.name.endswith("_readable")
                else unread.clear().select("row", "value")
            )
        elif rule.key in details.columns:
            failing = details.filter(pl.col(rule.key) == "invalid")
            # A value that couldn't be read fails the rule `..._readable` only, not `..._present` as well.
            rows = failing.select("row", value=_shown(rule)).join(unread, on="row", how="anti")
        else:
            rows = unread.clear().select("row", "value")
        outcomes.append(Outcome(rule, table.where, table.rows, rows.height))
        found.append(_failing_rows(table.where, rule, rows, f"The row has {rule.failure}."))
    return outcomes, pl.concat(found)


def _failing_rows(where: str, rule: Check, rows: pl.DataFrame, reason: str) -> pl.DataFrame:
    return rows.sort("row").select(
        pl.lit(where).alias("table"),
        pl.col("row").cast(pl.UInt32),
        pl.lit(rule.name).alias("rule"),
        pl.lit(rule.layer).alias("layer"),
        pl.col("value").cast(pl.String),
        pl.lit(reason).alias("reason"),
    )


def _shown(rule: Check) -> pl.Expr:
    if len(rule.columns) == 1:
        return pl.col(rule.columns[0]).cast(pl.String)
    parts: list[pl.Expr] = []
    for place, name in enumerate(rule.columns):
        parts += [pl.lit(f"{', ' * (place > 0)}{name}="), pl.col(name).cast(pl.String).fill_null("(none)")]
    return pl.concat_str(parts)  # not pl.format, which fails on a filtered frame that has an empty chunk (Polars 2.1)


def _label_rate(users: Table, bounds: tuple[float, float]) -> tuple[Outcome, pl.DataFrame]:
    """Check the share of customers ever SUSPENDED. Outside the bounds all rows fail, listed as one failing row."""
    rule = next(rule for rule in checks_of("users", labelled=True) if rule.name == "label_rate_in_bounds")
    rate = ever_suspended(users.frame)["suspended"].mean()
    low, high = bounds
    inside = isinstance(rate, float) and low <= rate <= high
    shown = f"{rate:.4f}" if isinstance(rate, float) else "(no customer)"
    row = pl.DataFrame({"row": [None], "value": [shown]}, schema={"row": pl.UInt32, "value": pl.String})
    reason = f"The share of customers ever SUSPENDED is outside {low} to {high} (checks.label_rate)."
    rows = _failing_rows(users.where, rule, row.clear() if inside else row, reason)
    return Outcome(rule, users.where, users.rows, 0 if inside else users.rows), rows


def ever_suspended(users: pl.DataFrame) -> pl.DataFrame:
    """Return customer_id and `suspended`, which is true if any of the customer's rows says SUSPENDED."""
    return (
        users.filter(pl.col("customer_id").is_not_null())
        .group_by("customer_id")
        .agg(suspended=(pl.col("label") == "SUSPENDED").any())
        .sort("customer_id")
    )


def _dropped(failing: pl.DataFrame, table: Table) -> pl.Series:
    names = [rule.name for rule in checks_of(table.kind, labelled=True) if rule.drops]
    rows = failing.filter((pl.col("table") == table.where) & pl.col("rule").is_in(names))
    return rows["row"].unique().sort()


def _refuse_label(outcome: Outcome, examination: Examination) -> NoReturn:
    rows = examination.failing.filter(pl.col("rule") == outcome.rule.name)
    if outcome.rule.name == "label_present":
        raise LabelError(
            f"{outcome.where}: {outcome.failing} of {outcome.rows} rows have no label; "
            f"the first is row {rows['row'][0]}.",
            remedy="Write SUSPENDED or ACTIVE in each row, or leave out customers whose label isn't known.",
        )
    values = list_names(rows["value"].unique().sort().head(5))
    raise LabelError(
        f"{outcome.where}: {outcome.failing} of {outcome.rows} rows have an unknown label ({values}); "
        f"the first is row {rows['row'][0]}.",
        remedy="Labels are SUSPENDED and ACTIVE. Map other labels to them in a mapping (users.values.label).",
    )


def _refuse_one_class(users: Table) -> None:
    suspended = ever_suspended(users.frame)["suspended"]
    if len(suspended) == 1:
        raise EmptyTable(
            f"{users.where} has only 1 customer. Training needs suspended and other customers.",
            remedy="Write all labelled customers of the portfolio to this file.",
        )
    if suspended.all() or not suspended.any():
        raise LabelError(
            f"{users.where}: all {len(suspended)} customers are {'SUSPENDED' if suspended.any() else 'ACTIVE'}.",
            remedy="Training needs customers of both labels. Check the label column or its mapping.",
        )


def _refuse(outcome: Outcome, examination: Examination, limits: Checks) -> NoReturn:
    rule = outcome.rule
    rows = examination.failing.filter((pl.col("rule") == rule.name) & (pl.col("table") == outcome.where))
    row, value = rows["row"][0], rows["value"][0]
    if rule.name.endswith("_readable"):
        raise ColumnMismatch(
            f"{outcome.where}: {outcome.failing} of {outcome.rows} values of {rule.columns[0]} can't be read; the "
            f"first is {shortened(value)!r} in row {row}.",
            remedy=f"Make sure that {rule.sentence}. `customer-risk check --out FILE` lists every such row.",
        )
    place = f"; {'the value is' if row is None else f'the first is row {row}:'} {shortened(value, 200)}"
    raise RuleFailure(
        f"{outcome.where}: {outcome.failing} of {outcome.rows} rows ({outcome.share:.2%}, at most "
        f"{limits.max_failing_share:.2%} are allowed) have {rule.failure} ({rule.name}{place}).",
        remedy="Correct or map the values (`customer-risk check --out FILE` lists the rows), or raise "
        "checks.max_failing_share.",
    )
