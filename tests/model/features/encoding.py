"""One customer encoded from Python objects, for tests that make customers up."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from customer_risk.model.features.columns import History, Person, encode_columns
from customer_risk.model.features.encoded import NEVER, Encoded

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def person_of(profile: Mapping[str, Any]) -> Person:
    """Take a profile's fields; one that is absent is unknown."""
    return Person(*[profile.get(name) for name in Person._fields])


def history_of(rows: Sequence[Mapping[str, Any]]) -> History:
    """Turn rows into columns; times are microseconds since 1970 or aware datetimes, and an absent one is none."""
    ids, states, types, directions, amounts = (
        [row[name] for row in rows] for name in ("id", "state", "type", "direction", "amount")
    )
    created, completed = (
        np.array([_microseconds(row.get(name)) for row in rows], np.int64) for name in ("created_at", "completed_at")
    )
    return History(ids, states, types, directions, amounts, created, completed, len(set(ids)) == len(ids))


def encode_customer(profile: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Encoded:
    """Encode a profile and transaction rows with the encoder that requests go through."""
    encoded, _ = encode_columns(person_of(profile), history_of(rows))
    return encoded


def _microseconds(time: dt.datetime | int | None) -> int:
    if time is None:
        return NEVER
    return time if isinstance(time, int) else (time - _EPOCH) // dt.timedelta(microseconds=1)
