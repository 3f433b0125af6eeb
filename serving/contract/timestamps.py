"""Times of the wire as microseconds since 1970: read all at once, or one by one if their form is unusual."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from customer_risk.model.features.encoded import NEVER
from customer_risk.model.scoring.compiled import compiled
from customer_risk.serving.contract.request import EARLIEST, LATEST, Timestamp

if TYPE_CHECKING:
    from numpy.typing import NDArray

_UNREAD: Final = NEVER + 1  # a text that the compiled reader leaves to Timestamp.parse
_ASTRAY: Final = -1
_NO_OFFSET: Final = 10_000  # minutes
_NULL: Final = "-"
_LINE_FEED, _SPACE, _PLUS, _HYPHEN, _POINT, _COLON, _T, _Z = 10, 32, 43, 45, 46, 58, 84, 90


def read_timestamps(created: Sequence[str], completed: Sequence[str | None]) -> NDArray[np.int64]:
    """Return the times of both columns, one after the other: int64[n + m], NEVER for null.

    Raises ValueError if one isn't a time with a zone. Each value equals that of `Timestamp.parse`: the compiled reader
    only reads the usual forms.
    """
    moments = np.empty(len(created) + len(completed), np.int64)
    # The wire's times are longer than `_NULL`.
    joined = "\n".join((*created, *[text or _NULL for text in completed], ""))
    unread = _read(np.frombuffer(joined.encode(), np.uint8), moments) if moments.size else 0
    if unread == _ASTRAY:
        return np.array([_slowly(text) for text in (*created, *completed)], np.int64)
    if unread:
        texts = (*created, *completed)
        for place in np.flatnonzero(moments == _UNREAD).tolist():
            moments[place] = _slowly(texts[place])
    return moments


def _slowly(text: str | None) -> int:
    return NEVER if text is None else Timestamp.parse(text)


@compiled
def _read(text: NDArray[np.uint8], out: NDArray[np.int64]) -> int:
    """Read texts that end in a line feed; return how many remain, _ASTRAY if their number isn't `out.size`."""
    begin, place, unread = np.uint64(0), np.uint64(0), 0
    size, places = np.uint64(text.size), np.uint64(out.size)
    for end in range(np.uint64(0), size):
        if text[end] != _LINE_FEED:
            continue
        if place == places:
            return _ASTRAY
        moment = _read_one(text[begin:end])
        out[place] = moment
        unread += moment == _UNREAD
        begin = end + np.uint64(1)
        place += np.uint64(1)
    return unread if place == places else _ASTRAY


@compiled
def _read_one(text: NDArray[np.uint8]) -> int:  # noqa: C901, PLR0911  one form, looked at from left to right
    """Read YYYY-MM-DD, T or a space, hh:mm:ss, at most six decimals, and Z, an offset or ` UTC`."""
    size = text.size
    if size == 1 and text[0] == _HYPHEN:
        return NEVER
    if size < 20 or size > 32:
        return _UNREAD
    if (
        (text[4] != _HYPHEN)
        | (text[7] != _HYPHEN)
        | ((text[10] != _T) & (text[10] != _SPACE))
        | (text[13] != _COLON)
        | (text[16] != _COLON)
    ):
        return _UNREAD
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
        return _UNREAD
    if day > 28 and day > _days_in(year, month):
        return _UNREAD
    at, micros = 19, 0
    if text[19] == _POINT:
        at, unit = 20, 1_000_000
        while unit > 1 and at < size and _digit(text[at]) < 10:
            unit //= 10
            micros += int(_digit(text[at])) * unit
            at += 1
        if at == 20:
            return _UNREAD
    if at == size - 1 and text[at] == _Z:
        offset = 0
    else:
        offset = _offset(text[at:])
        if offset == _NO_OFFSET:
            return _UNREAD
    seconds = ((_days(year, month, day) * 24 + hour) * 60 + minute - offset) * 60 + second
    moment = seconds * 1_000_000 + micros
    return moment if EARLIEST <= moment < LATEST else _UNREAD


@compiled
def _offset(text: NDArray[np.uint8]) -> int:
    """Read ` UTC` or +hh:mm; return minutes east of UTC."""
    if text.size == 4 and text[0] == _SPACE and text[1] == 85 and text[2] == _T and text[3] == 67:
        return 0
    if text.size != 6 or (text[0] != _PLUS and text[0] != _HYPHEN) or text[3] != _COLON:
        return _NO_OFFSET
    hours, minutes = _two(text[1], text[2]), _two(text[4], text[5])
    if hours > 23 or minutes > 59:
        return _NO_OFFSET
    east = hours * 60 + minutes
    return east if text[0] == _PLUS else -east


@compiled
def _digit(char: np.uint8) -> np.uint8:
    """Return a digit's value, above 9 for any other character."""
    return np.uint8(char - np.uint8(48))


@compiled
def _two(tens: np.uint8, ones: np.uint8) -> int:
    """Return the number of two digits, above 99 if a character isn't a digit."""
    ten, one = int(_digit(tens)), int(_digit(ones))
    return ten * 10 + one if ten < 10 and one < 10 else 100_000


@compiled
def _days_in(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if (month == 4) | (month == 6) | (month == 9) | (month == 11) else 31


@compiled
def _days(year: int, month: int, day: int) -> int:
    """Count days since 1970: Howard Hinnant's days_from_civil, http://howardhinnant.github.io/date_algorithms.html."""
    year -= month <= 2
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
