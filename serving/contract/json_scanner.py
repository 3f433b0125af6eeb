"""Finds where the values of a JSON text begin and end, without decoding them.

Decoding a hostile text can take a hundred times its size in memory and hold Python's lock for seconds. The functions
here run without the lock and return at most `_CHUNK` spans at a time, so that the caller can stop at any bound. They
check only as much as they need to find the next value: decode each value to validate it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from customer_risk.model.scoring.compiled import compiled

# Every call releases Python's lock and takes it again. Many calls in quick succession starve other threads.
_CHUNK: Final = 4096
_MALFORMED: Final = 0
_QUOTE, _BACKSLASH, _COMMA, _COLON = 34, 92, 44, 58
_OPEN_LIST, _CLOSE_LIST, _OPEN_OBJECT, _CLOSE_OBJECT = 91, 93, 123, 125
_N, _I, _MINUS = 78, 73, 45
_NAN, _INFINITY, _MINUS_INFINITY = (np.array(list(word), np.uint8) for word in (b"NaN", b"Infinity", b"-Infinity"))
_decode_name: Final = msgspec.json.Decoder(str).decode


class Span(NamedTuple):
    """The index of a value's first byte, and the index after its last."""

    begin: int
    end: int


class NotJson(ValueError):
    """The text isn't JSON."""


def whole(text: bytes) -> Span:
    """Return the span of a text's only value; raises NotJson if more text follows it."""
    array = np.frombuffer(text, np.uint8)
    begin = _skip_space(array, 0)
    end = _skip_value(array, begin)
    if end == _MALFORMED or _skip_space(array, end) != array.size:
        raise NotJson
    return Span(begin, end)


def elements(text: bytes, within: Span) -> Iterator[NDArray[np.int64]]:
    """Yield the spans of the values in the list at `within`, in parts: int64[n, 2]; raises NotJson if it is no list."""
    for found in _walk(text, within, pairs=False):
        yield found[:, 2:]


def members(text: bytes, within: Span) -> Iterator[tuple[str, Span]]:
    """Yield the names and values of the object at `within`; raises NotJson if it isn't one."""
    for found in _walk(text, within, pairs=True):
        for begin, end, value, behind in found.tolist():
            name = text[begin:end]
            try:
                yield _decode_name(name), Span(value, behind)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise NotJson from error


def finite(text: bytes) -> bytes:
    """Return the text with strings of the same length in place of NaN and Infinity, which aren't JSON."""
    if b"NaN" not in text and b"Infinity" not in text:
        return text
    array = np.frombuffer(text, np.uint8).copy()
    _quote_constants(array)
    return array.tobytes()


def holds_more(text: bytes, most: int) -> bool:
    """Return whether a text has more than `most` values, counted at all levels of nesting."""
    return bool(_count(np.frombuffer(text, np.uint8), most) > most)


def _walk(text: bytes, within: Span, *, pairs: bool) -> Iterator[NDArray[np.int64]]:
    array = np.frombuffer(text, np.uint8)
    if text[within.begin] != (_OPEN_OBJECT if pairs else _OPEN_LIST):
        raise NotJson
    at, first = within.begin + 1, True
    while at > 0:
        found = np.empty((_CHUNK, 4), np.int64)
        places, at = _step(array, at, first, pairs, found)
        if at == _MALFORMED:
            raise NotJson
        if places:
            yield found[:places]
        first = False


@compiled
def _step(  # noqa: PLR0911  one return for each fault
    text: NDArray[np.uint8], at: int, first: bool, pairs: bool, found: NDArray[np.int64]
) -> tuple[int, int]:
    """Find the next members of a list or an object: the spans of their names and values in found int64[n, 4].

    Return how many were found, and the index to continue at: 0 if the text is malformed, below 0 at the end.
    """
    close = _CLOSE_OBJECT if pairs else _CLOSE_LIST
    places, size = 0, text.size
    at = _skip_space(text, at)
    if first and at < size and text[at] == close:
        return 0, -at
    while places < found.shape[0]:
        if pairs:
            end = _skip_value(text, at) if at < size and text[at] == _QUOTE else _MALFORMED
            if end == _MALFORMED:
                return places, _MALFORMED
            found[places, 0], found[places, 1] = at, end
            at = _skip_space(text, end)
            if at >= size or text[at] != _COLON:
                return places, _MALFORMED
            at = _skip_space(text, at + 1)
        end = _skip_value(text, at)
        if end == _MALFORMED:
            return places, _MALFORMED
        found[places, 2], found[places, 3] = at, end
        places += 1
        at = _skip_space(text, end)
        if at < size and text[at] == close:
            return places, -at
        if at >= size or text[at] != _COMMA:
            return places, _MALFORMED
        at = _skip_space(text, at + 1)
    return places, at


@compiled
def _skip_space(text: NDArray[np.uint8], at: int) -> int:
    while at < text.size and (text[at] == 32 or text[at] == 10 or text[at] == 13 or text[at] == 9):
        at += 1
    return at


@compiled
def _skip_string(text: NDArray[np.uint8], at: int) -> int:
    """Return the index after the string whose first quote is at `at`; 0 if it doesn't end."""
    at += 1
    while at < text.size:
        if text[at] == _QUOTE:
            return at + 1
        at += 2 if text[at] == _BACKSLASH else 1
    return _MALFORMED


@compiled
def _skip_value(text: NDArray[np.uint8], at: int) -> int:
    """Return the index after the value at `at`; 0 if there is no value, or it doesn't end."""
    if at >= text.size:
        return _MALFORMED
    if text[at] == _QUOTE:
        return _skip_string(text, at)
    if text[at] in (_OPEN_LIST, _OPEN_OBJECT):
        return _skip_nested(text, at)
    begin = at
    while at < text.size and not _ends_scalar(text[at]):
        at += 1
    return at if at > begin else _MALFORMED


@compiled
def _skip_nested(text: NDArray[np.uint8], at: int) -> int:
    """Return the index after the list or the object at `at`; 0 if it doesn't end."""
    depth = 0
    while at < text.size:
        if text[at] == _QUOTE:
            at = _skip_string(text, at)
            if at == _MALFORMED:
                return _MALFORMED
            continue
        if text[at] in (_OPEN_LIST, _OPEN_OBJECT):
            depth += 1
        elif text[at] in (_CLOSE_LIST, _CLOSE_OBJECT):
            depth -= 1
        at += 1
        if depth == 0:
            return at
    return _MALFORMED


@compiled
def _ends_scalar(char: int) -> bool:
    return char in (_COMMA, _CLOSE_LIST, _CLOSE_OBJECT, _COLON, _QUOTE, _OPEN_LIST, _OPEN_OBJECT) or char <= 32


@compiled
def _count(text: NDArray[np.uint8], most: int) -> int:
    """Count values by the beginnings of lists and objects, and by commas."""
    at, found = 0, 1
    while at < text.size and found <= most:
        char = text[at]
        if char == _QUOTE:
            at = _skip_string(text, at)
            if at == _MALFORMED:
                return found
            continue
        if char in (_COMMA, _OPEN_LIST, _OPEN_OBJECT):
            found += 1
        at += 1
    return found


@compiled
def _quote_constants(text: NDArray[np.uint8]) -> None:
    at = 0
    while at < text.size:
        if text[at] == _QUOTE:
            at = _skip_string(text, at)
            if at == _MALFORMED:
                return
        elif text[at] == _N or text[at] == _I or text[at] == _MINUS:
            end = at + 1
            while end < text.size and not _ends_scalar(text[end]):
                end += 1
            if _is(text[at:end], _NAN) or _is(text[at:end], _INFINITY) or _is(text[at:end], _MINUS_INFINITY):
                text[at], text[end - 1] = _QUOTE, _QUOTE
            at = end
        else:
            at += 1


@compiled
def _is(text: NDArray[np.uint8], word: NDArray[np.uint8]) -> bool:
    if text.size != word.size:
        return False
    for i in range(text.size):  # noqa: SIM110  compiled code takes no generators
        if text[i] != word[i]:
            return False
    return True
