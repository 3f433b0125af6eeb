"""The plots of segments and of slices under one decision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from customer_risk.model.report.blocks import Picture
from customer_risk.model.report.numbers import count, counted, spoken, written
from customer_risk.model.report.plots.canvas import ACTIVE, INK, LOW_TO_HIGH, MUTED, error_bar

if TYPE_CHECKING:
    from customer_risk.model.evaluation.fairness import Fairness
    from customer_risk.model.evaluation.results import RunResults


def segments(results: RunResults) -> Picture:
    """Draw the number of customers of each segment and the suspended share."""
    rows = results.segments.rows

    def draw(figure: Any) -> None:
        left, right = figure.subplots(1, 2)
        names = [each.segment.capitalize() for each in rows]
        colors = [LOW_TO_HIGH.get(each.segment, MUTED) for each in rows]
        left.bar(names, [each.customers for each in rows], color=colors, width=0.6)
        for place, each in enumerate(rows):
            left.annotate(
                f"{count(each.customers)} ({written(each.share, 'percent', digits=0)})",
                (place, each.customers),
                xytext=(0, 3),
                textcoords="offset points",
                ha="center",
                fontsize=9,
            )
            if each.observed_rate.estimate is not None:
                right.bar(place, 100 * each.observed_rate.estimate, color=colors[place], width=0.6)
                error_bar(right, place, each.observed_rate, scale=100, color=INK, capsize=4, fmt="none")
        left.set_title("Customers")
        left.margins(y=0.12)
        right.set_title("Suspended, % of the segment")
        right.set_xticks(range(len(rows)), names)
        right.set_ylim(0, 100)
        for axes in (left, right):
            axes.grid(visible=False, axis="x")

    described = "; ".join(
        f"{each.segment}: {counted(each.customers)}, "
        f"{spoken(each.observed_rate, 'percent', digits=0)} of them suspended"
        for each in rows
    )
    return Picture(
        "segments",
        caption="Segments, out of fold: sizes, and observed shares of suspended customers with intervals.",
        alt=f"Segments. {described}.",
        size=(9.2, 3.3),
        draw=draw,
    )


def slices(fairness: Fairness, name: str) -> Picture:
    """Draw the flagged share and the true and false positive rates of every slice, with intervals."""
    rows = fairness.slices
    measures = (("Flagged", "flagged"), ("True positive rate", "caught"), ("False positive rate", "false_alarms"))

    def draw(figure: Any) -> None:
        for axes, (title, field) in zip(figure.subplots(1, 3, sharey=True), measures, strict=True):
            for place, each in enumerate(rows):
                share = getattr(each, field)
                if share.value is None:
                    axes.text(0.02, place, "not computable", fontsize=8, color=MUTED, va="center")
                    continue
                error_bar(axes, place, share, horizontal=True, fmt="o", color=ACTIVE, capsize=3, markersize=5)
            axes.set_title(title)
            axes.set_yticks(range(len(rows)), [f"{each.attribute}: {each.name}" for each in rows])
            axes.set_ylim(len(rows) - 0.5, -0.5)
            axes.set_xlim(-0.02, 1.02)
            axes.set_xticks([0, 0.5, 1], ["0%", "50%", "100%"])
            axes.grid(visible=False, axis="y")
            for place in range(1, len(rows)):
                if rows[place].attribute != rows[place - 1].attribute:
                    axes.axhline(place - 0.5, color=MUTED, linewidth=0.8)

    described = "; ".join(
        f"{each.attribute} {each.name}: flagged {spoken(each.flagged, 'percent', digits=0)}" for each in rows
    )
    return Picture(
        name,
        caption=f'Slices under the decision "{fairness.decision}", with intervals.',
        alt=f"Slices under the decision {fairness.decision}. {described}.",
        size=(9.6, 0.3 * len(rows) + 1.0),
        draw=draw,
    )
