"""Where plots are drawn: one look, colours that stay apart for colour-blind readers, and repeatable bytes."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Final

import matplotlib as mpl
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from customer_risk.model.report.blocks import Picture

# Okabe & Ito's palette, which the common kinds of colour-blindness keep apart.
ACTIVE: Final = "#0072B2"
SUSPENDED: Final = "#D55E00"
THIRD: Final = "#009E73"
FOURTH: Final = "#CC79A7"
AMBER: Final = "#E69F00"
INK: Final = "#1f2933"
MUTED: Final = "#6b7785"
RULE: Final = "#d5dbe1"

LOW_TO_HIGH: Final = {"low": THIRD, "medium": AMBER, "high": SUSPENDED}

_LOOK: Final = {
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
    """Draw a picture as a data URI: the same text for the same picture."""
    held = io.BytesIO()
    with mpl.rc_context(_LOOK):
        figure = Figure(figsize=picture.size, layout="constrained")
        picture.draw(figure)
        if picture.pixels:
            figure.savefig(held, format="png", dpi=2 * PER_INCH, metadata={"Software": None})
        else:
            figure.savefig(held, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    kind = "png" if picture.pixels else "svg+xml"
    return f"data:image/{kind};base64,{base64.b64encode(held.getvalue()).decode('ascii')}"


def bounds(low: float | None, high: float | None, middle: float) -> tuple[float, float]:
    """Return an error bar's lengths below and above its middle; none where there is no interval."""
    return (0.0 if low is None else max(middle - low, 0.0), 0.0 if high is None else max(high - middle, 0.0))
