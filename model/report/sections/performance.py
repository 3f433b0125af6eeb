"""The section on performance: overall, by joining month, and in time order."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from customer_risk.model.evaluation.results import METRICS
from customer_risk.model.report.blocks import (
    Block,
    Cell,
    Column,
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
from customer_risk.model.report.numbers import count, counted, listed, spoken, written
from customer_risk.model.report.plots import comparison, population, ranking
from customer_risk.model.report.tables import absent, cohort_table, measured, metric_cell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from customer_risk.model.evaluation.results import Interval, RunResults

STRATA = ("average_precision", "roc_auc", "brier", "calibration_error", "recall", "precision")
CLASS_MINIMUM = 10


def section(results: RunResults) -> Section:
    """Show metrics with intervals, curves, joining months, the effect of excluded types, and the time-ordered view."""
    return Section(
        "performance",
        "Performance",
        (
            Paragraph(
                "All figures are out of fold: they are measured on customers who were not in the training data. "
                "Selection, tuning and calibration are repeated inside each training fold. Accuracy, F1, precision and "
                "recall use the cut-off with the greatest F1 in the training folds; the section on costs has the "
                "figures of the shipped cut-offs."
            ),
            _metrics(results),
            ranking.roc(results),
            ranking.precision_recall(results),
            Heading("Would more customers help?"),
            *_learning(results),
            Heading("Within joining months"),
            *_strata(results),
            Heading("With and without events made by the bank"),
            Paragraph(
                "The bank itself makes events of some types, often when it closes an account: they are a trace of the "
                f"outcome. Types left out: {', '.join(results.excluded_types) or 'none'}. The table shows what they "
                "would add."
            ),
            *measured(results.excluded),
            Heading("In time order"),
            *_time(results),
        ),
    )


def _metrics(results: RunResults) -> Table:
    shipped = results.contenders[0]
    rows = []
    for metric, title in METRICS.items():
        values = [value for value in shipped.metrics_by_repeat.get(metric, ()) if value is not None]
        spread = f"{written(min(values), digits=3)} to {written(max(values), digits=3)}" if values else "not computable"
        rows.append((title, metric_cell(shipped.metrics, metric, shipped.note, strong=True), spread))
    return Table(
        f"{shipped.title}, out of fold",
        (Column("Metric", numeric=False), Column("Estimate and interval"), Column("Range over repeats")),
        rows_of(rows),
        f"The second line of a cell is the {results.confidence:.0%} interval; the note under the table of all methods "
        "says how it is made. The range over repeats shows how much the results depend on the split.",
    )


def _learning(results: RunResults) -> tuple[Block, ...]:
    points = results.learning_curve
    if not points:
        return (absent("Learning curve", "the run was not trained on smaller samples."),)
    rows = tuple(
        (
            count(round(point.customers)),
            count(round(point.suspended)),
            metric_cell(point.metrics, "average_precision"),
            metric_cell(point.metrics, "roc_auc"),
        )
        for point in points
    )
    first, last = (points[at].metrics.get("average_precision") for at in (0, -1))
    said = "This run doesn't show whether more customers would help."
    if first and last and first.estimate is not None and last.estimate is not None:
        apart = first.high is not None and last.low is not None and last.low > first.high
        said = (
            f"From {count(round(points[0].customers))} to {counted(round(points[-1].customers))}, average precision "
            f"{_course(first.estimate, last.estimate)}: {spoken(first)} at the start, {spoken(last)} at the end. "
            + (
                "The two intervals don't overlap."
                if apart
                else "The two intervals overlap, so the curve proves neither a rise nor a fall."
            )
        )
    return (
        Paragraph(said),
        comparison.learning(points),
        fold(
            "The same as a table",
            Table(
                "Learning curve",
                (Column("Customers"), Column("Suspended"), Column(METRICS["average_precision"]), Column("ROC-AUC")),
                rows_of(rows),
            ),
        ),
    )


def _course(first: float, last: float) -> str:
    """Return whether the written estimates rise, fall or stay the same."""
    if written(first) == written(last):
        return "stays the same"
    return "rises" if last > first else "falls"


def _strata(results: RunResults) -> tuple[Block, ...]:
    if not results.strata:
        return (absent("Joining months", "no customer has a dated first transaction."),)
    metrics = [metric for metric in STRATA if any(metric in each.metrics for each in results.strata)] or list(
        STRATA[:2]
    )
    return (
        Paragraph(
            "A model that only distinguished early from late customers would rank well overall, but within a month it "
            "would be no better than guessing. Within a month, guessing has a ROC-AUC of 0.50 and an average "
            "precision equal to the suspended share."
        ),
        Table(
            "The shipped procedure among customers who joined in the same month",
            (*words("Month"), *figures("Customers", "Suspended", *(METRICS[metric] for metric in metrics))),
            rows_of(
                (
                    Cell(each.period, each.note),
                    count(each.customers),
                    Cell(count(each.suspended), written(each.suspended / max(each.customers, 1), "percent", digits=0)),
                    *(metric_cell(each.metrics, metric) for metric in metrics),
                )
                for each in results.strata
            ),
        ),
        *_further("Further metrics by joining month", [(each.period, each.metrics) for each in results.strata]),
    )


def _further(caption: str, sides: Sequence[tuple[str, Mapping[str, Interval]]]) -> tuple[Block, ...]:
    """Return a fold with the metrics that are not in STRATA."""
    further = [m for m in METRICS if m not in STRATA and any(m in metrics for _, metrics in sides)]
    if not further:
        return ()
    table = Table(
        caption,
        (*words("Metric"), *figures(*(title for title, _ in sides))),
        rows_of((METRICS[m], *(metric_cell(metrics, m) for _, metrics in sides)) for m in further),
    )
    return (fold("Further metrics", table),)


def _time(results: RunResults) -> tuple[Block, ...]:
    view = results.time_view
    if not view.parts:
        return (absent("Time-ordered view", "no customer has a dated first transaction."), Paragraph(view.meaning))
    lacking = [part.part for part in view.parts[1:] if part.metrics is None]
    able = [part for part in view.parts if part.metrics]
    metrics = [metric for metric in STRATA if any(metric in (part.metrics or {}) for part in able)]
    parts = Table(
        "Split by first transaction, earliest first",
        (*words("Part", "From", "To"), *figures("Customers", "Suspended")),
        rows_of(
            (part.part, part.first or "-", part.last or "-", count(part.customers), count(part.suspended))
            for part in view.parts
        ),
        f"Each later part is scored by a model fitted to the earlier parts, if it has at least {CLASS_MINIMUM} "
        "suspended and "
        f"{CLASS_MINIMUM} other customers." + (f" Not computable for: {listed(lacking)}." if lacking else ""),
    )
    blocks: list[Block] = [parts]
    if metrics:
        blocks.append(
            Table(
                "Metrics of the parts that have enough customers of each kind",
                (*words("Metric"), *figures(*(part.part for part in able))),
                rows_of(
                    (METRICS[metric], *(metric_cell(part.metrics or {}, metric) for part in able)) for metric in metrics
                ),
            )
        )
    blocks += _further("Further metrics by part", [(part.part, part.metrics or {}) for part in able])
    blocks.append(Note("What this means", view.meaning))
    if view.weeks:
        begins = [(_week_of(part.first, [row.period for row in view.weeks]), part.part) for part in view.parts]
        blocks += [
            population.cohorts(
                view.weeks,
                name="joining-weeks",
                caption="Customers by week of their first transaction; dashed lines separate the parts of the "
                "time-ordered split.",
                period="Week of the first transaction",
                parts=[(week, title) for week, title in begins if week],
            ),
            fold("The same as a table", cohort_table("Customers by joining week", "Week", view.weeks)),
        ]
    return tuple(blocks)


def _week_of(day: str | None, periods: list[str]) -> str | None:
    """Return the ISO week of a day if it is shown, or the next shown week."""
    if day is None:
        return None
    year, week, _ = date.fromisoformat(day).isocalendar()
    return next((period for period in periods if period >= f"{year}-W{week:02d}" and "-W" in period), None)
