"""The kernel gives the same bits for one customer and for many, in any order of rows."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customer_risk.model.features.catalogue import NAMES
from customer_risk.model.features.encoded import NEVER, Encoded
from customer_risk.model.features.kernel.compute import DEFAULTS, Settings, compute
from customer_risk.model.features.vocabulary import DIRECTIONS, PROFILE, STATES, TYPES, UNKNOWN_DAY, UNKNOWN_OFFSET

bounded = settings(settings.get_profile("features"))

DAY = 86_400_000_000
START = 19_936 * DAY


@st.composite
def customers(draw: st.DrawFn, most: int = 4) -> Encoded:
    """Draw a few customers whose rows have repeated ids, equal times and equal amounts, in any order."""
    counts = draw(st.lists(st.integers(0, 40), min_size=1, max_size=most))
    n = sum(counts)
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    moments = START + chance.integers(0, draw(st.sampled_from([3_600_000_000, 3 * DAY, 60 * DAY, 400 * DAY])), 12)
    created = chance.choice(moments, n) if draw(st.booleans()) else START + chance.integers(0, 60 * DAY, n)
    completed = np.where(chance.random(n) < 0.3, NEVER, created + chance.integers(-5, 3 * DAY, n))
    return Encoded(
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        ids=chance.integers(0, draw(st.sampled_from([3, 20, 2**60])), n),
        created=created,
        completed=completed,
        amount=chance.choice([0.0, 0.01, 9.5, 50.0, 99.99, 100.0, 480.0, 1_234.56, 20_000.0], n),
        state=chance.integers(0, len(STATES) + 1, n).astype(np.int8),
        type=chance.integers(0, len(TYPES) + 1, n).astype(np.int8),
        direction=chance.integers(0, len(DIRECTIONS) + 1, n).astype(np.int8),
        profile=np.column_stack(
            [
                chance.choice([UNKNOWN_OFFSET, -600, 0, 60, 345, 660], len(counts)),
                chance.integers(0, 7, (len(counts), 4)),
                chance.integers(-1, 2, (len(counts), len(PROFILE) - 6)),
                chance.choice([UNKNOWN_DAY, 3_000, 12_000], len(counts)),
            ]
        ).astype(np.int32),
    )


def rows_of(encoded: Encoded, customer: int, order: np.ndarray | None = None) -> Encoded:
    """Return one customer's rows, in another order if `order` is given."""
    rows = np.arange(encoded.offsets[customer], encoded.offsets[customer + 1])
    rows = rows if order is None else rows[order]
    columns = {
        field.name: getattr(encoded, field.name)[rows]
        for field in dataclasses.fields(Encoded)
        if field.name not in {"offsets", "profile"}
    }
    return Encoded(offsets=np.array([0, len(rows)]), profile=encoded.profile[customer : customer + 1], **columns)


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether values are equal to the bit."""
    return one.tobytes() == other.tobytes()


@bounded
@given(encoded=customers(), seed=st.integers(0, 2**32))
def test_batch_and_single_agree_to_the_bit(encoded: Encoded, seed: int) -> None:
    """A customer computed alone, with rows shuffled and ids renamed, has the same bits as in the batch."""
    chance = np.random.default_rng(seed)
    batch = compute(encoded)
    for customer in range(len(batch)):
        count = encoded.offsets[customer + 1] - encoded.offsets[customer]
        alone = rows_of(encoded, customer, chance.permutation(count))
        renamed = dataclasses.replace(
            alone, ids=chance.permutation(2**20)[np.unique(alone.ids, return_inverse=True)[1]]
        )
        assert same(compute(renamed)[0], batch[customer])


@bounded
@given(encoded=customers(), weeks=st.integers(-500, 500))
def test_shifting_a_customer_by_whole_weeks_changes_nothing(encoded: Encoded, weeks: int) -> None:
    """All dates, the birthday included, shifted by whole weeks give the same bits."""
    shift = weeks * 7 * DAY
    birth = encoded.profile[:, -1]
    profile = encoded.profile.copy()
    profile[:, -1] = np.where(birth == UNKNOWN_DAY, birth, birth + weeks * 7)
    later = dataclasses.replace(
        encoded,
        created=encoded.created + shift,
        completed=np.where(encoded.completed == NEVER, NEVER, encoded.completed + shift),
        profile=profile,
    )
    assert same(compute(later), compute(encoded))


@bounded
@given(encoded=customers(most=12), threads=st.integers(2, 4))
def test_threads_make_no_difference(encoded: Encoded, threads: int) -> None:
    """Any number of threads gives the same bits."""
    assert same(compute(encoded, threads=threads), compute(encoded))


@bounded
@given(encoded=customers())
def test_collapsed_rows_in_order_give_the_same_bits(encoded: Encoded) -> None:
    """Rows that are already collapsed and in order, which skip two steps, have the same bits."""
    for customer in range(len(encoded.offsets) - 1):
        alone = rows_of(encoded, customer)
        order = np.lexsort((alone.completed, alone.state, alone.direction, alone.type, alone.amount, alone.created))
        in_order = dataclasses.replace(rows_of(alone, 0, order), ids=np.arange(len(order)))
        turned = rows_of(in_order, 0, np.arange(len(order))[::-1])
        assert same(compute(in_order), compute(turned))


def test_other_customers_change_nothing(row: Any, features_of: Any, tables_of: Any, profile: Any) -> None:
    """A customer's values don't depend on other customers."""
    from customer_risk.model.features.frame import feature_table

    mine = (profile, [row(0, 50), row(90, 20, direction="IN", type="BANK_TRANSFER")])
    others = [(profile, [row(minutes, 10) for minutes in range(0, 200_000, 10_000)])] * 3
    values = feature_table(*tables_of([mine, *others])).values[0]
    assert same(values, np.array(list(features_of(mine[1]).values())))


@pytest.mark.parametrize("value", [np.nan, np.inf, -5.0, 1e300])
def test_invalid_amounts_count_as_0(value: float) -> None:
    """An invalid amount can't make a value infinite or the kernel hang."""
    encoded = Encoded(
        offsets=np.array([0, 3]),
        ids=np.arange(3),
        created=START + np.arange(3) * DAY,
        completed=np.full(3, NEVER),
        amount=np.array([10.0, value, 30.0]),
        state=np.ones(3, np.int8),
        type=np.ones(3, np.int8),
        direction=np.array([0, 1, 1], np.int8),
        profile=np.zeros((1, len(PROFILE)), np.int32),
    )
    values = dict(zip(NAMES, compute(encoded)[0], strict=True))
    assert (values["in_sum"], values["out_sum"]) == (10, 30)


def test_read_only_arrays_are_accepted() -> None:
    """Read-only arrays, as Polars and frombuffer return them, are accepted."""
    encoded = Encoded(
        *(np.frombuffer(bytes(8 * 2), np.int64)[:n] for n in (2, 1, 1, 1)),
        np.frombuffer(bytes(8), np.float64),
        *(np.frombuffer(bytes(1), np.int8),) * 3,
        profile=np.zeros((1, len(PROFILE)), np.int32),
    )
    assert compute(encoded).shape == (1, len(NAMES))


def test_look_back_leaves_earlier_transactions_out(row: Any, features_of: Any) -> None:
    """Transactions before the look-back don't count; those on its edge do."""
    days = 24 * 60
    rows = [row(0), row(1), row(180 * days + 1)]
    assert features_of(rows)["transactions"] == 2
    assert features_of(rows, Settings(lookback_us=10 * DAY))["transactions"] == 1


def test_only_the_latest_transactions_count(row: Any, features_of: Any) -> None:
    """Of more than the greatest number of transactions, the latest are kept."""
    rows = [row(minutes, minutes + 1) for minutes in range(10)]
    assert features_of(rows, Settings(max_transactions=3))["out_sum"] == 8 + 9 + 10


def test_first_days_are_missing_if_the_look_back_cut_them_off(row: Any, features_of: Any) -> None:
    """If earlier transactions were left out, the features of the first days are missing."""
    values = features_of([row(minutes) for minutes in range(10)], Settings(max_transactions=3))
    unknown = {name for name in NAMES if np.isnan(values[name])}
    assert {name for name in NAMES if name.startswith("first_")} | {"starts_with_fee"} <= unknown


def test_excluded_types_are_dropped_first(row: Any, features_of: Any) -> None:
    """Transactions of an excluded type change no value."""
    rows = [row(0, 10), row(5, 99, type="MANUAL")]
    assert features_of(rows) == pytest.approx(features_of(rows[:1]), nan_ok=True)
    assert features_of(rows, Settings(excluded_types=()))["out_sum"] == 109


def test_unknown_types_can_be_excluded(row: Any, features_of: Any) -> None:
    """OTHER excludes every unknown type."""
    rows = [row(0, 10), row(5, 99, type="TELEPATHY")]
    assert features_of(rows)["out_sum"] == 109
    assert features_of(rows, Settings(excluded_types=("OTHER",)))["out_sum"] == 10


def test_the_cache_key_covers_every_source(monkeypatch: Any) -> None:
    """The key of cached code has a digest of every source, and the catalogue's order."""
    from customer_risk.model.features.kernel import compute as kernel

    digests = []
    monkeypatch.setattr(kernel, "_make", digests.append)
    for names in (NAMES, NAMES[::-1]):
        monkeypatch.setattr(kernel, "NAMES", names)
        kernel._entry.__wrapped__()
    assert len(set(digests)) == 2


def test_no_customers_give_no_rows() -> None:
    """A table without customers gives an array without rows."""
    nothing = np.zeros(0, np.int64)
    codes = np.zeros(0, np.int8)
    encoded = Encoded(
        np.zeros(1, np.int64), nothing, nothing, nothing, np.zeros(0), codes, codes, codes,
        np.zeros((0, len(PROFILE)), np.int32),
    )  # fmt: skip
    assert compute(encoded, DEFAULTS).shape == (0, len(NAMES))
