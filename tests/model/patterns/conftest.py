"""Made-up customers with patterns, as frames and encoded."""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from customer_risk.model.config import load_config
from customer_risk.model.features.frame import encode_with_ids
from customer_risk.model.features.kernel.compute import DEFAULTS
from customer_risk.model.patterns.finder import Finder

if TYPE_CHECKING:
    from collections.abc import Callable

START = datetime(2024, 6, 3, 9, 0, tzinfo=UTC)  # a Monday
EVENTS = {
    "id": pl.String,
    "customer_id": pl.String,
    "state": pl.String,
    "type": pl.String,
    "direction": pl.String,
    "amount": pl.Float64,
    "created_at": pl.Datetime("us", "UTC"),
    "completed_at": pl.Datetime("us", "UTC"),
}


@pytest.fixture(scope="session")
def thresholds() -> dict[str, dict[str, float]]:
    """The default thresholds, with a usual amount of 2,000 EUR."""
    rules = {code: dict(limits) for code, limits in load_config().corroboration.rules.items()}
    rules["LARGE_AMOUNT"]["usual"] = 2_000.0
    return rules


@pytest.fixture(scope="session")
def made_up() -> Callable[..., tuple[pl.DataFrame, pl.DataFrame]]:
    """Make up frames of customers and events: repeated ids, equal times and amounts, all states, in any order."""

    @functools.cache
    def make(seed: int, customers: int = 40) -> tuple[pl.DataFrame, pl.DataFrame]:
        chance = np.random.default_rng(seed)
        rows = []
        for customer in range(customers):
            count, days = int(chance.integers(0, 60)), float(chance.choice([0.1, 2, 20, 250]))
            when = np.sort(chance.random(count)) * days * 86_400
            if chance.random() < 0.3:
                when = np.round(when / 600) * 600  # equal times
            types = chance.choice(["BANK_TRANSFER", "CRYPTO_ON_RAMP", "CARD_TOP_UP", "PAYMENTS", "CARDS"], count)
            odd = ["CRYPTO_OFF_RAMP", "PROCESSING_FEE", "USER_REWARD", "MANUAL", "LEASING"]
            types = np.where(chance.random(count) < 0.2, chance.choice(odd, count), types)
            amounts = chance.choice([0, 0.01, 20, 50.5, 480, 499.99, 950, 1_000, 1_234.56, 2_900, 4_000], count)
            states = chance.choice(["COMPLETED", "COMPLETED", "PENDING", "FAILED", "DECLINED", "CANCELLED"], count)
            for at in range(count):
                created = START + timedelta(seconds=float(when[at]))
                rows.append(
                    {
                        "id": f"t-{customer}-{chance.integers(0, 2 * count)}",
                        "customer_id": f"c-{customer:04}",
                        "state": str(states[at]),
                        "type": str(types[at]),
                        "direction": str(chance.choice(["IN", "OUT"])),
                        "amount": float(amounts[at]),
                        "created_at": created,
                        "completed_at": None if chance.random() < 0.3 else created + timedelta(hours=1),
                    }
                )
        events = pl.DataFrame(rows, schema=EVENTS).sample(fraction=1.0, shuffle=True, seed=seed)
        countries = chance.choice(["FR", "PF", "LV", "NP", "XX", ""], customers).tolist()
        people = pl.DataFrame(
            {
                "customer_id": [f"c-{customer:04}" for customer in range(customers)],
                "country_of_residence": [country or None for country in countries],
            },
            schema={"customer_id": pl.String, "country_of_residence": pl.String},
        )
        return people, events

    return make


@pytest.fixture(scope="session")
def find(thresholds) -> Callable[..., dict[str, dict[str, object]]]:
    """Find one pattern, some of its thresholds changed, in short rows.

    A row is customer, id, hours after the start, type, direction, amount[, state]. Returns by customer the ids (in
    order of time), count, amount and share.
    """

    def found(code: str, *rows: tuple, country: str | None = "FR", **changed: float) -> dict[str, dict[str, object]]:
        names = ("customer_id", "id", "hours", "type", "direction", "amount", "state")
        events = pl.DataFrame(
            [
                {name: value for name, value in zip(names, (*row, "COMPLETED"), strict=False) if name != "hours"}
                | {"amount": float(row[5]), "created_at": START + timedelta(hours=row[2]), "completed_at": None}
                for row in rows
            ],
            schema=EVENTS,
        )
        ids = sorted({row[0] for row in rows}) or ["c"]
        customers = pl.DataFrame({"customer_id": ids}).with_columns(
            pl.lit(country, pl.String).alias("country_of_residence")
        )
        encoded, numbered = encode_with_ids(customers, events)
        findings = Finder({code: thresholds[code] | changed}, DEFAULTS).find(encoded)
        result = {}
        for at in np.flatnonzero(findings.figures[:, 0, 0]):
            count, amount, share = findings.figures[at, 0]
            shown = [numbered[number] for customer, _, number in findings.evidence.tolist() if customer == at]
            assert len(shown) == count
            result[ids[at]] = {"ids": shown, "count": count, "amount": amount, "share": share}
        return result

    return found
