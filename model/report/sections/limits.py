"""Section 11: what is assumed, and what these numbers can't show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from customer_risk.model.evaluation.fairness import wilson
from customer_risk.model.report.blocks import Block, Bullets, Heading, Paragraph, Section
from customer_risk.model.report.numbers import count, of_customers, span, written
from customer_risk.model.report.tables import absent

if TYPE_CHECKING:
    from customer_risk.model.evaluation.results import RunResults

ENOUGH_PER_VARIABLE = 10  # Peduzzi et al. 1996, for logistic regression; trees need no fewer
ASSUMPTIONS = (
    (
        "The label means risk.",
        (
            "A customer whom the bank suspended was risky, and one whom it didn't was within appetite. Where the bank "
            "erred, the model learns the error."
        ),
    ),
    (
        "Customers are independent.",
        "No household or ring of accounts is known to the tables; a ring would narrow the intervals.",
    ),
    (
        "The portfolio is like the sample, but for its rate.",
        "Risky customers behave alike in both, and so do the others; only their share differs.",
    ),
    ("The costs are right.", "They come from the configuration, and every amount of money here follows from them."),
    (
        "Behaviour stays.",
        "Whoever wants to pass learns what is looked at. Drift is to be watched, and the model trained again.",
    ),
)


def section(results: RunResults) -> Section:
    """State the assumptions, and the limits, computed where they can be."""
    return Section(
        "limits",
        "Assumptions and limits",
        (
            Heading("Assumptions"),
            Bullets(ASSUMPTIONS),
            Heading("Limits, computed"),
            Bullets(computed(results)),
            Heading("Limits that the run states"),
            _stated(results),
            Paragraph(
                "A figure is not made more certain by standing in a table: read the interval before the estimate."
            ),
        ),
    )


def computed(results: RunResults) -> tuple[tuple[str, str], ...]:
    """Work out what the sample's size allows."""
    data, features = results.data, len(results.features)
    half = wilson(data.suspended // 2, data.suspended, confidence=results.confidence)
    said = [
        (
            "Sample size.",
            (
                f"{of_customers(data.suspended, 'suspended customer')} in {count(data.customers)}. A share of half of "
                f"the suspended (a recall, say) has an interval of {span(half, 'percent', digits=0)}, whatever the "
                "method."
            )
            if span(half)
            else "No suspended customer: nothing about risk can be learnt.",
        )
    ]
    if features:
        per = data.suspended / features
        said.append(
            (
                "Events per variable.",
                f"{count(data.suspended)} suspended customers to {features} features: {written(per, 'ratio')} each. "
                + (
                    f"Below the {ENOUGH_PER_VARIABLE} that a regression would want (Peduzzi et al. 1996), so estimates "
                    "rest on regularisation, shallow trees and the averaging of many models."
                    if per < ENOUGH_PER_VARIABLE
                    else f"At or above the {ENOUGH_PER_VARIABLE} that a regression would want (Peduzzi et al. 1996)."
                ),
            )
        )
    if data.customers:
        silent = data.without_transactions / data.customers
        said.append(
            (
                "Silent customers.",
                (
                    f"{of_customers(data.without_transactions)} ({written(silent, 'percent', digits=0)}) have no "
                    "transaction: of them the model knows the profile alone."
                ),
            )
        )
    later = results.time_view.parts[1:]
    bad = [part for part in later if part.metrics is None]
    if bad:
        said.append(
            (
                "No test in time.",
                (
                    f"{len(bad)} of {len(later)} later parts of the time-ordered split hold or follow too "
                    "few of one kind to be measured."
                ),
            )
        )
    return tuple(said)


def _stated(results: RunResults) -> Block:
    if not results.limits:
        return absent("Stated limits", "the run states none.")
    return Bullets(tuple((f"{limit.title.rstrip('.')}.", limit.text) for limit in results.limits))
