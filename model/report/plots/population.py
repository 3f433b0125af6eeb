"""The plots of features by label and of joining periods."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from customer_risk.model.report.blocks import Picture
from customer_risk.model.report.numbers import MINUS, quantity, written
from customer_risk.model.report.plots.canvas import ACTIVE, MUTED, SUSPENDED, error_bar
from customer_risk.model.report.plots.marked_lines import mark_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from customer_risk.model.evaluation.results import CohortRow, Distribution, RunResults

MOST = 12


def distributions(results: RunResults) -> Picture:
    """Draw the histograms, by label, of the most important features."""
    weight = {each.feature: each.mean_abs_contribution for each in results.importance}
    ranked = sorted(
        results.distributions, key=lambda each: (-weight.get(each.feature, 0.0), -(each.auc or 0.0), each.feature)
    )
    chosen = ranked[:MOST]
    across = min(3, len(chosen))
    down = ceil(len(chosen) / across)

    def draw(figure: Any) -> None:
        grid = figure.subplots(down, across, squeeze=False)
        for axes, each in zip(grid.flat, chosen, strict=False):
            _histogram(axes, each)
        for axes in list(grid.flat)[len(chosen) :]:
            axes.axis("off")
        handles, labels = grid[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2, fontsize=10)

    described = "; ".join(
        f"{each.feature}: median {quantity(each.median_suspended)} among the suspended, "
        f"{quantity(each.median_active)} among the others"
        for each in chosen[:4]
    )
    return Picture(
        "distributions",
        caption=(
            f"The {len(chosen)} most important features, as shares of each label's customers; n/a is the share of "
            "missing values."
        ),
        alt=f"Histograms by label. {described}.",
        size=(10.2, 2.35 * down + 0.4),
        draw=draw,
    )


def cohorts(
    rows: Sequence[CohortRow], *, name: str, caption: str, period: str, parts: Sequence[tuple[str, str]] = ()
) -> Picture:
    """Draw customers by joining period, and below them the suspended share with its interval.

    parts  (first period, title) of each part of the time-ordered split.
    """
    periods = [each.period for each in rows]
    at = np.arange(len(rows))

    def draw(figure: Any) -> None:
        figure.get_layout_engine().set(h_pad=0.1)  # otherwise the tick labels of both axes touch
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        risky = np.array([each.suspended for each in rows])
        upper.bar(at, [each.customers for each in rows] - risky, bottom=risky, color=ACTIVE, label="Within appetite")
        upper.bar(at, risky, color=SUSPENDED, label="Suspended")
        upper.set_ylabel("Customers")
        figure.legend(*upper.get_legend_handles_labels(), loc="outside upper right", ncols=2)
        for place, each in enumerate(rows):
            error_bar(lower, place, each.rate, scale=100, fmt="o", color=SUSPENDED, capsize=2)
        lower.set(ylabel="Suspended, %", ylim=(0, None), xlabel=period)
        many = len(periods) > 8
        lower.set_xticks(at, periods, rotation=45 if many else 0, ha="right" if many else "center")
        lower.set_xlim(-0.5, len(rows) - 0.5)
        edges = {
            periods.index(first) - 0.5: ", ".join(title for week, title in parts if week == first)
            for first in {week for week, _ in parts} & set(periods)
        }
        mark_lines([upper, lower], list(edges.items()))

    described = "; ".join(f"{each.period}: {each.suspended} of {each.customers} suspended" for each in rows)
    return Picture(name, caption=caption, alt=f"Customers by joining period. {described}.", size=(9.2, 4.4), draw=draw)


def _histogram(axes: Any, each: Distribution) -> None:
    """Draw bars of equal width for any scale of the edges, and a separate bar for missing values."""
    steps = np.arange(len(each.active))
    everyone = (sum(each.active) + each.missing_active, sum(each.suspended) + each.missing_suspended)
    sides = (
        (each.active, each.missing_active, everyone[0], ACTIVE, "Within appetite", -0.2),
        (each.suspended, each.missing_suspended, everyone[1], SUSPENDED, "Suspended", 0.2),
    )
    away = 1.14 * len(steps) + 0.5
    for counts, missing, of, color, label, aside in sides:
        shares = 100 * np.append(np.array(counts, dtype=float), missing) / max(of, 1)
        axes.bar(np.append(steps + 0.5, away) + aside, shares, width=0.4, color=color, label=label)
    some = sorted({0, len(steps) // 2, len(steps)})
    axes.set_xticks([*some, away], [*(_short(each.edges[place]) for place in some), "n/a"])
    axes.grid(visible=False, axis="x")
    unit = f" ({each.unit}{', log scale' if each.log_scale else ''})"
    axes.set_title(each.feature, pad=16)
    axes.annotate(
        f"{unit.strip(' ')}  AUC alone {written(each.auc)}" if each.auc is not None else unit.strip(" "),
        (0, 1.02),
        xycoords="axes fraction",
        fontsize=8,
        color=MUTED,
        va="bottom",
    )
    axes.set_ylabel("% of label", fontsize=8.5)


def _short(value: float) -> str:
    """Return a bin's edge as a short text; an edge near 0 is a rounding error of 0."""
    for size, letter in ((1e6, "m"), (1e3, "k")):
        if abs(value) >= 10 * size or (abs(value) >= size and float(value / size).is_integer()):
            return f"{value / size:.3g}{letter}".replace("-", MINUS)
    return quantity(0.0 if abs(value) < 1e-9 else value)
