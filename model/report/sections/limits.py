"""The section on assumptions and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from customer_risk.model.evaluation.fairness import wilson
from customer_risk.model.report.blocks import Block, Bullets, Heading, Paragraph, Section
from customer_risk.model.report.numbers import counted, span, written
from customer_risk.model.report.tables import absent

if TYPE_CHECKING:
    from customer_risk.model.evaluation.results import RunResults

ENOUGH_PER_VARIABLE = 10  # Peduzzi et al. 1996, for logistic regression; trees need at least as many
ASSUMPTIONS = (
    (
        "The label means risk.",
        (
            "A customer whom the bank suspended was risky; every other customer was within appetite. If the bank was "
            "wrong, the model learns the error."
        ),
    ),
    (
        "Customers are independent.",
        (
            "The tables don't say which accounts belong together. If some do, the true intervals are wider than those "
            "shown."
        ),
    ),
    (
        "The portfolio differs from the sample only in its rate.",
        "Risky customers behave alike in both, and so do the others. Only their shares differ.",
    ),
    (
        "The costs are right.",
        "They come from the configuration. Every amount of money in this report follows from them.",
    ),
    (
        "Behaviour stays the same.",
        "Customers who want to avoid detection learn what is checked. Monitor drift and train the model again.",
    ),
)


def section(results: RunResults) -> Section:
    """Show the assumptions, and the limits of the results."""
    return Section(
        "limits",
        "Assumptions and limits",
        (
            Heading("Assumptions"),
            Bullets(ASSUMPTIONS),
            Heading("Limits from the size of the sample"),
            Bullets(computed(results)),
            Heading("Other limits"),
            _stated(results),
            Paragraph("Read the interval before the estimate."),
        ),
    )


def computed(results: RunResults) -> tuple[tuple[str, str], ...]:
    """Return the limits that follow from the size of the sample."""
    data, features = results.data, len(results.features)
    half = wilson(data.suspended // 2, data.suspended, confidence=results.confidence)
    said = [
        (
            "Sample size.",
            (
                f"{counted(data.suspended, 'suspended customer')} of {counted(data.customers)}. A share of one half of "
                "the suspended customers (a recall of 50%, for example) has an interval of "
                f"{span(half, 'percent', digits=0)}, whatever the method."
            )
            if span(half)
            else "No customer was suspended, so nothing about risk can be learned.",
        )
    ]
    if features:
        per = data.suspended / features
        said.append(
            (
                "Events per variable.",
                f"{counted(data.suspended, 'suspended customer')} for {counted(features, 'feature')}: "
                f"{written(per, 'ratio')} per feature. "
                + (
                    f"That is below the {ENOUGH_PER_VARIABLE} recommended for a regression (Peduzzi et al. 1996), so "
                    "the estimates rely on regularisation, shallow trees and the average of several models."
                    if per < ENOUGH_PER_VARIABLE
                    else f"At least {ENOUGH_PER_VARIABLE} are recommended for a regression (Peduzzi et al. 1996)."
                ),
            )
        )
    if data.customers:
        silent = data.without_transactions / data.customers
        said.append(
            (
                "Customers without transactions.",
                (
                    f"{counted(data.without_transactions)} ({written(silent, 'percent', digits=0)}) "
                    f"{'has' if data.without_transactions == 1 else 'have'} no transaction: the model sees only the "
                    "profile."
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
                    f"{len(bad)} of {counted(len(later), 'later part')} of the time-ordered split can't be measured: "
                    "the part, or the parts before it, have too few customers of one label."
                ),
            )
        )
    return tuple(said)


def _stated(results: RunResults) -> Block:
    if not results.limits:
        return absent("Other limits", "the run has no list of limits.")
    return Bullets(tuple((f"{limit.title.rstrip('.')}.", limit.text) for limit in results.limits))
