"""The plots of contenders, of the learning curve and of the search for parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from customer_risk.model.evaluation.results import METRICS
from customer_risk.model.report.blocks import Picture
from customer_risk.model.report.numbers import counted, spoken, written
from customer_risk.model.report.plots.canvas import ACTIVE, MUTED, SUSPENDED, THIRD, error_bar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from customer_risk.model.evaluation.results import Contender, CurvePoint, RunResults, Trial

_SHOWN = ("average_precision", "roc_auc")


def contenders(results: RunResults) -> Picture:
    """Draw each contender's average precision and ROC-AUC with its interval."""
    rows = results.contenders

    def draw(figure: Any) -> None:
        for axes, metric in zip(figure.subplots(1, 2, sharey=True), _SHOWN, strict=True):
            for place, each in enumerate(rows):
                _whisker(axes, place, each, metric, ACTIVE if place == 0 else MUTED)
            axes.set_title(METRICS[metric])
            axes.set_yticks(range(len(rows)), [each.title for each in rows])
            axes.set_ylim(len(rows) - 0.5, -0.5)
            axes.grid(visible=False, axis="y")

    described = "; ".join(
        f"{each.title}: " + ", ".join(f"{METRICS[m]} {spoken(each.metrics[m])}" for m in _SHOWN if m in each.metrics)
        for each in rows
    )
    return Picture(
        "contenders",
        caption="All methods in the same folds: estimates and intervals.",
        alt=f"Intervals of the methods. {described}.",
        size=(9.2, 0.5 * len(rows) + 1.1),
        draw=draw,
    )


def learning(points: Sequence[CurvePoint]) -> Picture:
    """Draw average precision and ROC-AUC over the number of customers trained on."""

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for metric, color, marker in (("average_precision", ACTIVE, "o"), ("roc_auc", THIRD, "s")):
            known = [
                (point.customers, point.metrics[metric])
                for point in points
                if metric in point.metrics and point.metrics[metric].estimate is not None
            ]
            if not known:
                continue
            sizes = [size for size, _ in known]
            middle = np.array([each.estimate for _, each in known], dtype=float)
            low = [each.low if each.low is not None else each.estimate for _, each in known]
            high = [each.high if each.high is not None else each.estimate for _, each in known]
            axes.fill_between(sizes, low, high, color=color, alpha=0.15, linewidth=0)
            axes.plot(sizes, middle, marker=marker, color=color, label=METRICS[metric])
        axes.set(xlabel="Customers trained on", ylabel="Out of fold", ylim=(0, 1))
        if axes.has_data():
            axes.legend(loc="lower right")

    described = "; ".join(
        f"{counted(round(point.customers))}: average precision {spoken(point.metrics['average_precision'])}"
        for point in points
        if "average_precision" in point.metrics
    )
    return Picture(
        "learning-curve",
        caption="Learning curve: the same procedure trained on fewer customers.",
        alt=f"Learning curve. {described}.",
        size=(7.2, 3.8),
        draw=draw,
    )


def search(trials: Sequence[Trial], objective: str) -> Picture:
    """Draw each trial's value and the best value so far; pruned trials are marks on the axis."""
    done = [(trial.number, trial.value) for trial in trials if trial.value is not None]
    pruned = [trial.number for trial in trials if trial.value is None]
    best = np.maximum.accumulate([value for _, value in done]) if done else np.zeros(0)

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        if done:
            axes.plot(*zip(*done, strict=True), "o", color=ACTIVE, markersize=5, label="Trial")
            axes.step([number for number, _ in done], best, where="post", color=SUSPENDED, label="Best so far")
        if pruned:
            floor = axes.get_ylim()[0]
            axes.plot(pruned, [floor] * len(pruned), "|", color=MUTED, markersize=12, label="Stopped early")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set(xlabel="Trial", ylabel=objective if len(objective) < 40 else "Objective")
        if trials:
            axes.legend(loc="best")

    found = (
        f"the best of {counted(len(done), 'finished trial')} reached {written(float(best[-1]), digits=3)}"
        if done
        else "no trial finished"
    )
    return Picture(
        "search",
        caption="The search for parameters, trial by trial.",
        alt=f"Trials of the search: {found}, {counted(len(pruned), 'trial')} stopped early.",
        size=(7.2, 3.0),
        draw=draw,
    )


def _whisker(axes: Any, place: int, each: Contender, metric: str, color: str) -> None:
    interval = each.metrics.get(metric)
    if interval is None or interval.estimate is None:
        return
    error_bar(axes, place, interval, horizontal=True, fmt="o", color=color, capsize=3, markersize=7)
    axes.annotate(
        written(interval.estimate),
        (interval.estimate, place),
        xytext=(0, 7),
        textcoords="offset points",
        ha="center",
        fontsize=8.5,
    )
