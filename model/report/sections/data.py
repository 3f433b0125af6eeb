"""The section on the training data, with a count of every irregularity of the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from customer_risk.model.report.blocks import Block, Cell, Column, Heading, Paragraph, Section, Table, fold, rows_of
from customer_risk.model.report.numbers import count, counted, quantity, were, written
from customer_risk.model.report.plots import population
from customer_risk.model.report.tables import absent, cohort_table

if TYPE_CHECKING:
    from customer_risk.model.evaluation.results import RunResults


DIRECTIONS = {1: "raises", -1: "lowers", 0: "free"}


def section(results: RunResults) -> Section:
    """Show counts of customers, transactions and irregularities, and features and joining months by label."""
    data = results.data
    rate = data.suspended / data.customers if data.customers else None
    return Section(
        "data",
        "Data",
        (
            Paragraph(
                "Each customer is one case. A customer who was ever suspended counts as suspended; every other "
                f"customer counts as within the bank's appetite. {count(data.suspended)} of {counted(data.customers)} "
                f"{were(data.suspended)} suspended ({written(rate, 'percent')})."
            ),
            _counts(results),
            Heading("Irregularities of the tables"),
            Paragraph(
                "The table below counts each irregularity and says what was done about it. Every dropped row is "
                "counted."
            ),
            _traps(results),
            Heading("Customers by month of their first transaction"),
            *_months(results),
            Heading("Features by label"),
            *_distributions(results),
        ),
    )


def _counts(results: RunResults) -> Table:
    data = results.data
    excluded = ", ".join(results.excluded_types) or "none"
    rows = (
        ("Customers", count(data.customers), ""),
        ("Suspended", count(data.suspended), ""),
        ("Rows of transaction events", count(data.event_rows), "one row for each state of a transaction"),
        ("Transactions", count(data.transactions), f"one for each id; excluded types: {excluded}"),
        ("Customers without a transaction", count(data.without_transactions), "only their profile is known"),
        ("Transactions per customer, median", count(data.median_transactions), ""),
        ("Transactions per customer, most", count(data.greatest_transactions), ""),
        ("First event", data.first_event or "not computable", "" if data.first_event else "no dated event"),
        ("Last event", data.last_event or "not computable", "" if data.last_event else "no dated event"),
    )
    return Table(
        "Training data",
        (Column("What", numeric=False), Column("Count")),
        rows_of((Cell(what, below), counted) for what, counted, below in rows),
    )


def _traps(results: RunResults) -> Block:
    if not results.data.traps:
        return absent("Irregularities", "the run counted no irregularities.")
    return Table(
        "Irregularities, and what was done",
        (Column("What, and what was done", numeric=False, wide=True), Column("Count")),
        rows_of((Cell(trap.sentence, trap.key), count(trap.count)) for trap in results.data.traps),
        "The run checked for irregularities with a count of 0, and did not find them.",
    )


def _months(results: RunResults) -> tuple[Block, ...]:
    months = results.data.months
    if not months:
        return (absent("Joining months", "no customer has a dated first transaction."),)
    return (
        Paragraph(
            "Customers who joined late look safe because their accounts are young: risky customers among them haven't "
            "been suspended yet. Therefore features never use calendar time, and the section on performance also has "
            "metrics within each month."
        ),
        population.cohorts(
            months,
            name="joining-months",
            caption="Customers by month of their first transaction, and the suspended share with its interval.",
            period="Month of the first transaction",
        ),
        fold(
            "The same as a table, and by week",
            cohort_table("Customers by joining month", "Month", months),
            cohort_table("Customers by joining week", "Week", results.data.weeks),
        ),
    )


def _distributions(results: RunResults) -> tuple[Block, ...]:
    found = results.distributions
    if not found:
        return (absent("Features by label", "the run has no distributions."),)
    ordered = sorted(found, key=lambda each: (-(each.auc or 0.0), each.feature))
    return (
        population.distributions(results),
        fold(
            f"{_all(len(found))} with definitions",
            Table(
                "Features by label, ordered by how well they separate the labels",
                (
                    Column("Feature", numeric=False, wide=True),
                    Column("Unit", numeric=False),
                    Column("A greater value", numeric=False),
                    Column("Median, suspended"),
                    Column("Median, others"),
                    Column("Missing, suspended"),
                    Column("Missing, others"),
                    Column("AUC alone"),
                ),
                rows_of(
                    (
                        Cell(each.feature, each.formula),
                        each.unit,
                        DIRECTIONS[each.direction],
                        quantity(each.median_suspended),
                        quantity(each.median_active),
                        count(each.missing_suspended),
                        count(each.missing_active),
                        written(each.auc),
                    )
                    for each in ordered
                ),
                "A greater value: the direction in which it may change the risk in the model (free: both). AUC "
                "alone: how well this feature alone separates the labels; 0.50 is guessing.",
            ),
        ),
    )


def _all(number: int) -> str:
    return "The only feature," if number == 1 else f"All {number} features,"
