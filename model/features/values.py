"""Values in words: a number with its unit, as a person writes it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Literal

Unit = Literal["count", "EUR", "share", "hours", "days", "years", "ratio", "yes/no", "nats"]

_MINUTE: Final = 60.0  # seconds
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
# From these values on, seconds, minutes or hours would be rounded to 60, 60 or 48.
_FROM_MINUTES: Final = 59.5
_FROM_HOURS: Final = 59.95 * _MINUTE
_FROM_DAYS: Final = 47.95 * _HOUR
_CENT: Final = 0.005  # less is rounded to EUR 0.00
_PERCENT: Final = 0.01
_MOST: Final = 1e300  # more would be infinitely many seconds, or percent
_MOST_NATS: Final = 700.0  # more would be infinitely many kinds


def formatted(value: float, unit: Unit) -> str:
    """Return a value with its unit for a person; NaN is 'not known'."""
    if value != value:  # noqa: PLR0124  NaN alone differs from itself; a call would cost more
        return "not known"
    return _WRITERS[unit](value if -_MOST < value < _MOST else math.copysign(_MOST, value))


def in_sentence(value: float, unit: Unit) -> str:
    """Return a known value as a part of a sentence, as in "none of the transactions"."""
    if value == 0 or value == 1:  # noqa: PLR1714  a tuple would cost more
        word = _WHOLE.get((unit, value))
        if word:
            return word
    return _WRITERS[unit](value if -_MOST < value < _MOST else math.copysign(_MOST, value))


def with_noun(count: float, noun: str) -> str:
    """Return a count of things: "no card payments", "1 card payment", "1,200 card payments"."""
    if count == 1:
        return f"1 {noun}"
    return f"{_number(count)} {noun}s" if count else f"no {noun}s"


def duration(seconds: float) -> str:
    """Return a length of time in the unit that fits it: "40 seconds", "6 minutes", "1 hour", "2.5 days"."""
    if 0 < seconds < 1:
        return "less than a second"
    if seconds < _FROM_MINUTES:
        return _of(round(seconds), "second")
    if seconds < _FROM_HOURS:
        return _of(seconds / _MINUTE, "minute")
    if seconds < _FROM_DAYS:
        return _of(seconds / _HOUR, "hour")
    return _of(seconds / _DAY, "day")


def _of(number: float, noun: str) -> str:
    text = _number(number)
    return f"1 {noun}" if text == "1" else f"{text} {noun}s"


def _number(value: float) -> str:
    """Return a number with at most one decimal."""
    return f"{value:,.0f}" if value % 1 == 0 else f"{value:,.1f}".removesuffix(".0")


def _euros(value: float) -> str:
    if -_CENT < value < _CENT and value:
        return "less than EUR 0.01"
    return f"EUR {value:,.2f}"


def _share(value: float) -> str:
    if 0 < value < _PERCENT:
        return "less than 1%"
    if 1 - _PERCENT < value < 1:
        return "more than 99%"
    return f"{value:.0%}"


_WHOLE: Final[dict[tuple[Unit, float], str]] = {("share", 0): "none", ("share", 1): "all", ("EUR", 0): "no money"}
_WRITERS: Final[dict[Unit, Callable[[float], str]]] = {
    "count": _number,
    "EUR": _euros,
    "share": _share,
    "hours": lambda hours: duration(hours * _HOUR),
    "days": lambda days: duration(days * _DAY),
    "years": lambda years: _of(math.floor(years), "year"),
    "ratio": "{:,.2f}".format,
    "yes/no": lambda value: "yes" if value else "no",
    "nats": lambda nats: _of(
        math.exp(min(nats, _MOST_NATS)), "kind"
    ),  # of an entropy: the number of equally common kinds that has it
}
