"""Counts the fields of a gRPC message before it is parsed.

An empty tensor takes two bytes of a message, but seventy bytes once it is parsed. The parser holds Python's lock.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from customer_risk.model.scoring.compiled import compiled

_VARINT, _FIXED64, _BYTES, _GROUP, _END_OF_GROUP, _FIXED32 = range(6)
_END: Final = -1
# Field numbers of inference.ModelInferRequest, InferInputTensor and InferTensorContents.
_INPUTS, _OUTPUTS, _CONTENTS, _SHAPE, _LAST_OF_INTEGERS = 5, 6, 5, 3, 4


def holds_more(message: bytes, most: int) -> bool:
    """Return whether an inference request has more than `most` fields and integers, at all its levels."""
    return bool(_count_request(np.frombuffer(message, np.uint8), most) > most)


@compiled
def _read_varint(text: NDArray[np.uint8], at: int, end: int) -> tuple[int, int]:
    """Return a number and the index after it; _END if it doesn't end, or has more than 64 bits."""
    value, shift = 0, 0
    while at < end and shift < 64:
        value |= (int(text[at]) & 127) << shift
        at += 1
        if text[at - 1] < 128:
            return value, at
        shift += 7
    return 0, _END


@compiled
def _next_field(text: NDArray[np.uint8], at: int, end: int) -> tuple[int, int, int]:
    """Return a field's number, and where its content begins and ends; _END if it can't be read.

    A field without a length, such as an integer, has an empty content: it begins where it ends.
    """
    tag, at = _read_varint(text, at, end)
    if at == _END:
        return 0, _END, _END
    wire, number = tag & 7, tag >> 3
    if wire == _BYTES:
        length, at = _read_varint(text, at, end)
        if at == _END or length < 0 or length > end - at:
            return 0, _END, _END
        return number, at, at + length
    if wire == _VARINT:
        _, at = _read_varint(text, at, end)
    elif wire == _FIXED64:
        at += 8
    elif wire == _FIXED32:
        at += 4
    elif wire not in (_GROUP, _END_OF_GROUP):  # the fields of a group are counted like fields outside groups
        at = _END
    return number, at, at


@compiled
def _count_contents(text: NDArray[np.uint8], at: int, end: int) -> int:
    found = 0
    while at < end:
        number, begin, at = _next_field(text, at, end)
        if at == _END:
            return found
        found += 1 + (at - begin if number <= _LAST_OF_INTEGERS else 0)
    return found


@compiled
def _count_tensor(text: NDArray[np.uint8], at: int, end: int) -> int:
    found = 0
    while at < end:
        number, begin, at = _next_field(text, at, end)
        if at == _END:
            return found
        found += 1
        if number == _CONTENTS:
            found += _count_contents(text, begin, at)
        elif number == _SHAPE:
            found += at - begin
    return found


@compiled
def _count_request(text: NDArray[np.uint8], most: int) -> int:
    at, found, end = 0, 0, text.size
    while at < end and found <= most:
        number, begin, at = _next_field(text, at, end)
        if at == _END:
            return found
        found += 1
        if number in (_INPUTS, _OUTPUTS):
            found += _count_tensor(text, begin, at)
    return found
