"""One customer encoded from Python objects, for tests that make customers up."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from customer_risk.model.features.columns import History, Person, encode_columns
from customer_risk.model.features.encoded import GREATEST_AMOUNT, NEVER, Encoded
from customer_risk.model.features.vocabulary import DIRECTIONS, OCCUPATIONS, REASONS, STATES, TYPES

# Profiles and rows with known, unknown, empty and missing values; few ids and times, so that they repeat.
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
TIMES = st.sampled_from([START, START + 1, START + 3_600_000_000]) | st.integers(START, START + 30 * 7 * 86_400_000_000)
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

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def person_of(profile: Mapping[str, Any]) -> Person:
    """Return the profile's fields; an absent one is unknown."""
    return Person(*[profile.get(name) for name in Person._fields])


def history_of(rows: Sequence[Mapping[str, Any]]) -> History:
    """Turn rows into columns; times are microseconds since 1970, aware datetimes or absent."""
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
