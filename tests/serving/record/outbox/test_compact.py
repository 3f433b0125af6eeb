"""A record's numbers are packed into few bytes, and read back to the bit."""

from __future__ import annotations

import math
import threading

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customer_risk.model.features.encoded import NEVER, Encoded
from customer_risk.model.features.vocabulary import PROFILE
from customer_risk.serving.record.outbox import compact
from customer_risk.serving.record.outbox.record import pack

MINUS_NAN = np.array([-8 << 48], np.int64).view(np.float64).item()
ODD_NAN = np.array([(0x7FF8 << 48) + 1], np.int64).view(np.float64).item()
SPECIAL = (0.0, -0.0, math.nan, MINUS_NAN, ODD_NAN, math.inf, -math.inf, 5e-324, 1.7976931348623157e308, -1e-300)
NUMBERS = (
    239.0,
    240.0,
    -1.0,
    0.01,
    -0.01,
    0.1 + 0.2,
    1 / 3,
    1e12,
    -1e12,
    1e12 - 0.01,
    2.0**53,
    -(2.0**53),
    2.55,
    0.005,
)
NO_PROFILE = (0,) * len(PROFILE)

values = st.lists(
    st.one_of(st.floats(), st.sampled_from((*SPECIAL, *NUMBERS)), st.integers(-(10**9), 10**9).map(lambda n: n / 100))
)
whole = st.integers(-(2**63), 2**63 - 1)
times = st.one_of(whole, st.integers(0, 4 * 10**15), st.integers(0, 10**9).map(lambda second: second * 1_000_000))
codes = st.integers(-128, 127)
rows = st.lists(
    st.tuples(
        st.integers(-(2**31), 2**31 - 1),
        times,
        st.one_of(times, st.just(NEVER)),
        st.floats(),
        st.one_of(codes, st.integers(0, 7)),
        st.one_of(codes, st.integers(0, 10)),
        st.one_of(codes, st.integers(0, 1)),
    ),
    max_size=40,
)
profiles = st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=20)


def customer(rows, profile=NO_PROFILE) -> Encoded:
    """Return a customer with rows of id, created, completed, amount, state, type and direction."""
    ids, created, completed, amount, state, type_, direction = zip(*rows, strict=True) if rows else [()] * 7
    return Encoded(
        offsets=np.array([0, len(rows)], np.int64),
        ids=np.array(ids, np.int64),
        created=np.array(created, np.int64),
        completed=np.array(completed, np.int64),
        amount=np.array(amount, np.float64),
        state=np.array(state, np.int8),
        type=np.array(type_, np.int8),
        direction=np.array(direction, np.int8),
        profile=np.array([profile], np.int32),
    )


def usual(count: int) -> Encoded:
    """Return a typical customer: times in microseconds, amounts in cents, some transactions not completed."""
    chance = np.random.default_rng(3)
    start = 1_717_200_000_000_000
    return customer(
        [
            (
                row,
                start + int(chance.integers(80 * 86_400_000_000)),
                NEVER if chance.random() < 0.2 else start + int(chance.integers(81 * 86_400_000_000)),
                round(float(chance.lognormal(4, 1.5)), 2),
                int(chance.integers(6)),
                int(chance.integers(9)),
                int(chance.integers(2)),
            )
            for row in range(count)
        ],
        (60, 6, 17, 2, 2, 1, 0, 0, 0, 0, 0, 0, 7335),
    )


@settings(deadline=None)
@given(values)
def test_values_are_unpacked_to_the_bit(given_values) -> None:
    """Any values are unpacked to the bit, including infinities, negative zero and NaNs with other bits."""
    array = np.array(given_values, np.float64)
    assert compact.unpack(compact.pack(array, None)).features == array.tobytes()


@pytest.mark.parametrize("value", [*SPECIAL, *NUMBERS])
def test_a_single_value_is_unpacked_to_the_bit(value) -> None:
    """Values at the limits of each encoding are unpacked to the bit."""
    array = np.array([value])
    assert compact.unpack(compact.pack(array, None)).features == array.tobytes()


@settings(deadline=None)
@given(values, rows, profiles)
def test_a_customer_is_unpacked_to_the_bit(given_values, given_rows, profile) -> None:
    """A customer is unpacked to the bit with any times, amounts and codes, including unknown codes."""
    array, made = np.array(given_values, np.float64), customer(given_rows, profile)
    read = compact.unpack(compact.pack(array, made))
    assert read == (array.tobytes(), pack(made))


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 50, 10_000])
def test_any_number_of_transactions_is_unpacked(count) -> None:
    """Any number of transactions is unpacked, from 0 to more than a thread's own array holds."""
    made = usual(count)
    assert compact.unpack(compact.pack(np.array([0.5]), made)).customer == pack(made)


@pytest.mark.parametrize(
    "pair",
    [
        (-(2**63) + 1, 2**63 - 1),
        (2**61, 2**61 - 1),
        (1 - 2**61, 2**61 - 1),
        (2**63 - 1, NEVER),
        (-(2**63), -(2**63) + 1),
        (2**61 - 1, 1 - 2**61),
    ],
)
def test_times_at_the_limits_are_unpacked(pair) -> None:
    """Times whose difference needs more than 64 bits are unpacked to the bit."""
    made = customer([(0, *pair, 1.0, 0, 0, 0), (1, *reversed(pair), 1.0, 0, 0, 0), (2, 0, 0, 1.0, 0, 0, 0)])
    assert compact.unpack(compact.pack(np.empty(0), made)).customer == pack(made)


def test_fifty_transactions_take_less_than_half_of_their_columns() -> None:
    """A transaction of 31 bytes in the kernel's columns takes at most 15 bytes."""
    assert len(compact.pack(np.empty(0), usual(50))) <= 50 * 15 + 70


def test_foreign_bytes_are_kept_unchanged() -> None:
    """Bytes that this install can't read as a customer are kept unchanged, beside the features."""
    array = np.array([1.0, math.nan, 1 / 7])
    assert compact.unpack(compact.pack_as_it_is(array, b"\x02\0\0")) == (array.tobytes(), b"\x02\0\0")


@pytest.mark.parametrize("made", [None, usual(0), usual(20)], ids=["features", "no transactions", "transactions"])
def test_bytes_of_another_length_are_refused(made) -> None:
    """Packed bytes of any other length are refused."""
    packed = compact.pack(np.array([1.0, math.nan, 1 / 7, 2.55]), made)
    for length in range(len(packed)):
        with pytest.raises(msgspec.DecodeError, match="damaged"):
            compact.unpack(packed[:length])
    with pytest.raises(msgspec.DecodeError, match="damaged"):
        compact.unpack(packed + b"\0")


@settings(deadline=None, max_examples=500)
@given(st.data())
def test_altered_bytes_are_refused_or_read_within_their_bounds(data) -> None:
    """Altered bytes allocate no more rows than they can hold, and nothing after them is read."""
    packed = bytearray(compact.pack(np.array([1.0, math.nan, 1 / 7, 2.55]), usual(5)))
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    try:
        read = compact.unpack(bytes(packed))
    except msgspec.DecodeError:
        return
    assert len(read.features) <= 8 * len(packed)
    assert len(read.customer) <= 4 + 4 * 255 + 31 * len(packed)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_other_bytes_are_refused_or_read(packed) -> None:
    """Any bytes are read or raise DecodeError, but no other error."""
    try:
        compact.unpack(packed)
    except msgspec.DecodeError:
        return


def test_threads_do_not_share_memory() -> None:
    """Threads that pack at the same time each get their own bytes."""
    made = [(np.array([number + 0.5]), usual(number)) for number in range(8)]
    expected = [compact.pack(*each) for each in made]
    failures: list[int] = []

    def pack_often(number: int) -> None:
        failures.extend(number for _ in range(300) if compact.pack(*made[number]) != expected[number])

    threads = [threading.Thread(target=pack_often, args=(number,)) for number in range(len(made))]
    for each in threads:
        each.start()
    for each in threads:
        each.join(600)
    assert not failures
