"""The plots of the ROC curve and of precision against recall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from customer_risk.model.report.blocks import Picture
from customer_risk.model.report.numbers import spoken, written
from customer_risk.model.report.plots import bands
from customer_risk.model.report.plots.canvas import ACTIVE, INK, MUTED, SUSPENDED, THIRD

if TYPE_CHECKING:
    from customer_risk.model.evaluation.results import RunResults, Strategy

_BASELINES = {"random_forest": (THIRD, "--"), "logistic_regression": (MUTED, "-.")}
_MARKS = {"segments": "D", "max_f1": "s", "recall": "^", "least_cost": "o"}


def roc(results: RunResults) -> Picture:
    """Draw the ROC curve with its interval, and the curves of the baselines."""
    metrics = results.contenders[0].metrics
    area = metrics.get("roc_auc_pooled", metrics.get("roc_auc"))

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        _curves(axes, results, bands.roc)
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=":", label="Guessing")
        axes.set(
            xlabel="False positive rate: flagged share of the customers within appetite",
            ylabel="True positive rate: flagged share of the suspended",
        )
        _square(axes)

    return Picture(
        "roc",
        caption="ROC curve, out of fold, all folds together, mean over repeats; the band is its interval.",
        alt=f"ROC curve of XGBoost and its baselines; XGBoost's area is {spoken(area) if area else 'not computable'}.",
        size=(8.4, 5.0),
        draw=draw,
    )


def precision_recall(results: RunResults) -> Picture:
    """Draw precision against recall with its interval, and the point of each strategy."""
    points = [each for each in results.decisions.strategies if _drawable(each)]
    base = sum(results.labels) / len(results.labels)

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        _curves(axes, results, bands.precision_recall)
        axes.axhline(base, color=MUTED, linewidth=1, linestyle=":", label=f"Guessing ({written(base)})")
        for each in points:
            axes.plot(
                each.recall.estimate,
                each.precision.estimate,
                marker=_MARKS.get(each.key, "P"),
                color=SUSPENDED,
                markeredgecolor=INK,
                markersize=9,
                linestyle="none",
                label=each.title + (" (shipped)" if each.shipped and "shipped" not in each.title else ""),
                zorder=5,
            )
        axes.set(
            xlabel="Recall: share of the suspended who are flagged", ylabel="Precision: suspended share of the flagged"
        )
        _square(axes)

    described = "; ".join(
        f"{each.title}: precision {written(each.precision.estimate)}, recall {written(each.recall.estimate)}"
        for each in points
    )
    return Picture(
        "precision-recall",
        caption="Precision against recall, out of fold, all folds together, with the strategies' points.",
        alt=f"Precision against recall; guessing has a precision of {written(base)}. {described}.",
        size=(8.4, 5.0),
        draw=draw,
    )


def _drawable(strategy: Strategy) -> bool:
    return strategy.precision.estimate is not None and strategy.recall.estimate is not None


def _curves(axes: Any, results: RunResults, curve: Any) -> None:
    labels = np.array(results.labels)
    for contender in results.contenders:
        probabilities = np.array(contender.probabilities)
        if contender.key == results.contenders[0].key:
            band = curve(labels, probabilities, confidence=results.confidence, seed=results.provenance.seed)
            axes.fill_between(bands.GRID, band.low, band.high, color=ACTIVE, alpha=0.16, linewidth=0)
            axes.plot(bands.GRID, band.middle, color=ACTIVE, linewidth=2.2, label=contender.title)
        elif contender.key in _BASELINES:
            color, style = _BASELINES[contender.key]
            band = curve(labels, probabilities, confidence=results.confidence, seed=results.provenance.seed)
            axes.plot(bands.GRID, band.middle, color=color, linestyle=style, linewidth=1.4, label=contender.title)


def _square(axes: Any) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal", anchor="W")
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0))
