"""Reads texts as times, in microseconds since 1970 in UTC: for tables, requests and files alike.

A time is `YYYY-MM-DD`, `T`, `t` or a space, `hh:mm:ss`, decimals after a point, and a zone: `Z`, `z`, `+hh:mm`, `+hhmm`
or ` UTC`. It has at most LONGEST characters and lies between the years 1 and 9999 in UTC. Decimals beyond the sixth are
cut, not rounded: the result is the last microsecond at or before the time, before 1970 too. A second of 60 is refused.

Tables hold more forms, which only `read_column` reads: no zone, which is UTC, `+hh`, a space before any zone, and `UTC`
without one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from customer_risk.model.compilation import compile_kept
from customer_risk.model.features.encoded import NEVER

if TYPE_CHECKING:
    from numpy.typing import NDArray

EARLIEST: Final = -62_135_596_800_000_000  # the year 1 in UTC; an offset can lead out of it
LATEST: Final = 253_402_300_800_000_000  # the year 10,000
SHORTEST: Final = 20  # characters
LONGEST: Final = 64
UNREADABLE: Final = NEVER + 1
EXPECTED: Final = "a time with its zone, as in 2024-08-26T10:33:50.629801Z"
_ASTRAY: Final = -1
_NO_OFFSET: Final = 10_000  # minutes
_LINE_FEED, _SPACE, _PLUS, _HYPHEN, _POINT, _COLON, _T, _U, _Z, _LOWER_T, _LOWER_Z = (
    *(10, 32, 43, 45, 46, 58),
    *(84, 85, 90, 116, 122),
)
_compiled: Final = partial(compile_kept, nogil=True, error_model="numpy")


def read_timestamps(required: Sequence[str], nullable: Sequence[str | None] = ()) -> NDArray[np.int64]:
    """Return the times of both lists, one after the other: int64[n + m], NEVER for null.

    Raises ValueError if a text isn't a time with a zone.
    """
    texts = "\n".join((*required, *[text or "" for text in nullable], ""))
    moments = np.empty(len(required) + len(nullable), np.int64)
    if moments.size and _read(np.frombuffer(texts.encode(), np.uint8), moments, False):  # noqa: FBT003  compiled code takes no keywords
        raise ValueError(f"Expected {EXPECTED}")
    return moments


def read_column(texts: bytes, count: int) -> NDArray[np.int64]:
    """Return the times of a table's column: int64[n], UNREADABLE for a text that isn't a time, NEVER for an empty one.

    Each of the `count` texts ends in a line feed, and holds no other. Raises ValueError if there are more or fewer.
    """
    moments = np.empty(count, np.int64)
    if count and _read(np.frombuffer(texts, np.uint8), moments, True) == _ASTRAY:  # noqa: FBT003  compiled code takes no keywords
        raise ValueError(f"expected {count} texts")
    return moments


@_compiled
def _read(text: NDArray[np.uint8], out: NDArray[np.int64], loose: bool) -> int:
    """Read texts that end in a line feed; return how many can't be read, _ASTRAY if their number isn't `out.size`.

    `loose` accepts the forms of tables.
    """
    begin, place, unread = np.uint64(0), np.uint64(0), 0
    size, places = np.uint64(text.size), np.uint64(out.size)
    for end in range(np.uint64(0), size):
        if text[end] != _LINE_FEED:
            continue
        if place == places:
            return _ASTRAY
        moment = _read_one(text[begin:end], loose)
        out[place] = moment
        unread += moment == UNREADABLE
        begin = end + np.uint64(1)
        place += np.uint64(1)
    return unread if place == places else _ASTRAY


@_compiled
def _read_one(text: NDArray[np.uint8], loose: bool) -> int:  # noqa: C901, PLR0911, PLR0912  one form, looked at from left to right
    size = text.size
    if size == 0:
        return NEVER
    if size < 19 or size > LONGEST:
        return UNREADABLE
    if (
        (text[4] != _HYPHEN)
        | (text[7] != _HYPHEN)
        | ((text[10] != _T) & (text[10] != _SPACE) & (text[10] != _LOWER_T))
        | (text[13] != _COLON)
        | (text[16] != _COLON)
    ):
        return UNREADABLE
    # A character that isn't a digit makes its number too large for a month, a day or an hour.
    year = _two(text[0], text[1]) * 100 + _two(text[2], text[3])
    month, day = _two(text[5], text[6]), _two(text[8], text[9])
    hour, minute, second = _two(text[11], text[12]), _two(text[14], text[15]), _two(text[17], text[18])
    if (
        (year < 1)
        | (year > 9999)
        | (month < 1)
        | (month > 12)
        | (day < 1)
        | (hour > 23)
        | (minute > 59)
        | (second > 59)
    ):
        return UNREADABLE
    if day > 28 and day > _days_in(year, month):
        return UNREADABLE
    at, micros = 19, 0
    if size > 19 and text[19] == _POINT:
        at, unit = 20, 1_000_000
        while unit > 1 and at < size and _digit(text[at]) < 10:
            unit //= 10
            micros += int(_digit(text[at])) * unit
            at += 1
        if at == 20:
            return UNREADABLE
        while at < size and _digit(text[at]) < 10:  # cut
            at += 1
    if at == size - 1 and (text[at] == _Z or text[at] == _LOWER_Z):
        offset = 0
    elif at == size:
        offset = 0 if loose else _NO_OFFSET
    else:
        offset = _offset(text[at:], loose)
    if offset == _NO_OFFSET:
        return UNREADABLE
    seconds = ((_days(year, month, day) * 24 + hour) * 60 + minute - offset) * 60 + second
    moment = seconds * 1_000_000 + micros
    return moment if EARLIEST <= moment < LATEST else UNREADABLE


@_compiled
def _offset(text: NDArray[np.uint8], loose: bool) -> int:  # noqa: PLR0911  one return a form
    """Return the minutes east of UTC of a zone that isn't `Z` alone, _NO_OFFSET if it can't be read."""
    begin = 1 if text[0] == _SPACE else 0
    size = text.size - begin
    if size == 3 and text[begin] == _U and text[begin + 1] == _T and text[begin + 2] == 67:
        return 0 if begin == 1 or loose else _NO_OFFSET
    if begin == 1 and not loose:
        return _NO_OFFSET
    if size == 1 and (text[begin] == _Z or text[begin] == _LOWER_Z):
        return 0
    if size < 3 or (text[begin] != _PLUS and text[begin] != _HYPHEN):
        return _NO_OFFSET
    if not ((size == 6 and text[begin + 3] == _COLON) or size == 5 or (size == 3 and loose)):
        return _NO_OFFSET
    hours = _two(text[begin + 1], text[begin + 2])
    minutes = 0 if size == 3 else _two(text[text.size - 2], text[text.size - 1])
    if hours > 23 or minutes > 59:
        return _NO_OFFSET
    east = hours * 60 + minutes
    return east if text[begin] == _PLUS else -east


@_compiled
def _digit(char: np.uint8) -> np.uint8:
    """Return a digit's value, above 9 for any other character."""
    return np.uint8(char ^ np.uint8(48))  # without an overflow, of which Python would warn where nothing is compiled


@_compiled
def _two(tens: np.uint8, ones: np.uint8) -> int:
    """Return the number of two digits, above 99 if a character isn't a digit."""
    ten, one = int(_digit(tens)), int(_digit(ones))
    return ten * 10 + one if ten < 10 and one < 10 else 100_000


@_compiled
def _days_in(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if (month == 4) | (month == 6) | (month == 9) | (month == 11) else 31


@_compiled
def _days(year: int, month: int, day: int) -> int:
    """Count days since 1970: Howard Hinnant's days_from_civil, http://howardhinnant.github.io/date_algorithms.html."""
    year -= month <= 2
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
