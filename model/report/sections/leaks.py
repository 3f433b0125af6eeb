"""The section on the leak guard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from customer_risk.model.report.blocks import Block, Bullets, Column, Paragraph, Section, Table, rows_of
from customer_risk.model.report.numbers import count
from customer_risk.model.report.tables import absent

if TYPE_CHECKING:
    from customer_risk.model.evaluation.results import RunResults


def section(results: RunResults) -> Section:
    """Show the checks of the leak guard and their results."""
    return Section(
        "leaks",
        "Leak guard",
        (
            Paragraph(
                "A leak is a feature that is known only because of the outcome. A model with a leak does well in tests "
                "and fails in use. For example, a suspended customer stops transacting because of the suspension, so "
                "the time from the last transaction to the end of the data reveals the label. A run stops if one of "
                "these checks fails. All of them passed here."
            ),
            _findings(results),
            *_allowed(results),
            Paragraph(
                "No check can find a value that the bank's staff changed by hand after the decision, without a date. "
                "A person who knows the source systems must confirm that the columns of the tables have the values "
                "from before the decision."
            ),
        ),
    )


def _findings(results: RunResults) -> Block:
    if not results.leaks:
        return absent("Checks", "the run has no findings of the leak guard.")
    return Table(
        "Checks of the leak guard",
        (Column("Check", numeric=False), Column("Examined"), Column("Result", numeric=False, wide=True)),
        rows_of((f"({found.check}) {found.title}", count(found.examined), found.result) for found in results.leaks),
    )


def _allowed(results: RunResults) -> tuple[Block, ...]:
    allowed = [(feature, reason) for found in results.leaks for feature, reason in sorted(found.allowed.items())]
    if not allowed:
        return ()
    return (
        Paragraph("Allowed by the configuration, each for a stated reason:"),
        Bullets(tuple((f"{feature}:", reason) for feature, reason in allowed)),
    )
