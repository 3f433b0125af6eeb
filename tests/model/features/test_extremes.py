"""What no customer does, but a request can say: the greatest amounts, one moment, long histories, far dates."""

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
from customer_risk.model.features.vocabulary import DIRECTIONS, OCCUPATIONS, REASONS, STATES, TYPES
from customer_risk.model.tables.cleaning import load_cohort
from tests.model.features.encoding import encode_customer

bounded = settings(settings.get_profile("features"))

UNCOMPILED = os.environ.get("NUMBA_DISABLE_JIT", "0") != "0"
LONG = 300 if UNCOMPILED else 20_000
WEEK = 7 * 86_400_000_000
CLOSED = [name for name in NAMES if name.endswith("_share") or name in {"gap_burstiness", "out_to_in"}]
BOUNDS = {feature.name: (feature.low, feature.high) for feature in CATALOGUE}


def kinds(count: int) -> list[dict[str, str]]:
    """Give so many rows every state, type and direction in turn."""
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
def test_values_stay_finite_and_shares_between_their_bounds(
    amount: float, step: float, row: Any, features_of: Any
) -> None:
    """With amounts of nothing, minute or a trillion, at one moment or not, shares stay shares and nothing overflows."""
    values = features_of([row(i * step, amount, **kind) for i, kind in enumerate(kinds(70))])
    assert not np.isinf(list(values.values())).any()
    odd = [
        name for name in CLOSED if not np.isnan(values[name]) and not BOUNDS[name][0] <= values[name] <= BOUNDS[name][1]
    ]
    assert not odd


def test_amounts_far_apart_do_not_lose_the_small_one(row: Any, features_of: Any) -> None:
    """A trillion beside a cent leaves the median, the maxima and the counts as they are."""
    rows = [row(0, GREATEST_AMOUNT, direction="IN"), row(1, 0.01), row(2, 0.01)]
    values = features_of(rows)
    assert (values["in_sum"], values["out_sum"], values["amount_median"]) == (GREATEST_AMOUNT, 0.02, 0.01)


def test_everything_at_one_moment_is_one_active_day(row: Any, features_of: Any) -> None:
    """Transactions all at one moment span no time, fill one day and have no rhythm."""
    values = features_of([row(0, i + 1) for i in range(40)])
    assert (values["span_days"], values["active_days"], values["busiest_1h_count"]) == (0, 1, 40)
    assert values["gap_median_hours"] == 0
    assert np.isnan(values["gap_burstiness"])


def test_long_histories_are_merged_in_order(row: Any, features_of: Any) -> None:
    """Far more rows than are sorted by insertion, given backwards, come out in order."""
    rows = [row(minutes, minutes % 97 + 1) for minutes in range(LONG)]
    setting = Settings(max_transactions=LONG)
    backwards = features_of(rows[::-1], setting)
    assert backwards == pytest.approx(features_of(rows, setting), rel=0, abs=0, nan_ok=True)
    assert backwards["transactions"] == LONG
    assert backwards["last_amount"] == (LONG - 1) % 97 + 1
    assert backwards["gap_median_hours"] == pytest.approx(1 / 60)


@pytest.mark.compiled
def test_default_settings_bound_the_work(row: Any, features_of: Any) -> None:
    """Of twice the greatest number of transactions, the latest are kept."""
    rows = [row(minutes, 1) for minutes in range(20_000)]
    assert features_of(rows)["transactions"] == features_of(rows)["out_sum"] == 10_000


def test_hash_collisions_of_ids_make_no_difference(row: Any, profile: Any) -> None:
    """Ids that a hash table puts in one place are still told apart."""
    encoded = encode_customer(profile, [row(i % 20, i + 1) for i in range(60)])
    expected = compute(encoded)
    for step in (2**7, 2**20, 2**40 + 2**20, -(2**33)):
        encoded.ids[:] = np.arange(60) * step
        assert compute(encoded).tobytes() == expected.tobytes()


@pytest.mark.parametrize("moment", [-62_135_596_800_000_000, 253_402_300_800_000_000 - WEEK])
def test_the_calendars_ends_are_times(moment: int, row: Any, features_of: Any) -> None:
    """The year 1 and the year 9999 are times like any other."""
    day = moment % 86_400_000_000
    rows = [
        row(0, 5, created_at=moment - day + 86_400_000_000),
        row(0, 7, created_at=moment - day + 3 * 86_400_000_000),
    ]
    values = features_of(rows)
    assert (values["transactions"], values["span_days"], values["last_amount"]) == (2, 2, 7)


MAYBE = st.sampled_from([None, True, False])
PROFILES = st.fixed_dictionaries(
    {
        "country_of_residence": st.sampled_from([None, "", "FR", "PF", "NC", "XX"]),
        "phone_number_country_code": st.sampled_from([None, "", "+33", "+68", "33"]),
        "reason_to_use_app": st.sampled_from([None, "", *REASONS, "ELSE"]),
        "occupation": st.sampled_from([None, "", *OCCUPATIONS, "ELSE"]),
        "kyc_state": st.sampled_from([None, "COMPLETED", "ELSE"]),
        "screening_state": st.sampled_from([None, "COMPLETED", "ELSE"]),
        "document_issuing_country": st.sampled_from([None, "", "FR", "NC", "PT"]),
        "locale": st.sampled_from([None, "", "fr", "fr_FR", "en-GB", "en_001"]),
        "has_biometrics": MAYBE,
        "is_pep": MAYBE,
        "is_adverse_media_minor": MAYBE,
        "date_of_birth": st.none() | st.dates(),
    }
)
START = 1_722_816_000_000_000
TIMES = st.sampled_from([START, START + 1, START + 3_600_000_000]) | st.integers(START, START + 30 * WEEK)
ROWS = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["a", "b", "c", "é", ""]) | st.text(max_size=3),
        "state": st.sampled_from([*STATES, "ELSE", ""]),
        "type": st.sampled_from([*TYPES, "ELSE", ""]),
        "direction": st.sampled_from([*DIRECTIONS, "ELSE"]),
        "amount": st.sampled_from([0.0, -0.0, 50.0, 99.99, 100.0]) | st.floats(0, GREATEST_AMOUNT),
        "created_at": TIMES,
        "completed_at": st.none() | TIMES,
    }
)
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
def test_every_real_customer_is_alone_as_in_the_table(cohort: Any, hometask: Path) -> None:
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
def test_tables_of_another_time_have_the_same_bits(weeks: int, synthetic: Path) -> None:
    """All dates of a cohort shifted by whole weeks, births with them, change no value by a bit."""
    tables = load_cohort(synthetic, "labelled")
    later = tables.events.with_columns(pl.col("created_at", "completed_at") + pl.duration(weeks=weeks))
    born = tables.customers.with_columns(pl.col("date_of_birth") + pl.duration(weeks=weeks))
    before = feature_table(tables.customers, tables.events)
    assert feature_table(born, later).values.tobytes() == before.values.tobytes()


@pytest.mark.compiled
def test_halves_of_a_cohort_are_the_whole(synthetic: Path) -> None:
    """A cohort computed in two halves has the bits that it has as one, whoever is in which."""
    tables = load_cohort(synthetic, "labelled")
    whole = feature_table(tables.customers, tables.events)
    for half in (slice(None, None, 2), slice(1, None, 2)):
        customers = tables.customers[half]
        assert feature_table(customers, tables.events).values.tobytes() == whole.values[half].tobytes()
