"""Sound columns encoded: what the careful encoder gives, faster."""

from __future__ import annotations

import datetime as dt

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from customer_risk.model.features.columns import History, Person, encode_columns
from customer_risk.model.features.encoded import NEVER
from customer_risk.model.features.kernel.compute import compute
from customer_risk.model.features.one import encode_customer
from customer_risk.model.features.vocabulary import DIRECTIONS, OCCUPATIONS, REASONS, STATES, TYPES

MICROSECONDS = st.integers(1_500_000_000_000_000, 1_800_000_000_000_000)
WORDS = st.sampled_from(["", "NEW", "fr-FR", "FR", "PF", "+33", "0033"])
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.sampled_from([f"t-{i}" for i in range(12)]),
            "state": st.sampled_from([*STATES, "NEW"]),
            "type": st.sampled_from([*TYPES, "NEW"]),
            "direction": st.sampled_from([*DIRECTIONS, "NEW"]),
            "amount": st.floats(0, 1e9) | st.just(-0.0),
            "created_at": MICROSECONDS,
            "completed_at": MICROSECONDS | st.none(),
        }
    ),
    max_size=15,
)
PROFILES = st.fixed_dictionaries(
    {
        "reason_to_use_app": st.none() | WORDS | st.sampled_from(REASONS),
        "occupation": st.none() | WORDS | st.sampled_from(OCCUPATIONS),
        "kyc_state": st.none() | WORDS,
        "screening_state": st.none() | WORDS,
        "has_biometrics": st.none() | st.booleans(),
        "is_pep": st.none() | st.booleans(),
        "is_adverse_media_minor": st.none() | st.booleans(),
        "country_of_residence": st.none() | WORDS,
        "phone_number_country_code": st.none() | WORDS,
        "document_issuing_country": st.none() | WORDS,
        "locale": st.none() | WORDS,
        "date_of_birth": st.none() | st.dates(dt.date(1900, 1, 1), dt.date(2020, 1, 1)),
    }
)


def history(rows: list[dict]) -> History:
    """Turn rows into columns."""

    def column(name: str) -> list:
        return [row[name] for row in rows]

    done = [NEVER if each is None else each for each in column("completed_at")]
    times = np.array(column("created_at"), np.int64), np.array(done, np.int64)
    ids = column("id")
    distinct = len(set(ids)) == len(ids)
    return History(ids, column("state"), column("type"), column("direction"), column("amount"), *times, distinct)


@settings(deadline=None)
@given(PROFILES, ROWS)
def test_columns_encode_as_rows_do(profile, rows) -> None:
    """Codes, amounts, times, features and warnings are those of the encoder that checks each row."""
    fast, warned = encode_columns(Person(**profile), history(rows))
    careful, also_warned = encode_customer(profile, rows)
    for name in ("offsets", "created", "completed", "amount", "state", "type", "direction", "profile"):
        ours, theirs = getattr(fast, name), getattr(careful, name)
        assert ours.dtype == theirs.dtype
        assert ours.tolist() == theirs.tolist()
    assert warned == also_warned
    assert compute(fast).tobytes() == compute(careful).tobytes()


@settings(deadline=None)
@given(ROWS)
def test_numbers_are_equal_where_ids_are(rows) -> None:
    """Two rows share a number exactly where they share an id."""
    encoded, _ = encode_columns(Person(*[None] * 12), history(rows))
    ids = [row["id"] for row in rows]
    assert (encoded.ids[:, None] == encoded.ids).tolist() == [[a == b for b in ids] for a in ids]
