"""Section 3: what was done so that the model can't see the outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from customer_risk.model.report.blocks import Block, Bullets, Cell, Column, Paragraph, Section, Table
from customer_risk.model.report.numbers import count
from customer_risk.model.report.tables import absent

if TYPE_CHECKING:
    from customer_risk.model.evaluation.results import RunResults


def section(results: RunResults) -> Section:
    """Show the leak guard's checks, what each examined and what it found."""
    return Section(
        "leaks",
        "Leak guard",
        (
            Paragraph(
                "A leak lets the model see the outcome in disguise: it then shines in tests and fails in use. A "
                "suspended customer stops transacting because of the suspension, so anything that measures time "
                "against the data's end gives the answer away. The run refuses to go on where one of these checks "
                "fails; this report exists because all of them passed."
            ),
            _findings(results),
            *_allowed(results),
            Paragraph(
                "What no check can see: a feature that the bank's own staff changed by hand after the decision, "
                "without a date. Whoever knows the source systems must confirm that each table column is as it was "
                "before the decision."
            ),
        ),
    )


def _findings(results: RunResults) -> Block:
    if not results.leaks:
        return absent("Checks", "the run holds no findings of the leak guard.")
    return Table(
        "Checks of the leak guard",
        (Column("Check", numeric=False), Column("Examined"), Column("Result", numeric=False, wide=True)),
        tuple(
            (Cell(f"({found.check}) {found.title}"), Cell(count(found.examined)), Cell(found.result))
            for found in results.leaks
        ),
    )


def _allowed(results: RunResults) -> tuple[Block, ...]:
    allowed = [(feature, reason) for found in results.leaks for feature, reason in sorted(found.allowed.items())]
    if not allowed:
        return ()
    return (
        Paragraph("Allowed by the configuration, each for a stated reason:"),
        Bullets(tuple((f"{feature}:", reason) for feature, reason in allowed)),
    )
