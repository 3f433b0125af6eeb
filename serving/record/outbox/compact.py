"""Packs a record's numbers exactly: the features, and the customer that they were computed from.

    count of features, count of rows   4 bytes each, little-endian, like all numbers here
    kind of the customer               1 byte: `_NOTHING`, `_CUSTOMER` with its options, or `_AS_IT_IS`
    features                           one value for each
    the customer                       see `_put_all`

A value takes one byte if it is a whole number below 240 or missing, two to seven bytes if it is a multiple of 0.01, and
nine bytes otherwise. A column of whole numbers has a base, a unit (1, 1,000 or 1,000,000) and, for each row, as many
bytes as the greatest difference from the base needs. Stored records have this form: append kinds and codes, never
change one.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
import numba
import numpy as np
from numba import float64, int8, int32, int64, uint8
from numpy.typing import NDArray

from customer_risk.model.compilation import compile_kept
from customer_risk.model.features.compiled import compiled
from customer_risk.model.features.encoded import NEVER, Encoded

_HEADER: Final = 9
_NOTHING, _CUSTOMER, _AS_IT_IS = 0, 1, 2
_GROWING, _RELATIVE, _ONE_CODE = 4, 8, 16  # options of a customer: see `_put_all`

_WHOLE: Final = 240  # a tag below it is the value itself
_NAN, _MINUS_NAN, _FLOAT, _HUNDREDTHS, _MINUS_HUNDREDTHS = 240, 254, 241, 241, 247  # the last two: plus 1 to 6 bytes
_NAN_BITS: Final = 0x7FF8 << 48
_MINUS_NAN_BITS: Final = -8 << 48  # the NaN that x86 processors make
_MOST_HUNDREDTHS: Final = 1e12  # below it, hundredths fit into six bytes

_FAR: Final = 1 << 61  # the difference of two numbers within it fits into 64 bits
_VALUE_BYTES: Final = 9
_ROW_BYTES: Final = 4 * _VALUE_BYTES + 4  # at most: ids, two times, an amount, three codes and one bit
_COLUMN_BYTES: Final = 9  # before a column's rows
_FLAT_ROW_BYTES: Final = 4 + 3 * 8 + 3  # of a row in `record.pack`
_MOST_PROFILE_BYTES: Final = 4 + 4 * 255  # of the profile in `record.pack`, before the rows
_SLACK: Final = 8  # bytes after the end: numbers are written and read eight bytes at a time
_SCRATCH_BYTES: Final = 32_768  # of a thread's array; a larger record gets an array of its own
_DAMAGED: Final = -1

Function = TypeVar("Function", bound=Callable[..., Any])


def _entry(function: Function, signature: Any) -> Function:
    # Keeps the GIL: a call takes microseconds, but a thread that releases the GIL may wait 5 ms to get it back.
    return compile_kept(function, signature, error_model="numpy")


class Numbers(NamedTuple):
    """The unpacked numbers of a record, as bytes.

    features   the features as little-endian float64
    customer   as `record.pack` writes it, or the bytes that `pack_as_it_is` received; empty without a customer
    """

    features: bytes
    customer: bytes


class _Scratch(threading.local):
    """A thread's own array to write to: making an array for each call would take as long as filling it."""

    def __init__(self) -> None:
        self.array = np.empty(_SCRATCH_BYTES, np.uint8)
        self.view = memoryview(self.array)


_scratch: Final = _Scratch()


def pack(values: NDArray[np.float64], customer: Encoded | None) -> bytes:
    """Return as bytes the features float64[f] and the customer that they were computed from, if given."""
    return bytes(pack_briefly(values, customer))


def pack_briefly(values: NDArray[np.float64], customer: Encoded | None) -> memoryview:
    """Return the bytes of `pack`, in memory that the thread's next call overwrites."""
    size = _HEADER + _VALUE_BYTES * values.size + _SLACK
    if customer is not None:
        size += 1 + 5 * customer.profile.size + 3 * _COLUMN_BYTES + 1 + _ROW_BYTES * customer.ids.size
    out, view = _scratch.array, _scratch.view
    if size > _SCRATCH_BYTES:
        out = np.empty(size, np.uint8)
        view = memoryview(out)
    alone, whole = _packers()
    if customer is None:
        return view[: alone(values, out)]
    end = whole(
        values,
        customer.ids,
        customer.created,
        customer.completed,
        customer.amount,
        customer.state,
        customer.type,
        customer.direction,
        customer.profile,
        out,
    )
    return view[:end]


def pack_as_it_is(values: NDArray[np.float64], customer: bytes) -> bytes:
    """Return as bytes the features float64[f], and bytes that are not a customer of this install."""
    packed = bytearray(pack(values, None))
    packed[_HEADER - 1] = _AS_IT_IS
    return bytes(packed) + customer


def unpack(packed: bytes) -> Numbers:
    """Return the numbers that `pack` or `pack_as_it_is` wrote; raises msgspec.DecodeError for other bytes."""
    count, rows = (int.from_bytes(packed[at : at + 4], "little") for at in (0, 4))
    if len(packed) < _HEADER + count + rows:  # each takes a byte or more: don't allocate more rows
        raise msgspec.DecodeError("the record's numbers are damaged")
    data = np.frombuffer(packed + bytes(_SLACK), np.uint8)
    values = np.empty(count)
    customer = np.empty(len(packed) + _MOST_PROFILE_BYTES + _FLAT_ROW_BYTES * rows + _SLACK, np.uint8)
    size = _unpacker()(data, rows, values, customer)
    if size == _DAMAGED:
        raise msgspec.DecodeError("the record's numbers are damaged")
    return Numbers(values.tobytes(), customer[:size].tobytes())


def prepare() -> None:
    """Compile all functions, or load them from the disk."""
    no_codes = np.zeros(1, np.int8)
    some = np.zeros(1, np.int64)
    customer = Encoded(some, some, some, some, np.zeros(1), no_codes, no_codes, no_codes, np.zeros((1, 1), np.int32))
    for each in (None, customer):
        unpack(pack(np.zeros(1), each))


@functools.cache
def _packers() -> tuple[Callable[..., int], Callable[..., int]]:
    ints, floats, codes = (numba.types.Array(kind, 1, "C", readonly=True) for kind in (int64, float64, int8))
    profile = numba.types.Array(int32, 2, "C", readonly=True)
    columns = (ints, ints, ints, floats, codes, codes, codes, profile)
    return (_entry(_put_alone, int64(floats, uint8[::1])), _entry(_put_all, int64(floats, *columns, uint8[::1])))


@functools.cache
def _unpacker() -> Callable[..., int]:
    data = numba.types.Array(uint8, 1, "C", readonly=True)
    return _entry(_get_all, int64(data, int64, float64[::1], uint8[::1]))


def _put_alone(values: Any, out: Any) -> Any:
    """Write the header and values float64[f] to out uint8[...]; return where they end."""
    return _put_header(values, 0, _NOTHING, out)


def _put_all(
    values: Any,
    ids: Any,
    created: Any,
    completed: Any,
    amount: Any,
    state: Any,
    type_: Any,
    direction: Any,
    profile: Any,
    out: Any,
) -> Any:
    """Write the header, values float64[f] and a customer to out uint8[...]; return where they end.

    The customer has, in this order: its profile; the ids, unless they count from 0; the times of creation; the times of
    completion that aren't missing, as differences from the creation; the amounts; the codes, in one byte if they fit.
    """
    rows = ids.size
    kind = _CUSTOMER
    if _is_growing(ids):
        kind |= _GROWING
    if _are_near(created, completed):
        kind |= _RELATIVE
    if _fit_in_one(state, type_, direction):
        kind |= _ONE_CODE
    at = _put_header(values, rows, kind, out)
    at = _put_profile(profile, out, at)
    if not kind & _GROWING:
        at = _put_column(ids, rows, out, at)
    at = _put_column(created, rows, out, at)
    at = _put_waits(created, completed, out, at) if kind & _RELATIVE else _put_column(completed, rows, out, at)
    bits = amount.view(np.int64)
    for row in range(rows):
        at = _put_value(amount[row], bits[row], out, at)
    if kind & _ONE_CODE:
        for row in range(rows):
            out[at + row] = np.int64(state[row]) | np.int64(type_[row]) << 3 | np.int64(direction[row]) << 7
        return at + rows
    for row in range(rows):
        out[at + row] = np.int64(state[row]) & 255
        out[at + rows + row] = np.int64(type_[row]) & 255
        out[at + 2 * rows + row] = np.int64(direction[row]) & 255
    return at + 3 * rows


def _get_all(data: Any, rows: Any, values: Any, out: Any) -> Any:
    """Read values float64[f] of data uint8[...] and write the customer's bytes to out uint8[...].

    Return the number of the customer's bytes, or _DAMAGED.
    """
    size = data.size - _SLACK
    at = _get_floats(data, _HEADER, values)
    kind = np.int64(data[_HEADER - 1])
    if at == _DAMAGED:
        return _DAMAGED
    if kind == _AS_IT_IS:
        out[: size - at] = data[at:size]
        return size - at
    if kind & 3 != _CUSTOMER:
        return 0 if kind == _NOTHING and rows == 0 and at == size else _DAMAGED
    if at == size:
        return _DAMAGED
    profile = np.empty((1, np.int64(data[at])), np.int32)
    ids, created, completed = np.empty(rows, np.int64), np.empty(rows, np.int64), np.empty(rows, np.int64)
    amount = np.empty(rows, np.float64)
    codes = np.empty((3, rows), np.int8)
    if _get_customer(data, at, ids, created, completed, amount, codes[0], codes[1], codes[2], profile) != size:
        return _DAMAGED
    return _put_flat(profile, ids, (created, completed, amount.view(np.int64)), codes, out)


@compiled
def _get_customer(
    data: Any,
    at: Any,
    ids: Any,
    created: Any,
    completed: Any,
    amount: Any,
    state: Any,
    type_: Any,
    direction: Any,
    profile: Any,
) -> Any:
    """Read the customer that `_put_all` wrote at `at`; return where it ends, or _DAMAGED."""
    rows, kind = ids.size, data[_HEADER - 1]
    at = _get_profile(data, at + 1, profile)
    if kind & _GROWING:
        for row in range(rows):
            ids[row] = row
    else:
        at = _get_column(data, at, rows, ids)
    at = _get_column(data, at, rows, created)
    at = _get_waits(data, at, created, completed) if kind & _RELATIVE else _get_column(data, at, rows, completed)
    at = _get_floats(data, at, amount)
    if at == _DAMAGED or at + (rows if kind & _ONE_CODE else 3 * rows) > data.size - _SLACK:
        return _DAMAGED
    if kind & _ONE_CODE:
        for row in range(rows):
            code = data[at + row]
            state[row], type_[row], direction[row] = code & 7, code >> 3 & 15, code >> 7
        return at + rows
    for row in range(rows):
        state[row] = _signed(data[at + row])
        type_[row] = _signed(data[at + rows + row])
        direction[row] = _signed(data[at + 2 * rows + row])
    return at + 3 * rows


@compiled
def _put_header(values: NDArray[np.float64], rows: Any, kind: Any, out: NDArray[np.uint8]) -> Any:
    """Write the header and the features; return where they end."""
    _put_number(values.size, 4, out, 0)
    _put_number(rows, 4, out, 4)
    out[_HEADER - 1] = kind
    at, bits = _HEADER, values.view(np.int64)
    for place in range(values.size):
        at = _put_value(values[place], bits[place], out, at)
    return at


@compiled
def _put_number(number: Any, width: Any, out: NDArray[np.uint8], at: Any) -> Any:
    """Write `width` bytes of a number, and overwrite the rest of the eight bytes from `at` on; return where it ends.

    The indices are unsigned: the compiler can't write the eight bytes in one store if an index may be negative.
    """
    first = np.uint64(at)
    out[first] = number & 255
    out[first + np.uint64(1)] = number >> 8 & 255
    out[first + np.uint64(2)] = number >> 16 & 255
    out[first + np.uint64(3)] = number >> 24 & 255
    out[first + np.uint64(4)] = number >> 32 & 255
    out[first + np.uint64(5)] = number >> 40 & 255
    out[first + np.uint64(6)] = number >> 48 & 255
    out[first + np.uint64(7)] = number >> 56 & 255
    return at + width


@compiled
def _put_flat(profile: Any, ids: Any, wide: Any, codes: Any, out: NDArray[np.uint8]) -> Any:
    """Write a customer as `record.pack` does; return where it ends. `wide` has three columns, int64[row]."""
    rows = ids.size
    at = _put_number(rows, 4, out, 0)
    for place in range(profile.size):
        at = _put_number(np.int64(profile[0, place]), 4, out, at)
    for row in range(rows):
        at = _put_number(ids[row], 4, out, at)
    for column in wide:
        for row in range(rows):
            at = _put_number(column[row], 8, out, at)
    for code in range(3):
        for row in range(rows):
            out[at + row] = np.int64(codes[code, row]) & 255
        at += rows
    return at


@compiled
def _get_number(data: NDArray[np.uint8], at: Any, width: Any) -> Any:
    """Return the number of `width` bytes at `at`; the data must have eight bytes from there on."""
    first = np.uint64(at)
    number = (
        np.int64(data[first])
        | np.int64(data[first + np.uint64(1)]) << 8
        | np.int64(data[first + np.uint64(2)]) << 16
        | np.int64(data[first + np.uint64(3)]) << 24
        | np.int64(data[first + np.uint64(4)]) << 32
        | np.int64(data[first + np.uint64(5)]) << 40
        | np.int64(data[first + np.uint64(6)]) << 48
        | np.int64(data[first + np.uint64(7)]) << 56
    )
    return number if width == 8 else number & ((np.int64(1) << 8 * width) - 1)


@compiled
def _put_value(value: Any, bits: Any, out: NDArray[np.uint8], at: Any) -> Any:
    """Write a number, whose 64 bits are `bits`; return where it ends."""
    if bits in (_NAN_BITS, _MINUS_NAN_BITS):
        out[at] = _NAN if bits == _NAN_BITS else _MINUS_NAN
        return at + 1
    if abs(value) < _MOST_HUNDREDTHS and (value != 0 or bits == 0):  # not -0.0
        if 0 <= value < _WHOLE and value == np.floor(value):
            out[at] = np.int64(value)
            return at + 1
        hundredths = np.rint(value * 100)
        if hundredths / 100 == value:
            number = np.int64(abs(hundredths))
            width = _width(number)
            out[at] = (_HUNDREDTHS if value > 0 else _MINUS_HUNDREDTHS) + width
            return _put_number(number, width, out, at + 1)
    out[at] = _FLOAT
    return _put_number(bits, 8, out, at + 1)


@compiled
def _get_floats(data: NDArray[np.uint8], at: Any, values: NDArray[np.float64]) -> Any:
    if at == _DAMAGED:
        return _DAMAGED
    bits = values.view(np.int64)
    for place in range(values.size):
        if at >= data.size - _SLACK:
            return _DAMAGED
        tag = np.int64(data[at])
        at += 1
        if tag < _WHOLE:
            values[place] = tag
        elif tag == _NAN:
            bits[place] = _NAN_BITS
        elif tag == _MINUS_NAN:
            bits[place] = _MINUS_NAN_BITS
        else:
            width = 8 if tag == _FLOAT else tag - _HUNDREDTHS if tag <= _MINUS_HUNDREDTHS else tag - _MINUS_HUNDREDTHS
            if tag > _MINUS_HUNDREDTHS + 6 or at + width > data.size - _SLACK:
                return _DAMAGED
            number = _get_number(data, at, width)
            if tag == _FLOAT:
                bits[place] = number
            else:
                values[place] = (number if tag <= _MINUS_HUNDREDTHS else -number) / 100
            at += width
    return at


@compiled
def _width(number: Any) -> Any:
    """Return the number of bytes that a number of 0 or more needs."""
    width = 0
    for bits in (0, 8, 16, 24, 32, 40, 48, 56):
        width += number >> bits != 0
    return width


@compiled
def _put_profile(profile: NDArray[np.int32], out: NDArray[np.uint8], at: Any) -> Any:
    """Write a profile int32[1, p], seven bits a byte, the sign in the lowest bit; return where it ends."""
    out[at] = profile.size
    at += 1
    for place in range(profile.size):
        number = np.int64(profile[0, place])
        number = number << 1 if number >= 0 else ~(number << 1)
        while number > 127:
            out[at] = number & 127 | 128
            number >>= 7
            at += 1
        out[at] = number
        at += 1
    return at


@compiled
def _get_profile(data: NDArray[np.uint8], at: Any, profile: NDArray[np.int32]) -> Any:
    for place in range(profile.size):
        number, shift = np.int64(0), 0
        while True:
            if at >= data.size - _SLACK or shift > 28:
                return _DAMAGED
            byte = np.int64(data[at])
            number |= (byte & 127) << shift
            at += 1
            shift += 7
            if byte < 128:
                break
        if number >> 32:
            return _DAMAGED
        profile[0, place] = ~(number >> 1) if number & 1 else number >> 1
    return at


@compiled
def _is_growing(ids: NDArray[np.int64]) -> bool:
    for row in range(ids.size):  # noqa: SIM110  compiled code can't use generators
        if ids[row] != row:
            return False
    return True


@compiled
def _are_near(created: NDArray[np.int64], completed: NDArray[np.int64]) -> bool:
    """Return whether the difference between any two times fits into 64 bits; missing times are ignored."""
    for row in range(created.size):
        if not -_FAR < created[row] < _FAR or not (completed[row] == NEVER or -_FAR < completed[row] < _FAR):
            return False
    return True


@compiled
def _fit_in_one(state: NDArray[np.int8], type_: NDArray[np.int8], direction: NDArray[np.int8]) -> bool:
    for row in range(state.size):  # noqa: SIM110  compiled code can't use generators
        if not (0 <= state[row] < 8 and 0 <= type_[row] < 16 and 0 <= direction[row] < 2):
            return False
    return True


@compiled
def _put_column(column: NDArray[np.int64], rows: Any, out: NDArray[np.uint8], at: Any) -> Any:
    """Write `rows` whole numbers: width and unit in one byte, the base, the differences; return where they end."""
    low, high = np.int64(0), np.int64(0)
    if rows:
        low = high = column[0]
    for row in range(rows):
        low, high = min(low, column[row]), max(high, column[row])
    unit, power = np.int64(1), 0
    width = 8
    if low > -_FAR and high < _FAR:
        for larger in (1000, 1_000_000):
            if not _are_multiples(column, rows, low, larger):
                break
            unit, power = np.int64(larger), power + 1
        width = _width((high - low) // unit)
    if width == 8:
        low, power = np.int64(0), 0
    out[at] = width | power << 4
    at = _put_number(low, 8, out, at + 1)
    for row in range(rows):
        distance = column[row] - low
        # Constant divisors: dividing by a constant takes a tenth of the time of dividing by a variable.
        at = _put_number(
            distance if power == 0 else distance // 1000 if power == 1 else distance // 1_000_000, width, out, at
        )
    return at


@compiled
def _are_multiples(column: NDArray[np.int64], rows: Any, low: Any, unit: Any) -> bool:
    for row in range(rows):
        distance = column[row] - low
        if distance % 1000 if unit == 1000 else distance % 1_000_000:
            return False
    return True


@compiled
def _get_column(data: NDArray[np.uint8], at: Any, rows: Any, column: NDArray[np.int64]) -> Any:
    """Read the numbers that `_put_column` wrote; return where they end, or _DAMAGED."""
    if at == _DAMAGED or at + _COLUMN_BYTES > data.size - _SLACK:
        return _DAMAGED
    width, power = np.int64(data[at] & 15), np.int64(data[at] >> 4)
    if width > 8 or power > 2 or at + _COLUMN_BYTES + width * rows > data.size - _SLACK:
        return _DAMAGED
    low = _get_number(data, at + 1, 8)
    if (low or power) if width == 8 else not -_FAR < low < _FAR:
        return _DAMAGED
    at += _COLUMN_BYTES
    unit = np.int64(1 if power == 0 else 1000 if power == 1 else 1_000_000)
    for row in range(rows):
        distance = _get_number(data, at, width)
        if width < 8 and distance >= 2 * _FAR // unit:
            return _DAMAGED
        column[row] = low + distance * unit
        at += width
    return at


@compiled
def _put_waits(created: NDArray[np.int64], completed: NDArray[np.int64], out: NDArray[np.uint8], at: Any) -> Any:
    """Write a bit for each row, set if its completion is missing, then the waits from creation to completion."""
    rows, present = created.size, 0
    waits = np.empty(rows, np.int64)
    for byte in range((rows + 7) // 8):
        out[at + byte] = 0
    for row in range(rows):
        if completed[row] == NEVER:
            out[at + row // 8] |= np.uint8(1 << row % 8)
        else:
            waits[present] = completed[row] - created[row]
            present += 1
    return _put_column(waits, present, out, at + (rows + 7) // 8)


@compiled
def _get_waits(data: NDArray[np.uint8], at: Any, created: NDArray[np.int64], completed: NDArray[np.int64]) -> Any:
    rows, bits = created.size, at
    present: Any = 0
    if at == _DAMAGED or at + (rows + 7) // 8 > data.size - _SLACK:
        return _DAMAGED
    for row in range(rows):
        present += 1 - (np.int64(data[bits + row // 8]) >> row % 8 & 1)
    waits = np.empty(present, np.int64)
    at = _get_column(data, at + (rows + 7) // 8, present, waits)
    if at == _DAMAGED:
        return _DAMAGED
    present = 0
    for row in range(rows):
        if data[bits + row // 8] >> row % 8 & 1:
            completed[row] = NEVER
        elif not (-_FAR < created[row] < _FAR and -2 * _FAR < waits[present] < 2 * _FAR):
            return _DAMAGED
        else:
            completed[row] = created[row] + waits[present]
            present += 1
    return at


@compiled
def _signed(byte: Any) -> Any:
    number = np.int64(byte)
    return number - 256 if number > 127 else number
