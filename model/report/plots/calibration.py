"""The calibration plot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from customer_risk.model.report.blocks import Picture
from customer_risk.model.report.numbers import span, written
from customer_risk.model.report.plots.canvas import ACTIVE, MUTED, SUSPENDED, error_bar

if TYPE_CHECKING:
    from customer_risk.model.evaluation.results import RunResults


def calibration(results: RunResults) -> Picture:
    """Draw observed shares against predicted probabilities, and below them the histogram of probabilities."""
    bins = [each for each in results.calibration_bins if each.observed.estimate is not None]
    labels = np.array(results.labels)
    probabilities = np.array(results.contenders[0].probabilities)

    def draw(figure: Any) -> None:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        upper.plot([0, 1], [0, 1], color=MUTED, linestyle=":", label="Exactly calibrated")
        for place, each in enumerate(bins):
            label = "Observed, with interval" if place == 0 else None
            error_bar(upper, each.predicted, each.observed, fmt="o", color=ACTIVE, capsize=3, label=label)
        upper.set(ylabel="Observed suspended share", xlim=(0, 1), ylim=(0, 1))
        upper.legend(loc="upper left")
        edges = np.linspace(0, 1, 31)
        for side, color, label in ((~labels, ACTIVE, "Within appetite"), (labels, SUSPENDED, "Suspended")):
            values = probabilities[:, side].ravel()
            lower.hist(
                values, edges, weights=np.full(values.size, 1 / len(probabilities)), color=color, alpha=0.6, label=label
            )
        lower.set(xlabel="Predicted probability (at the sample's risk rate)", ylabel="Customers")
        lower.legend(loc="upper right")

    described = "; ".join(
        f"predicted {written(each.predicted)}, observed {written(each.observed.estimate)} ({span(each.observed)})"
        for each in bins
    )
    return Picture(
        "calibration",
        caption="Calibration, out of fold: equal-count bins with intervals; below, the histogram of probabilities.",
        alt=f"Calibration by bin. {described}.",
        size=(6.6, 5.6),
        draw=draw,
    )
