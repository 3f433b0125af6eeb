"""The section on the segments Low, Medium and High."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from customer_risk.model.report.blocks import (
    Block,
    Cell,
    Column,
    Heading,
    Paragraph,
    Section,
    Table,
    figures,
    fold,
    rows_of,
    words,
)
from customer_risk.model.report.numbers import cell, count, quantity, spoken, written
from customer_risk.model.report.plots import groups
from customer_risk.model.report.tables import absent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from customer_risk.model.evaluation.results import RunResults, SegmentFeature

FIRST = 15
SEGMENT_ACTIONS = {
    "low": "no action",
    "medium": "an analyst reviews",
    "high": "off-boarding is proposed where a pattern is found; otherwise an analyst reviews",
}


def section(results: RunResults) -> Section:
    """Show the sizes, suspended shares and medians of the segments."""
    rows = results.segments.rows
    if not rows:
        return Section("segments", "Segments", (absent("Segments", "the run has no segments."),))
    return Section(
        "segments",
        "Segments",
        (
            Paragraph(_reading(results)),
            groups.segments(results),
            Table(
                "Segments, out of fold, means over repeats",
                (
                    Column("Segment", numeric=False),
                    Column("Action", numeric=False, wide=True),
                    *figures("From", "Customers", "Share", "Suspended", "Suspended share"),
                ),
                rows_of(
                    (
                        Cell(row.segment.capitalize(), strong=True),
                        SEGMENT_ACTIONS.get(row.segment, row.action),
                        written(row.lowest, digits=3),
                        count(row.customers),
                        written(row.share, "percent"),
                        count(row.suspended),
                        cell(row.observed_rate, "percent", digits=0),
                    )
                    for row in rows
                ),
            ),
            Heading("Medians of the features"),
            *_characters(results),
        ),
    )


def _reading(results: RunResults) -> str:
    rows = results.segments.rows
    known = [row for row in rows if row.observed_rate.estimate is not None]
    described = "; ".join(
        f"{row.segment.capitalize()} {spoken(row.observed_rate, 'percent', digits=0)}" for row in known
    )
    text = f"Observed share of suspended customers: {described}."
    rising = all((a.observed_rate.estimate or 0) < (b.observed_rate.estimate or 0) for a, b in pairwise(known))
    if len(known) < 2:
        return text
    apart = all(
        a.observed_rate.high is not None
        and b.observed_rate.low is not None
        and a.observed_rate.high < b.observed_rate.low
        for a, b in pairwise(known)
    )
    if not rising:
        return (
            text + " The shares don't rise from segment to segment: on these data, the segments don't order the risk."
        )
    if apart:
        return (
            text + " The shares rise from segment to segment, and the intervals of neighbouring segments don't overlap."
        )
    return text + " The shares rise from segment to segment, but the intervals of neighbouring segments overlap."


def _characters(results: RunResults) -> tuple[Block, ...]:
    if not results.segments.features:
        return (absent("Characteristics", "the run computed no medians by segment."),)
    weight = {each.feature: each.mean_abs_contribution for each in results.importance}
    ordered = sorted(results.segments.features, key=lambda each: -weight.get(each.feature, 0.0))
    first = _medians(results, "Medians by segment, the most important features first", ordered[:FIRST])
    if len(ordered) <= FIRST:
        return (first,)
    return first, fold("All other features", _medians(results, "Medians by segment, all others", ordered[FIRST:]))


def _medians(results: RunResults, caption: str, features: Sequence[SegmentFeature]) -> Table:
    segments = [row.segment for row in results.segments.rows]
    return Table(
        caption,
        (*words("Feature", "Unit"), *figures(*(each.capitalize() for each in segments))),
        rows_of(
            (each.feature, each.unit, *(_median(each.medians.get(segment)) for segment in segments))
            for each in features
        ),
        "A median of 0 means that at least half of the segment's customers have 0 or less.",
    )


def _median(value: float | None) -> Cell:
    return Cell(quantity(value), "for every customer" if value is None else "")
