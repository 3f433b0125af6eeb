"""Writes transactions as event rows: one row for each state of a transaction."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from customer_risk.model.tables.synthetic import activity as act
from customer_risk.model.tables.synthetic.activity import DIRECTIONS, END, KINDS, MINUTE, TYPES, Activity
from customer_risk.model.tables.synthetic.identifiers import uuids
from customer_risk.model.tables.synthetic.population import HOUR, Population

_STATES: Final = np.array(["COMPLETED", "DECLINED", "FAILED", "CANCELLED", "REVERSED", "PENDING"])
_CATEGORIES: Final = 12
# type: chance that an ended transaction was PENDING before, and the median delay in hours if it was
_SLOW: Final = {
    "CARDS": (0.82, 16.0),
    "BANK_TRANSFER": (0.08, 0.1),
    "CARD_TOP_UP": (0.12, 0.01),
    "CRYPTO_ON_RAMP": (0.3, 0.1),
    "CRYPTO_OFF_RAMP": (0.0, 0.1),
    "PROCESSING_FEE": (0.95, 0.5),
    "PAYMENTS": (0.08, 1.0),
    "USER_REWARD": (0.0, 0.0),
    "MANUAL": (0.0, 0.0),
}
_PENDING_FIRST: Final = np.array([_SLOW[kind[0]][0] for kind in KINDS])
_DELAY: Final = np.array([_SLOW[kind[0]][1] for kind in KINDS])


def log(seeds: np.random.SeedSequence, people: Population, done: Activity) -> pl.DataFrame:
    """Return the event rows in the raw tables' columns and `customer` (its index); times are typed, no row is twice."""
    n = len(done.customer)
    # One stream for each column: the first transactions get the same values, whatever the number of transactions.
    of_id, of_reference, of_category, *others = (np.random.default_rng(seed) for seed in seeds.spawn(7))
    ids, references = uuids(of_id, n), uuids(of_reference, n)
    category = uuids(of_category, _CATEGORIES)[of_category.integers(0, _CATEGORIES, n)]
    first, oddity, tip = others[0].random(n), others[1].random(n), others[2].uniform(0.9, 0.99, n)
    delay = others[3].lognormal(0, 1.2, n)

    state, kind = done.state, done.kind
    instant = (state == act.DECLINED) | np.isin(TYPES[kind], ("USER_REWARD", "MANUAL")) | (done.amount == 0)
    ends = state != act.PENDING
    was_pending = (
        ~instant
        & ends
        & ((first < _PENDING_FIRST[kind]) | (state == act.CANCELLED) | ((state == act.REVERSED) & (first < 0.65)))
    )
    was_pending &= (state != act.FAILED) | (first < 0.08)
    took = np.where(was_pending, delay * np.maximum(_DELAY[kind], 0.05) * HOUR, delay * 10_000_000)
    took = np.where(instant, 0, took)
    # Two clocks: a few card payments complete milliseconds before they were created.
    early = (TYPES[kind] == "CARDS") & (state == act.COMPLETED) & ~was_pending & (oddity < 0.006)
    took = np.where(early, -1_000 - 4_000 * tip, took).astype(np.int64)
    completed = np.minimum(done.created + took, END + 30 * MINUTE)

    base = pl.DataFrame(
        {
            "customer": done.customer,
            "id": ids,
            "reference_transaction_id": references,
            "state": pl.Series(_STATES[state]),
            "type": pl.Series(TYPES[kind]),
            "category_id": category,
            "amount": done.amount,
            "currency": pl.repeat("EUR", n, dtype=pl.String, eager=True),
            "direction": pl.Series(DIRECTIONS[kind]),
            "completed_at": completed,
            "created_at": done.created,
            "ends": ends,
            "was_pending": was_pending,
            # The reserved amount and the booked amount can differ (a tip, a fuel pump).
            "reserved": np.where(
                (TYPES[kind] == "CARDS") & (oddity > 0.96), np.round(done.amount * tip, 2), done.amount
            ),
        }
    )
    typed = base.with_columns(
        completed_at=pl.when("ends").then("completed_at").cast(pl.Datetime("us", "UTC")),
        created_at=pl.col("created_at").cast(pl.Datetime("us", "UTC")),
        user_id=people.profiles["user_id"].gather(done.customer),
    )
    pending = typed.filter("was_pending").with_columns(
        state=pl.lit("PENDING"), completed_at=pl.lit(None, dtype=pl.Datetime("us", "UTC")), amount=pl.col("reserved")
    )
    return pl.concat([typed, pending]).select("customer", *COLUMNS)


COLUMNS: Final = (
    "id",
    "reference_transaction_id",
    "user_id",
    "state",
    "type",
    "category_id",
    "amount",
    "currency",
    "direction",
    "completed_at",
    "created_at",
)
