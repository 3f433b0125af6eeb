"""The plots of global importance and of customers' contributions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from customer_risk.model.report.blocks import Picture
from customer_risk.model.report.numbers import counted, spoken, written
from customer_risk.model.report.plots.canvas import ACTIVE, FOURTH, MUTED, SUSPENDED, error_bar

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from customer_risk.model.evaluation.results import Importance, RunResults, ShapSample

MOST = 20


def importance(results: RunResults) -> Picture:
    """Draw mean absolute contributions beside the fall of average precision under permutation."""
    rows = ranked(results)[:MOST]
    names = [each.feature for each in rows]

    def draw(figure: Any) -> None:
        left, right = figure.subplots(1, 2, sharey=True)
        at = np.arange(len(rows))
        left.barh(at, [each.mean_abs_contribution for each in rows], color=ACTIVE, height=0.65)
        left.set(xlabel="Log-odds")
        left.set_title("Mean absolute contribution")
        left.set_yticks(at, names)
        left.set_ylim(len(rows) - 0.4, -0.6)
        for place, each in enumerate(rows):
            error_bar(right, place, each.permutation, horizontal=True, fmt="o", color=ACTIVE, capsize=2, markersize=5)
        right.axvline(0, color=MUTED, linewidth=1, linestyle=":")
        right.set(xlabel="Fall of average precision")
        right.set_title("Values shuffled among customers")
        for axes in (left, right):
            axes.grid(visible=False, axis="y")

    described = "; ".join(
        f"{each.feature}: contribution {written(each.mean_abs_contribution, digits=3)}, "
        f"fall of average precision {spoken(each.permutation, digits=3)}"
        for each in rows[:5]
    )
    return Picture(
        "importance",
        caption="Global importance, out of fold, by two measures; the right one has intervals.",
        alt=f"Importance of features. {described}.",
        size=(9.6, 0.27 * len(rows) + 1.2),
        draw=draw,
    )


def summary(sample: ShapSample) -> Picture:
    """Draw every sampled customer's contribution of each feature, coloured by the feature's value."""
    contributions = np.array(sample.contributions, dtype=float)
    values = np.array([[np.nan if value is None else value for value in row] for row in sample.values], dtype=float)
    order = np.argsort(-np.abs(contributions).mean(axis=0), kind="stable")[:MOST]
    names = [sample.features[place] for place in order]

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.axvline(0, color=MUTED, linewidth=1)
        marks = None
        for down, place in enumerate(order):
            across = contributions[:, place]
            aside = down + _spread(across)
            known = ~np.isnan(values[:, place])
            axes.scatter(across[~known], aside[~known], s=7, color="#b3bac2", linewidths=0)
            marks = axes.scatter(
                across[known],
                aside[known],
                s=8,
                c=_ranks(values[known, place]),
                cmap=_scale(),
                vmin=0,
                vmax=1,
                linewidths=0,
            )
        axes.set_yticks(range(len(order)), names)
        axes.set_ylim(len(order) - 0.4, -0.6)
        axes.set_xlabel("Contribution, log-odds: right of 0 raises the probability, left lowers it")
        axes.grid(visible=False, axis="y")
        if marks is not None:
            bar = figure.colorbar(marks, ax=axes, ticks=[0, 1], shrink=0.6, aspect=30)
            bar.ax.set_yticklabels(["low", "high"])
            bar.set_label("Feature's value (grey: missing)")

    described = ", ".join(names[:5])
    return Picture(
        "shap-summary",
        caption="SHAP summary, out of fold: one mark for each customer and feature.",
        alt=f"Contributions of each feature for {counted(len(contributions))}; the widest are those of {described}.",
        size=(9.2, 0.32 * len(order) + 1.2),
        draw=draw,
        pixels=True,
    )


def ranked(results: RunResults) -> list[Importance]:
    """Return features by mean absolute contribution, the greatest first."""
    return sorted(results.importance, key=lambda each: (-each.mean_abs_contribution, each.feature))


def _scale() -> Any:
    return LinearSegmentedColormap.from_list("value", [ACTIVE, FOURTH, SUSPENDED])


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks in [0, 1], so that one outlier doesn't take the whole colour scale; ties have the same rank."""
    unique, place = np.unique(values, return_inverse=True)
    scaled: NDArray[np.float64] = place / max(unique.size - 1, 1)
    return scaled


def _spread(across: NDArray[np.float64], bins: int = 80, most: float = 0.38) -> NDArray[np.float64]:
    """Return vertical offsets, at most `most` of a row, for marks that would cover each other."""
    low, high = float(across.min()), float(across.max())
    cell = np.floor((across - low) / ((high - low) or 1.0) * (bins - 1)).astype(int)
    aside = np.zeros(across.size)
    for each in np.unique(cell):
        inside = np.flatnonzero(cell == each)
        step = np.arange(inside.size)
        aside[inside] = (step + 1) // 2 * np.where(step % 2, 1, -1)
    reach = float(np.abs(aside).max())
    return aside * min(0.07, most / reach) if reach else aside
