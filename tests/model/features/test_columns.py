"""The encoding of one customer: codes, warnings and numbers."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from customer_risk.model.features.columns import Person, encode_columns
from customer_risk.model.features.encoded import NEVER
from customer_risk.model.features.frame import encode_frame
from customer_risk.model.features.kernel.compute import compute
from customer_risk.model.features.vocabulary import MISSING, OTHER, PROFILE, STATES, TYPES, UNKNOWN_DAY, UNKNOWN_OFFSET
from tests.model.features.encoding import PROFILES, ROWS, encode_customer, history_of, person_of


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(profile=PROFILES, rows=st.lists(ROWS, max_size=15))
def test_columns_encode_as_a_table_does(tables_of, profile, rows) -> None:
    """Codes, amounts, times and features are those of the table of one customer, to the bit."""
    encoded, _ = encode_columns(person_of(profile), history_of(rows))
    table = encode_frame(*tables_of([(profile, rows)]))
    for name in ("offsets", "created", "completed", "amount", "state", "type", "direction", "profile"):
        ours, theirs = getattr(encoded, name), getattr(table, name)
        assert ours.dtype == theirs.dtype
        assert ours.tolist() == theirs.tolist()
    assert compute(encoded).tobytes() == compute(table).tobytes()


@settings(deadline=None)
@given(st.lists(ROWS, max_size=15))
def test_equal_ids_have_equal_numbers(rows) -> None:
    """Two rows have the same number if and only if they have the same id."""
    encoded, _ = encode_columns(Person(*[None] * 12), history_of(rows))
    ids = [row["id"] for row in rows]
    assert (encoded.ids[:, None] == encoded.ids).tolist() == [[a == b for b in ids] for a in ids]


def test_rows_become_columns_of_codes(row, profile) -> None:
    """Categories become codes, and a transaction that isn't completed has no time of completion."""
    at = row(0)["created_at"]
    encoded = encode_customer(profile, [row(0, 5, type="MANUAL", completed_at=at), row(2, state="REVERSED")])
    assert encoded.offsets.tolist() == [0, 2]
    assert encoded.completed.tolist() == [at, NEVER]
    assert encoded.state.tolist() == [STATES.index("COMPLETED"), STATES.index("REVERSED")]
    assert encoded.type[0] == TYPES.index("MANUAL")
    assert encoded.amount.tolist() == [5, 10]


def test_an_empty_profile_has_the_codes_of_missing_values() -> None:
    """Every field has the code of a missing value."""
    known = dict(zip(PROFILE, encode_customer({}, []).profile[0].tolist(), strict=True))
    assert known["utc_offset"] == UNKNOWN_OFFSET
    assert known["birth_day"] == UNKNOWN_DAY
    assert known["occupation"] == MISSING
    assert known["has_biometrics"] == known["overseas"] == -1


def test_an_empty_text_is_a_missing_category(profile) -> None:
    """An empty occupation or country is encoded as an absent one, without a warning."""
    encoded, warned = encode_columns(
        person_of(profile | {"occupation": "", "country_of_residence": ""}), history_of([])
    )
    assert encoded.profile[0, PROFILE.index("occupation")] == MISSING
    assert encoded.profile[0, 0] == UNKNOWN_OFFSET
    assert warned == ()


@pytest.mark.parametrize("name", ["reason_to_use_app", "occupation", "kyc_state", "screening_state"])
def test_an_unknown_category_of_a_profile_causes_a_warning(profile, name) -> None:
    """An unknown category is encoded as OTHER, and the warning points to it and repeats it."""
    encoded, warned = encode_columns(person_of(profile | {name: "ASTRONAUT"}), history_of([]))
    assert encoded.profile[0, PROFILE.index(name)] == OTHER
    assert [(each.code, each.pointer) for each in warned] == [("UNKNOWN_CATEGORY", f"/profile/{name}")]
    assert "ASTRONAUT" in warned[0].detail


@pytest.mark.parametrize(("name", "code"), [("state", 6), ("type", 9), ("direction", 2)])
def test_an_unknown_category_of_a_row_causes_a_warning(row, profile, name, code) -> None:
    """An unknown category is encoded as OTHER, and the warning points to its row."""
    encoded, warned = encode_columns(person_of(profile), history_of([row(), row(5, **{name: "NEW"})]))
    assert getattr(encoded, name).tolist()[1] == code
    assert [(each.code, each.pointer) for each in warned] == [("UNKNOWN_CATEGORY", f"/transactions/1/{name}")]
