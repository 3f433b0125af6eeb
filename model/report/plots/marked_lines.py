"""Draws vertical lines with titles above the axes, on several levels so that titles don't overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from customer_risk.model.report.plots.canvas import MUTED

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIZE: Final = 8.5  # points
_WIDTH: Final = 0.64 * _SIZE / 72  # inches: upper bound for the mean width of a character
_SPACE: Final = 0.08  # inches between titles
_MARGINS: Final = 1.4  # inches of the figure's width outside of the axes


def mark_lines(axes: Sequence[Any], marks: Sequence[tuple[float, str]], *, width: float = 0.0) -> None:
    """Draw dashed lines at (place, title) across the axes, with the titles above the first of them.

    `axes` share the horizontal axis, whose limits must be set. A mark at the lower limit has a title without a line. A
    mark beyond the limits is left out. `width` is the width of the axes in inches; 0 means that of the figure less a
    margin. A title is right of its line, or left of the line if it would not fit inside the axes.
    """
    upper = axes[0]
    low, high = upper.get_xlim()
    inches = width or max(upper.figure.get_size_inches()[0] - _MARGINS, 1.0)
    ends: list[list[tuple[float, float]]] = []
    for place, title in sorted(marks):
        if not low <= place <= high:
            continue
        for each in axes if place > low else ():
            each.axvline(place, color=MUTED, linestyle="--", linewidth=1)
        at = (place - low) / ((high - low) or 1.0) * inches
        size = _WIDTH * len(title)
        left = at + size > inches
        span = (at - size - _SPACE, at + _SPACE) if left else (at - _SPACE, at + size + _SPACE)
        level = next(
            (n for n, taken in enumerate(ends) if all(span[1] <= a or b <= span[0] for a, b in taken)), len(ends)
        )
        if level == len(ends):
            ends.append([])
        ends[level].append(span)
        upper.annotate(
            title,
            (place, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(-2 if left else 2, 3 + 1.45 * _SIZE * level),
            textcoords="offset points",
            ha="right" if left else "left",
            va="bottom",
            fontsize=_SIZE,
            color=MUTED,
        )
