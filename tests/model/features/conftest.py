"""The oracle, and customers made up for the kernel."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, settings

from customer_risk.model.features.catalogue import NAMES
from customer_risk.model.features.kernel.compute import DEFAULTS, Settings, compute
from tests.model.features.encoding import encode_customer
from tests.oracles import polars_features

# Plain Python is some hundred times slower than the compiled kernel, and coverage slows it further. A number of
# examples in FEATURE_EXAMPLES makes a longer search, another one each time.
EXAMPLES = 5 if os.environ.get("NUMBA_DISABLE_JIT", "0") != "0" else int(os.environ.get("FEATURE_EXAMPLES", "60"))
settings.register_profile(
    "features",
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=not os.environ.get("FEATURE_EXAMPLES"),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

PROFILE = {
    "country_of_residence": "FR",
    "phone_number_country_code": "+33",
    "reason_to_use_app": "TRAVEL_ACCOUNT",
    "occupation": "STUDENTS",
    "kyc_state": "COMPLETED",
    "screening_state": "COMPLETED",
    "document_issuing_country": "FR",
    "locale": "fr_FR",
    "has_biometrics": True,
    "is_pep": False,
    "is_adverse_media_minor": False,
    "date_of_birth": dt.date(1990, 5, 17),
}
MONDAY = 1_722_816_000_000_000  # 5 August 2024, 0:00 UTC, in microseconds
MINUTE = 60_000_000


@pytest.fixture(scope="session")
def oracle() -> ModuleType:
    """The oracle: every feature as Polars expressions."""
    return polars_features


@pytest.fixture(scope="session")
def profile() -> dict[str, Any]:
    """An ordinary profile; don't change it."""
    return dict(PROFILE)


@pytest.fixture(scope="session")
def row() -> Callable[..., dict[str, Any]]:
    """Make a transaction row: minutes after a Monday's midnight (UTC), amount, and other fields."""

    def make(minutes: float = 0, amount: float = 10.0, **other: Any) -> dict[str, Any]:
        made = {
            "id": f"at {minutes}, {amount}",
            "state": "COMPLETED",
            "type": "CARDS",
            "direction": "OUT",
            "amount": amount,
            "currency": "EUR",
            "created_at": MONDAY + round(minutes * MINUTE),
            "completed_at": None,
        }
        return made | other

    return make


@pytest.fixture(scope="session")
def features_of() -> Callable[..., dict[str, float]]:
    """Compute one customer's features, by name, from rows and changed profile fields."""

    def compute_one(rows: list[dict[str, Any]], setting: Settings = DEFAULTS, **profile: Any) -> dict[str, float]:
        encoded = encode_customer(PROFILE | profile, rows)
        return dict(zip(NAMES, compute(encoded, setting)[0].tolist(), strict=True))

    return compute_one


@pytest.fixture(scope="session")
def tables_of() -> Callable[..., tuple[pl.DataFrame, pl.DataFrame]]:
    """Make canonical frames of customers, each a profile and rows."""

    def make(customers: list[tuple[dict[str, Any], list[dict[str, Any]]]]) -> tuple[pl.DataFrame, pl.DataFrame]:
        text = [name for name in PROFILE if isinstance(PROFILE[name], str)]
        schema: dict[str, Any] = {"customer_id": pl.String} | dict.fromkeys(text, pl.String)
        schema |= {"has_biometrics": pl.Boolean, "is_pep": pl.Boolean, "is_adverse_media_minor": pl.Boolean}
        schema |= {"date_of_birth": pl.Date}
        profiles = [{"customer_id": f"c{i:03}"} | profile for i, (profile, _) in enumerate(customers)]
        events = [{"customer_id": f"c{i:03}"} | row for i, (_, rows) in enumerate(customers) for row in rows]
        time = pl.Datetime("us", "UTC")
        columns: dict[str, Any] = {"customer_id": pl.String, "id": pl.String, "state": pl.String, "type": pl.String}
        columns |= {"direction": pl.String, "amount": pl.Float64, "currency": pl.String}
        columns |= {"created_at": pl.Int64, "completed_at": pl.Int64}
        return (
            pl.DataFrame(profiles, schema=schema),
            pl.DataFrame(events, schema=columns).with_columns(pl.col("created_at", "completed_at").cast(time)),
        )

    return make


@pytest.fixture(scope="session")
def assert_equal() -> Callable[..., None]:
    """Check that the kernel's values are the oracle's within 1e-9, and missing if the oracle's are."""

    def check(values: np.ndarray, frame: pl.DataFrame) -> None:
        expected = frame.drop("customer_id").to_numpy().astype(float)
        same = (np.isnan(values) & np.isnan(expected)) | (
            np.abs(values - expected) <= 1e-9 * np.maximum(1, np.abs(expected))
        )
        wrong = [
            f"{NAMES[column]} of customer {customer}: {values[customer, column]} is not {expected[customer, column]}"
            for customer, column in np.argwhere(~same)[:10]
        ]
        assert not wrong

    return check
