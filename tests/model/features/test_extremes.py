"""Extreme inputs: the greatest amounts, equal times, long histories, far dates."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customer_risk.model.features.catalogue import CATALOGUE, NAMES
from customer_risk.model.features.encoded import GREATEST_AMOUNT
from customer_risk.model.features.frame import feature_table
from customer_risk.model.features.kernel.compute import Settings, compute
from customer_risk.model.features.vocabulary import DIRECTIONS, STATES, TYPES
from customer_risk.model.tables.cleaning import load_cohort
from tests.model.features.encoding import PROFILES, ROWS, encode_customer

bounded = settings(settings.get_profile("features"))

UNCOMPILED = os.environ.get("NUMBA_DISABLE_JIT", "0") != "0"
LONG = 300 if UNCOMPILED else 20_000
WEEK = 7 * 86_400_000_000
CLOSED = [name for name in NAMES if name.endswith("_share") or name in {"gap_burstiness", "out_to_in"}]
BOUNDS = {feature.name: (feature.low, feature.high) for feature in CATALOGUE}


def kinds(count: int) -> list[dict[str, str]]:
    """Return rows with each state, type and direction in turn."""
    return [
        {
            "id": f"t{i}",
            "state": STATES[i % len(STATES)],
            "type": TYPES[i // 2 % len(TYPES)],
            "direction": DIRECTIONS[i % len(DIRECTIONS)],
        }
        for i in range(count)
    ]


@pytest.mark.parametrize("step", [0, 1, 60 * 24 * 5])
@pytest.mark.parametrize("amount", [0.0, 5e-324, 0.01, 1e12 / 7, GREATEST_AMOUNT])
def test_extreme_amounts_give_finite_values_and_shares_within_bounds(
    amount: float, step: float, row: Any, features_of: Any
) -> None:
    """With amounts of 0, almost 0 or a trillion, at one moment or not, shares are in bounds and nothing overflows."""
    values = features_of([row(i * step, amount, **kind) for i, kind in enumerate(kinds(70))])
    assert not np.isinf(list(values.values())).any()
    odd = [
        name for name in CLOSED if not np.isnan(values[name]) and not BOUNDS[name][0] <= values[name] <= BOUNDS[name][1]
    ]
    assert not odd


def test_amounts_far_apart_do_not_lose_the_small_one(row: Any, features_of: Any) -> None:
    """A trillion beside a cent doesn't change the sums, the maxima and the median."""
    rows = [row(0, GREATEST_AMOUNT, direction="IN"), row(1, 0.01), row(2, 0.01)]
    values = features_of(rows)
    assert (values["in_sum"], values["out_sum"], values["amount_median"]) == (GREATEST_AMOUNT, 0.02, 0.01)


def test_everything_at_one_moment_is_one_active_day(row: Any, features_of: Any) -> None:
    """Transactions at one moment have a span of 0, one active day and no burstiness."""
    values = features_of([row(0, i + 1) for i in range(40)])
    assert (values["span_days"], values["active_days"], values["busiest_1h_count"]) == (0, 1, 40)
    assert values["gap_median_hours"] == 0
    assert np.isnan(values["gap_burstiness"])


def test_long_histories_are_merged_in_order(row: Any, features_of: Any) -> None:
    """Many more rows than are sorted by insertion are sorted, also in reverse order."""
    rows = [row(minutes, minutes % 97 + 1) for minutes in range(LONG)]
    setting = Settings(max_transactions=LONG)
    backwards = features_of(rows[::-1], setting)
    assert backwards == pytest.approx(features_of(rows, setting), rel=0, abs=0, nan_ok=True)
    assert backwards["transactions"] == LONG
    assert backwards["last_amount"] == (LONG - 1) % 97 + 1
    assert backwards["gap_median_hours"] == pytest.approx(1 / 60)


@pytest.mark.compiled
def test_the_latest_transactions_up_to_the_maximum_are_kept(row: Any, features_of: Any) -> None:
    """Of twice the greatest number of transactions, the latest are kept."""
    rows = [row(minutes, 1) for minutes in range(20_000)]
    assert features_of(rows)["transactions"] == features_of(rows)["out_sum"] == 10_000


def test_hash_collisions_of_ids_make_no_difference(row: Any, profile: Any) -> None:
    """Ids with the same hash are different ids."""
    encoded = encode_customer(profile, [row(i % 20, i + 1) for i in range(60)])
    expected = compute(encoded)
    for step in (2**7, 2**20, 2**40 + 2**20, -(2**33)):
        encoded.ids[:] = np.arange(60) * step
        assert compute(encoded).tobytes() == expected.tobytes()


@pytest.mark.parametrize("moment", [-62_135_596_800_000_000, 253_402_300_800_000_000 - WEEK])
def test_times_in_the_first_and_last_year_are_computed(moment: int, row: Any, features_of: Any) -> None:
    """Times in the years 1 and 9999 are computed with as others."""
    day = moment % 86_400_000_000
    rows = [
        row(0, 5, created_at=moment - day + 86_400_000_000),
        row(0, 7, created_at=moment - day + 3 * 86_400_000_000),
    ]
    values = features_of(rows)
    assert (values["transactions"], values["span_days"], values["last_amount"]) == (2, 2, 7)


CUSTOMERS = st.lists(st.tuples(PROFILES, st.lists(ROWS, max_size=30)), min_size=1, max_size=4)


@bounded
@given(customers=CUSTOMERS, chance=st.randoms(use_true_random=False), threads=st.integers(1, 2))
def test_tables_and_objects_agree_to_the_bit(customers: Any, chance: Any, threads: int, tables_of: Any) -> None:
    """Whatever the profiles and rows, a table in any order and each customer's shuffled objects give the same bits."""
    profiles, events = tables_of(customers)
    events = events.sample(fraction=1, shuffle=True, seed=chance.randrange(2**32))
    table = feature_table(profiles, events, threads=threads)
    assert not np.isinf(table.values).any()
    for values, (profile, rows) in zip(table.values, customers, strict=True):
        shuffled = chance.sample(rows, len(rows))
        assert compute(encode_customer(profile, shuffled))[0].tobytes() == values.tobytes()


@pytest.mark.compiled
@pytest.mark.parametrize("cohort", ["labelled", "unlabelled"])
def test_every_real_customer_alone_has_the_same_bits_as_in_the_table(cohort: Any, hometask: Path) -> None:
    """Each real customer's objects, backwards, give the bits that the table of all gives."""
    tables = load_cohort(hometask, cohort)
    table = feature_table(tables.customers, tables.events, threads=2)
    assert not np.isinf(table.values).any()
    events = tables.events.partition_by("customer_id", as_dict=True)
    for values, profile in zip(table.values, tables.customers.iter_rows(named=True), strict=True):
        rows = events.get((profile["customer_id"],), pl.DataFrame()).to_dicts()
        assert compute(encode_customer(profile, rows[::-1]))[0].tobytes() == values.tobytes()


@pytest.mark.compiled
@pytest.mark.parametrize("weeks", [-2_600, -1, 1, 53, 2_600])
def test_dates_shifted_by_whole_weeks_have_the_same_bits(weeks: int, synthetic: Path) -> None:
    """All dates of a cohort shifted by whole weeks, births with them, change no value by a bit."""
    tables = load_cohort(synthetic, "labelled")
    later = tables.events.with_columns(pl.col("created_at", "completed_at") + pl.duration(weeks=weeks))
    born = tables.customers.with_columns(pl.col("date_of_birth") + pl.duration(weeks=weeks))
    before = feature_table(tables.customers, tables.events)
    assert feature_table(born, later).values.tobytes() == before.values.tobytes()


@pytest.mark.compiled
def test_two_halves_of_a_cohort_have_the_same_bits_as_the_whole(synthetic: Path) -> None:
    """A cohort that is computed in two halves has the same bits as in one run."""
    tables = load_cohort(synthetic, "labelled")
    whole = feature_table(tables.customers, tables.events)
    for half in (slice(None, None, 2), slice(1, None, 2)):
        customers = tables.customers[half]
        assert feature_table(customers, tables.events).values.tobytes() == whole.values[half].tobytes()
