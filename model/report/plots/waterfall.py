"""The plot of one score: the start value, each contribution, and the sum."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from customer_risk.model.report.blocks import Picture
from customer_risk.model.report.numbers import signed, written
from customer_risk.model.report.plots.canvas import ACTIVE, INK, MUTED, SUSPENDED
from customer_risk.model.report.plots.marked_lines import mark_lines

if TYPE_CHECKING:
    from customer_risk.model.evaluation.results import Example

_FAR = 8.0  # log-odds; a more distant cut-off would make the contributions too small to read


def waterfall(example: Example, medium: float, high: float) -> Picture:
    """Draw the example's contributions, each starting where the previous one ended, with the cut-offs."""
    steps = [(each.feature, each.contribution) for each in example.reasons] + [("all other features", example.others)]
    ends = example.base + np.cumsum([value for _, value in steps])
    starts = np.array([example.base, *ends[:-1]])
    names = ["start value", *(name for name, _ in steps), "sum"]

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        cuts = [(_log_odds(medium), f"Medium from {written(medium)}"), (_log_odds(high), f"High from {written(high)}")]
        spots = [example.base, *ends, *(cut for cut, _ in cuts if abs(cut) < _FAR)]
        low, top = min(spots), max(spots)
        reach = top - low or 1.0
        for place, value in ((0, example.base), (len(names) - 1, float(ends[-1]))):
            axes.plot(value, place, "o", color=INK, markersize=7)
            axes.annotate(
                signed(value), (value, place), xytext=(9, 0), textcoords="offset points", va="center", fontsize=9
            )
        for place, ((_, value), start, end) in enumerate(zip(steps, starts, ends, strict=True), 1):
            axes.barh(place, value, left=start, color=SUSPENDED if value > 0 else ACTIVE, height=0.6)
            axes.plot([start, start], [place - 1, place], color=MUTED, linewidth=0.8)
            axes.annotate(
                signed(value),
                (max(start, end), place),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
            )
        axes.plot([ends[-1]] * 2, [len(names) - 2, len(names) - 1], color=MUTED, linewidth=0.8)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlim(low - 0.05 * reach, top + 0.14 * reach)
        axes.set_xlabel("Log-odds: orange raises the risk, blue lowers it")
        axes.grid(visible=False, axis="y")
        mark_lines([axes], cuts, width=6.0)

    described = "; ".join(f"{name} {signed(value)}" for name, value in steps)
    return Picture(
        "waterfall",
        caption="How the made-up customer's score is computed. Dashed lines are the cut-offs.",
        alt=f"Start value in log-odds: {signed(example.base)}. Then {described}. The sum is {signed(float(ends[-1]))}, "
        f"a probability of {written(example.probability, digits=3)}.",
        size=(8.6, max(0.36 * len(names) + 1.3, 2.8)),
        draw=draw,
    )


def _log_odds(probability: float) -> float:
    inside = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(inside / (1 - inside))
