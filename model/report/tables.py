"""Tables that several sections use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from customer_risk.model.evaluation.results import LOWER_IS_BETTER, METRICS
from customer_risk.model.report.blocks import Cell, Column, Note, Table, figures, fold, rows_of, words
from customer_risk.model.report.numbers import cell, count, covers_zero, difference_span, digits_for, written

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from customer_risk.model.evaluation.results import Arm, CohortRow, Contender, Interval, Measurement, RunResults
    from customer_risk.model.report.blocks import Block

CORE = ("average_precision", "roc_auc", "brier", "calibration_error", "f1", "precision", "recall")
DIFFERENCES = (
    "Differences whose interval excludes 0 are in bold. For Brier score and calibration error, less than 0 is better."
)
INTERVALS = "The second line of a cell is the {confidence:.0%} interval. {method}"


def interval_note(results: RunResults) -> str:
    """Return how estimates and intervals were computed."""
    return f"{INTERVALS.format(confidence=results.confidence, method=results.interval_method)} {results.point_method}"


def metric_cell(metrics: Mapping[str, Interval], metric: str, why: str = "", *, strong: bool = False) -> Cell:
    """Return a cell with one metric, with three decimals if good values are near 0."""
    return cell(metrics.get(metric), digits=3 if metric in LOWER_IS_BETTER else 2, why=why, strong=strong)


def compared(
    caption: str, sides: Sequence[Arm | Contender], *, metrics: Sequence[str] = tuple(METRICS), note: str = ""
) -> Table:
    """Return a table with one column per side and one row per metric; the first side is the shipped one."""
    same = len({side.note for side in sides}) == 1
    notes = [sides[0].note] if same else [f"{side.title}: {side.note}" for side in sides if side.note]
    return Table(
        caption,
        (*words("Metric"), *figures(*(side.title for side in sides))),
        rows_of(
            (
                Cell(METRICS.get(metric, metric), "lower is better" if metric in LOWER_IS_BETTER else ""),
                *(metric_cell(side.metrics, metric, side.note, strong=side is sides[0]) for side in sides),
            )
            for metric in metrics
            if any(metric in side.metrics for side in sides)
        ),
        " ".join([note, *notes]).strip(),
    )


def measured(measurement: Measurement) -> tuple[Block, ...]:
    """Show a measurement: the alternatives, their paired differences, and the choice."""
    shipped, others = measurement.arms[0], measurement.arms[1:]
    paired = [
        (metric, [measurement.differences.get(arm.key, {}).get(metric) for arm in others])
        for metric in METRICS
        if any(metric in measurement.differences.get(arm.key, {}) for arm in others)
    ]
    present = [metric for metric in METRICS if any(metric in arm.metrics for arm in measurement.arms)]
    few = [metric for metric in present if metric in CORE]
    further = [metric for metric in present if metric not in CORE]
    blocks: list[Block] = [compared(measurement.question, measurement.arms, metrics=few)]
    if paired:
        blocks.append(
            Table(
                f"Paired differences: each alternative minus {shipped.title}",
                (*words("Metric"), *figures(*(arm.title for arm in others))),
                rows_of(
                    (METRICS[metric], *(difference_cell(each) for each in differences))
                    for metric, differences in paired
                ),
                DIFFERENCES,
            )
        )
    else:
        blocks.append(absent("Differences", "the run has no paired differences for this measurement."))
    blocks.append(Note("Choice", measurement.conclusion))
    if further:
        table = compared(f"{measurement.question} Further metrics", measurement.arms, metrics=further)
        blocks.append(fold("Further metrics", table))
    return tuple(blocks)


def difference_cell(difference: Interval | None) -> Cell:
    """Return a paired difference with enough digits to show its sign, in bold if its interval excludes 0."""
    if difference is None or difference.estimate is None:
        return cell(difference)
    bounds = difference_span(difference, digits=3)
    return Cell(
        written(difference.estimate, digits=digits_for(difference, 3)), bounds, strong=not covers_zero(difference)
    )


def cohort_table(caption: str, period: str, rows: Sequence[CohortRow]) -> Table:
    """Return a table of customers and suspended customers by joining period."""
    return Table(
        caption,
        (Column(period, numeric=False), Column("Customers"), Column("Suspended"), Column("Suspended share")),
        rows_of(
            (each.period, count(each.customers), count(each.suspended), cell(each.rate, "percent", digits=0))
            for each in rows
        ),
    )


def costs_badge(results: RunResults) -> str:
    """Return the badge for amounts that follow from default costs; "" if the costs are confirmed."""
    return "Default costs, not confirmed" if results.decisions.unconfirmed else ""


def absent(title: str, why: str) -> Note:
    """Return a note instead of a part of the report that couldn't be computed, with the reason."""
    return Note(title, f"Not computable: {why}")
