"""The kernel is compared with Polars expressions of the formulas, which share no code with it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customer_risk.model.features.frame import feature_table
from customer_risk.model.features.kernel.compute import Settings
from customer_risk.model.features.vocabulary import DIRECTIONS, STATES, TYPES
from customer_risk.model.tables.cleaning import load_cohort

bounded = settings(
    settings.get_profile("features"), max_examples=max(4, settings.get_profile("features").max_examples // 2)
)

DAY = 86_400_000_000
START = 19_936 * DAY


@pytest.mark.parametrize("cohort", ["labelled", "unlabelled"])
def test_kernel_equals_the_oracle_on_the_real_tables(
    oracle: Any, assert_equal: Any, hometask: Path, cohort: Any
) -> None:
    """Every feature of every real customer is what the Polars expressions give."""
    tables = load_cohort(hometask, cohort)
    table = feature_table(tables.customers, tables.events)
    assert_equal(table.values, oracle.features(tables.customers, tables.events))


@pytest.mark.compiled
def test_kernel_equals_the_oracle_on_synthetic_tables(oracle: Any, assert_equal: Any, synthetic: Path) -> None:
    """Every feature of every synthetic customer is what the Polars expressions give, MANUAL rows in or out."""
    tables = load_cohort(synthetic, "labelled")
    for excluded in (("MANUAL",), ()):
        table = feature_table(tables.customers, tables.events, Settings(excluded_types=excluded))
        assert_equal(table.values, oracle.features(tables.customers, tables.events, excluded=excluded))


PROFILES = st.fixed_dictionaries(
    {
        "country_of_residence": st.sampled_from([None, "FR", "PF", "NC", "US", "??"]),
        "phone_number_country_code": st.sampled_from([None, "+33", "+68", "+44"]),
        "reason_to_use_app": st.sampled_from(
            [None, "CRYPTO_SERVICES", "TRAVEL_ACCOUNT", "INTERNATIONAL_TRANSFERS", "X"]
        ),
        "occupation": st.sampled_from([None, "RETIRED", "HEALTH"]),
        "kyc_state": st.sampled_from([None, "COMPLETED", "FAILED"]),
        "screening_state": st.sampled_from([None, "COMPLETED", "TO_SOFT_REVIEW"]),
        "document_issuing_country": st.sampled_from([None, "FR", "PT"]),
        "locale": st.sampled_from([None, "fr_FR", "en_001", "fr_PF"]),
        "has_biometrics": st.sampled_from([None, True, False]),
        "is_pep": st.sampled_from([None, True, False]),
        "is_adverse_media_minor": st.just(False),  # noqa: FBT003  a value, not an option
        "date_of_birth": st.sampled_from([None, dt.date(1980, 2, 29)]),
    }
)


@st.composite
def rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw event rows in cents, with times at the edges of windows and repeated ids."""
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    count = draw(st.integers(0, 40))
    edges = np.array([0, 1, 24, 72, 7 * 24, 14 * 24, 30 * 24, 200 * 24]) * 3_600_000_000
    moments = START + chance.choice(edges, 6) + chance.choice([0, 0, 1, 12_345_678], 6)
    moments = np.concatenate([moments, START + chance.integers(0, draw(st.sampled_from([DAY, 90 * DAY])), 10)])
    money = np.concatenate([[0, 0.01, 50, 99.99, 100, 300, 475, 499.99, 950], np.round(chance.lognormal(4, 2, 6), 2)])
    made = []
    for _ in range(count):
        created = int(chance.choice(moments))
        made.append(
            {
                "id": f"t{chance.integers(0, 30)}",
                "state": str(chance.choice([*STATES, "COMPLETED", "COMPLETED", "LOST"])),
                "type": str(chance.choice([*TYPES, "BANK_TRANSFER", "BANK_TRANSFER", "TELEPATHY"])),
                "direction": str(chance.choice([*DIRECTIONS, "IN", "OUT", "ROUND"])),
                "amount": float(chance.choice(money)),
                "created_at": created,
                "completed_at": None if chance.random() < 0.4 else created + int(chance.integers(-9, 2 * DAY)),
            }
        )
    return made


@bounded
@given(
    customers=st.lists(st.tuples(PROFILES, rows()), min_size=1, max_size=6),
    lookback=st.sampled_from([1, 14, 180]),
    most=st.sampled_from([1, 7, 10_000]),
)
def test_kernel_equals_the_oracle_on_unusual_customers(
    customers: Any, lookback: int, most: int, oracle: Any, assert_equal: Any, tables_of: Any
) -> None:
    """Ties, repeated ids, unknown categories, edges of windows and cut histories give what the expressions give."""
    profiles, events = tables_of(customers)
    settings_ = Settings(lookback_us=lookback * DAY, max_transactions=most)
    table = feature_table(profiles, events, settings_)
    assert_equal(table.values, oracle.features(profiles, events, lookback_days=lookback, most=most))
