"""Lengths of time in words."""

from __future__ import annotations

from typing import Final

MINUTE: Final = 60.0
HOUR: Final = 3600.0
DAY: Final = 86_400.0


def worded(seconds: float) -> str:
    """Return a length of time in the greatest unit that fits at least twice: seconds, minutes, hours or days."""
    for size, unit in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (1.0, "second")):
        count = round(seconds / size)
        if count >= 2 or (unit == "second" and count != 1):
            return f"{count:,} {unit}s"
    return "1 second"
