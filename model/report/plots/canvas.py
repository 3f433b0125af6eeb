"""Draws plots with one style, colours for colour-blind readers, and reproducible bytes."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

from customer_risk.model.report.numbers import middle_of

if TYPE_CHECKING:
    from customer_risk.model.evaluation.fairness import Share
    from customer_risk.model.evaluation.results import Interval
    from customer_risk.model.report.blocks import Picture

# The palette of Okabe & Ito, which colour-blind readers can distinguish.
ACTIVE: Final = "#0072B2"
SUSPENDED: Final = "#D55E00"
THIRD: Final = "#009E73"
FOURTH: Final = "#CC79A7"
AMBER: Final = "#E69F00"
INK: Final = "#1f2933"
MUTED: Final = "#6b7785"
RULE: Final = "#d5dbe1"

LOW_TO_HIGH: Final = {"low": THIRD, "medium": AMBER, "high": SUSPENDED}

_STYLE: Final = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same glyphs on every machine
    "font.size": 10,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "path.simplify_threshold": 0.2,
    "svg.fonttype": "path",
    "svg.hashsalt": "customer-risk",  # element ids would be random otherwise
    "text.color": INK,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 9,
}
PER_INCH: Final = 96  # pixels on a screen


def drawn(picture: Picture) -> str:
    """Return a picture as a data URI; the same picture gives the same text."""
    content = io.BytesIO()
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=picture.size, layout="constrained")
        picture.draw(figure)
        if picture.pixels:
            figure.savefig(content, format="png", dpi=2 * PER_INCH, metadata={"Software": None})
        else:
            figure.savefig(content, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    kind = "png" if picture.pixels else "svg+xml"
    return f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode('ascii')}"


def error_bar(
    axes: Any, place: float, interval: Interval | Share, *, horizontal: bool = False, scale: float = 1.0, **style: Any
) -> None:
    """Draw an estimate with its interval, if it is computable; `style` is that of Matplotlib's `errorbar`."""
    middle = middle_of(interval)
    if middle is None:
        return
    below = 0.0 if interval.low is None else max(middle - interval.low, 0.0)
    above = 0.0 if interval.high is None else max(interval.high - middle, 0.0)
    lengths = [[scale * below], [scale * above]]
    if horizontal:
        axes.errorbar(scale * middle, place, xerr=lengths, **style)
    else:
        axes.errorbar(place, scale * middle, yerr=lengths, **style)
