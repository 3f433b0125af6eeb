"""The section on fairness by group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from customer_risk.model.report.blocks import (
    Block,
    Cell,
    Heading,
    Note,
    Paragraph,
    Section,
    Table,
    figures,
    fold,
    rows_of,
    words,
)
from customer_risk.model.report.numbers import count, counted, listed, share_cell, span, written
from customer_risk.model.report.plots import groups
from customer_risk.model.report.sections.summary import MEASURES, SURPRISING
from customer_risk.model.report.tables import absent

if TYPE_CHECKING:
    from customer_risk.model.evaluation.fairness import Fairness, Gap
    from customer_risk.model.evaluation.results import RunResults


def section(results: RunResults) -> Section:
    """Show each decision's rates by slice, the gaps between slices, and what they show."""
    blocks: list[Block] = [
        Paragraph(
            "This section compares groups by gender, residence and age. Gender is never a feature; residence and age "
            "are not features by default. Equal treatment has several measures: equal flagged shares (parity), and "
            "equal true and false positive rates (equalized odds). Where groups differ in observed risk, not all "
            "of these measures can be equal at once. The applicable law says which measure counts. In this section, "
            "High customers count as proposed for off-boarding, with or without a pattern."
        )
    ]
    if not results.fairness:
        blocks.append(absent("Fairness", "the tables have neither gender nor residence nor date of birth."))
    for at, each in enumerate(results.fairness):
        blocks += _decision(each, f"fairness-{at + 1}")
    return Section("fairness", "Fairness by group", tuple(blocks))


def _decision(fairness: Fairness, name: str) -> list[Block]:
    title = fairness.decision[:1].upper() + fairness.decision[1:]
    return [
        Heading(f"Decision: {title}"),
        groups.slices(fairness, name),
        Table(
            f"{title}: gaps between the slices of an attribute",
            (*words("Attribute", "Measure"), *figures("Gap", "By chance"), *words("Between", "Result")),
            rows_of(_gap(gap) for gap in fairness.gaps),
            f"Gap: the greatest share minus the least, of slices with {fairness.minimum} or more customers, with "
            "Newcombe's interval for the difference of those two. By chance: how often a gap at least as wide appears "
            "if the same flags are given to slices at random. The interval alone overstates a gap, because it "
            "compares the two most different slices. The column By chance takes that into account.",
        ),
        Note("Result", _reading(fairness)),
        fold(
            f"{title}: every slice with counts and intervals",
            Table(
                f"{title}: rates by slice",
                (
                    *words("Slice"),
                    *figures("Customers", "Suspended", "Mean probability", "Flagged (parity)"),
                    *figures("True positive rate", "False positive rate", "Precision"),
                ),
                rows_of(
                    (
                        Cell(each.name, each.attribute),
                        count(each.customers),
                        share_cell(each.suspended),
                        written(each.mean_probability),
                        share_cell(each.flagged),
                        share_cell(each.caught),
                        share_cell(each.false_alarms),
                        share_cell(each.precision),
                    )
                    for each in fairness.slices
                ),
                f"Intervals are Wilson's, at {fairness.confidence:.0%}.",
            ),
        ),
    ]


def _gap(gap: Gap) -> tuple[str | Cell, ...]:
    measure = MEASURES[gap.measure]
    if gap.value is None or gap.by_chance is None or gap.low is None or gap.high is None:
        return (
            gap.attribute,
            measure,
            Cell("not computable", gap.why or ""),
            "-",
            Cell("-", f"{counted(gap.slices, 'slice')} large enough"),
            "can't be judged",
        )
    surprising = gap.by_chance < SURPRISING
    return (
        gap.attribute,
        measure,
        Cell(written(gap.value, "percent", digits=0), _span(gap), surprising),
        "under 0.1%" if gap.by_chance < 0.001 else written(gap.by_chance, "percent"),
        Cell(f"higher in {gap.greatest} than in {gap.least}", f"of {counted(gap.slices, 'slice')}"),
        "unlikely by chance" if surprising else "likely by chance",
    )


def _span(gap: Gap) -> str:
    low, high = (written(bound, "percent", digits=0) for bound in (gap.low, gap.high))
    return f"{low} to {high}"


def _reading(fairness: Fairness) -> str:
    computed = [gap for gap in fairness.gaps if gap.by_chance is not None]
    lacking = len(fairness.gaps) - len(computed)
    if not computed:
        return (
            "No gap is computable: the slices have too few customers. These tables don't show whether treatment is "
            "equal."
        )
    wide = [gap for gap in computed if gap.by_chance is not None and gap.by_chance < SURPRISING]
    parts = []
    for gap in wide:
        observed = {each.name: each.suspended for each in fairness.slices if each.attribute == gap.attribute}
        text = f"In {gap.attribute}, {gap.greatest} has a greater {MEASURES[gap.measure]} than {gap.least}"
        if gap.measure == "equalized_odds":
            text = f"In {gap.attribute}, equalized odds fail between {gap.greatest} and {gap.least}"
        if gap.measure == "parity" and gap.greatest in observed and gap.least in observed:
            text += (
                f"; {written(observed[gap.greatest].value, 'percent', digits=0)} of the former and "
                f"{written(observed[gap.least].value, 'percent', digits=0)} of the latter were suspended"
                f" ({span(observed[gap.least], 'percent', digits=0)})"
            )
        parts.append(text + ".")
    if wide:
        parts.append(
            f"Of {counted(len(computed), 'gap')}, about {written(SURPRISING * len(computed), digits=2)} would be this "
            "wide by chance alone. The committee should decide whether the observed risk justifies the other gaps."
        )
    else:
        attributes = listed(sorted({gap.attribute for gap in computed}))
        parts.append(f"No gap by {attributes} is unlikely by chance. This doesn't prove equal treatment.")
    if lacking:
        parts.append(
            f"{lacking} of {counted(len(fairness.gaps), 'gap')} {'is' if lacking == 1 else 'are'} not computable."
        )
    return " ".join(parts)
