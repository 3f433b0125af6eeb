"""One customer from Python objects: what is taken, what is warned of and what is refused."""

from __future__ import annotations

import datetime as dt
import math
from collections import UserDict
from typing import Any

import numpy as np
import pytest

from customer_risk.model.errors import InputError
from customer_risk.model.features import one
from customer_risk.model.features.encoded import NEVER
from customer_risk.model.features.one import encode_customer
from customer_risk.model.features.vocabulary import MISSING, OTHER, PROFILE, STATES, TYPES, UNKNOWN_DAY, UNKNOWN_OFFSET


def refused(profile: Any, rows: Any) -> dict[str, str]:
    """Encode what can't be encoded, and give what is said of each field."""
    with pytest.raises(InputError) as caught:
        encode_customer(profile, rows)
    return {field.pointer: field.detail for field in caught.value.fields}


def test_clean_rows_have_codes_and_times(row: Any, profile: Any) -> None:
    """Rows become columns: ids by number, times in microseconds, categories as codes."""
    at = dt.datetime(2024, 8, 5, 2, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    encoded, warned = encode_customer(
        profile, [row(0, 5, id="a"), row(1, id="b", type="MANUAL", completed_at=at), row(2, id="a", state="REVERSED")]
    )
    assert warned == ()
    assert encoded.offsets.tolist() == [0, 3]
    assert encoded.ids.tolist() == [0, 1, 0]
    assert encoded.completed.tolist() == [NEVER, row(0)["created_at"], NEVER]
    assert encoded.state.tolist() == [STATES.index("COMPLETED")] * 2 + [STATES.index("REVERSED")]
    assert encoded.type[1] == TYPES.index("MANUAL")
    assert encoded.amount.tolist() == [5, 10, 10]


@pytest.mark.parametrize(
    "moment",
    [
        dt.datetime(2024, 8, 5, 0, 0, 0, 123_456, tzinfo=dt.UTC),
        dt.datetime(2024, 8, 5, 9, 0, 0, 123_456, tzinfo=dt.timezone(dt.timedelta(hours=9))),
        1_722_816_000_123_456,
    ],
)
def test_times_are_aware_or_microseconds(row: Any, profile: Any, moment: Any) -> None:
    """A time with any zone, or microseconds since 1970, is the same moment to the microsecond."""
    encoded, _ = encode_customer(profile, [row(created_at=moment)])
    assert encoded.created[0] == 1_722_816_000_123_456


def test_times_before_1970_are_times(row: Any, profile: Any) -> None:
    """A moment before 1970 has negative microseconds."""
    encoded, _ = encode_customer(profile, [row(created_at=dt.datetime(1969, 12, 31, 23, 59, 59, 5, tzinfo=dt.UTC))])
    assert encoded.created[0] == -999_995


def test_absent_profile_fields_are_missing(row: Any) -> None:
    """An empty profile is one of which nothing is known."""
    encoded, warned = encode_customer({}, [row()])
    known = dict(zip(PROFILE, encoded.profile[0].tolist(), strict=True))
    assert known["utc_offset"] == UNKNOWN_OFFSET
    assert known["birth_day"] == UNKNOWN_DAY
    assert known["occupation"] == MISSING
    assert known["has_biometrics"] == known["overseas"] == -1
    assert warned == ()


def test_completed_at_and_currency_may_be_absent(row: Any, profile: Any) -> None:
    """A row without completed_at isn't completed, and one without a currency is in EUR."""
    short = {name: value for name, value in row().items() if name not in {"completed_at", "currency"}}
    encoded, _ = encode_customer(profile, [short, row(5)])
    assert encoded.completed.tolist() == [NEVER, NEVER]


def test_any_mapping_will_do(row: Any, profile: Any) -> None:
    """Rows needn't be dictionaries."""
    encoded, _ = encode_customer(UserDict(profile), [UserDict(row(0, 7))])
    assert encoded.amount.tolist() == [7]


def test_no_transactions_are_no_rows(profile: Any) -> None:
    """A customer without a transaction is one of no rows."""
    encoded, _ = encode_customer(profile, [])
    assert encoded.offsets.tolist() == [0, 0]
    assert len(encoded.ids) == 0


@pytest.mark.parametrize("name", ["reason_to_use_app", "occupation", "kyc_state", "screening_state"])
def test_unknown_profile_categories_are_warned_of(profile: Any, name: str) -> None:
    """A category that nobody knows is taken as OTHER, and its pointer told."""
    encoded, warned = encode_customer(profile | {name: "ASTRONAUT"}, [])
    assert encoded.profile[0, PROFILE.index(name)] == OTHER
    assert [(each.code, each.pointer) for each in warned] == [("UNKNOWN_CATEGORY", f"/profile/{name}")]
    assert "ASTRONAUT" in warned[0].detail


@pytest.mark.parametrize(("name", "code"), [("state", 6), ("type", 9), ("direction", 2)])
def test_unknown_event_categories_are_warned_of(row: Any, profile: Any, name: str, code: int) -> None:
    """A category of a row that nobody knows is taken as OTHER, and its pointer told."""
    encoded, warned = encode_customer(profile, [row(), row(5, **{name: "NEW"})])
    assert getattr(encoded, name).tolist()[1] == code
    assert [(each.code, each.pointer) for each in warned] == [("UNKNOWN_CATEGORY", f"/transactions/1/{name}")]


def test_empty_text_is_a_missing_category(profile: Any) -> None:
    """An empty string says no more than nothing."""
    encoded, warned = encode_customer(profile | {"occupation": "", "country_of_residence": ""}, [])
    assert encoded.profile[0, PROFILE.index("occupation")] == MISSING
    assert encoded.profile[0, 0] == UNKNOWN_OFFSET
    assert warned == ()


@pytest.mark.parametrize(
    ("name", "value", "detail"),
    [
        ("created_at", dt.datetime(2024, 8, 5), "has no time zone"),  # noqa: DTZ001  what is refused
        ("created_at", "2024-08-05T00:00:00Z", "must be a time"),
        ("created_at", None, "is missing"),
        ("created_at", True, "must be a time"),
        ("created_at", 2**62, "must be a time"),
        ("completed_at", dt.datetime(2024, 8, 5), "has no time zone"),  # noqa: DTZ001  what is refused
        ("completed_at", 1.5, "must be a time"),
        ("amount", -0.01, "must be finite"),
        ("amount", math.nan, "must be finite"),
        ("amount", math.inf, "must be finite"),
        ("amount", 10**400, "must be finite"),
        ("amount", 2e12, "no more than a trillion"),
        ("amount", "12.5", "must be a number"),
        ("amount", True, "must be a number"),
        ("amount", None, "is missing"),
        ("currency", "USD", "must be EUR"),
        ("currency", None, "must be EUR"),
        ("state", 3, "must be a string"),
        ("state", ["COMPLETED"], "must be a string"),
        ("type", None, "is missing"),
        ("direction", {}, "must be a string"),
        ("id", 17, "must be a string"),
        ("id", None, "is missing"),
    ],
)
def test_bad_fields_of_rows_are_named(row: Any, profile: Any, name: str, value: object, detail: str) -> None:
    """What can't be used in a row is refused, with its pointer."""
    said = refused(profile, [row(), row(5, **{name: value})])
    assert list(said) == [f"/transactions/1/{name}"]
    assert detail in said[f"/transactions/1/{name}"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("has_biometrics", "true"),
        ("is_pep", 1),
        ("occupation", 5),
        ("country_of_residence", ["FR"]),
        ("date_of_birth", "yesterday"),
        ("date_of_birth", 1990),
    ],
)
def test_bad_profile_fields_are_named(profile: Any, name: str, value: object) -> None:
    """What can't be used in a profile is refused, with its pointer."""
    assert list(refused(profile | {name: value}, [])) == [f"/profile/{name}"]


def test_every_bad_field_is_named_at_once(row: Any, profile: Any) -> None:
    """A caller hears of all that is wrong in one answer."""
    said = refused(profile | {"is_pep": "no"}, [row(amount=-1), "not a row", row(state=None)])
    assert list(said) == ["/profile/is_pep", "/transactions/0/amount", "/transactions/1", "/transactions/2/state"]


def test_a_day_of_birth_may_be_text(profile: Any) -> None:
    """A date written as 1990-12-31 is that day."""
    encoded, _ = encode_customer(profile | {"date_of_birth": "1970-01-31"}, [])
    assert encoded.profile[0, PROFILE.index("birth_day")] == 30


def test_the_short_way_and_the_careful_one_agree(row: Any, profile: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows in which nothing is wrong are encoded alike where each field is looked at."""
    rows = [row(5, 7), row(0, 8, completed_at=dt.datetime(2024, 8, 9, tzinfo=dt.UTC)), row(5, 0, id="z")]
    short, _ = encode_customer(profile, rows)
    monkeypatch.setattr(one, "_clean_rows", lambda _: None)
    careful, _ = encode_customer(profile, rows)
    for name in short.__slots__:
        assert np.array_equal(getattr(short, name), getattr(careful, name)), name


def test_amounts_that_come_to_a_trillion_are_still_amounts(row: Any, profile: Any) -> None:
    """Each amount is held to the limit, not their sum."""
    encoded, _ = encode_customer(profile, [row(0, 9e11), row(1, 9e11)])
    assert encoded.amount.sum() == 1.8e12
