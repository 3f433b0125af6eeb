"""The wire's types."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_risk.serving.contract.request import RiskRequest, Timestamp, decode_hook

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@given(st.datetimes(min_value=dt.datetime(1900, 1, 1), max_value=dt.datetime(2200, 1, 1), timezones=st.just(dt.UTC)))  # noqa: DTZ001  hypothesis wants bounds without a zone
def test_a_time_is_the_microseconds_that_the_standard_library_counts(moment: dt.datetime) -> None:
    """RFC 3339 and the tables' own form give the same microseconds, and the right ones."""
    expected = round((moment - EPOCH) / dt.timedelta(microseconds=1))
    assert Timestamp.parse(moment.isoformat()) == expected
    assert Timestamp.parse(moment.isoformat().replace("+00:00", "Z")) == expected
    assert Timestamp.parse(moment.strftime("%4Y-%m-%d %H:%M:%S.%f UTC")) == expected


@pytest.mark.parametrize("fraction", ["", ".6", ".62", ".629", ".6298", ".62980", ".629801"])
def test_a_fraction_of_a_second_may_have_any_digits(fraction: str) -> None:
    """The tables leave out trailing zeros; so may a caller."""
    micros = int(float(fraction or 0) * 1e6 + 0.5)
    assert Timestamp.parse(f"2024-08-26 10:33:50{fraction} UTC") == 1_724_668_430_000_000 + micros


def test_an_offset_is_taken_into_account() -> None:
    """Noon in Nouméa is one in the morning in UTC."""
    assert Timestamp.parse("2024-08-26T12:00:00+11:00") == Timestamp.parse("2024-08-26T01:00:00Z")


@pytest.mark.parametrize(
    "text",
    [
        "2024-08-26T10:33:50",
        "2024-08-26",
        "20240826T103350Z",
        "2024-13-26T10:33:50Z",
        "2024-08-26T25:33:50Z",
        "2024-08-26T10:33:50." + "6" * 44 + "Z",
        "yesterday",
        "",
        "UTC",
        1_724_668_430,
        None,
        True,
    ],
)
def test_what_is_no_time_with_a_zone_is_refused(text: object) -> None:
    """A time without zone, an impossible one, or no text at all is a ValueError that shows the right form."""
    with pytest.raises(ValueError, match="a time with its zone, as in 2024-"):
        Timestamp.parse(text)


def test_only_our_own_types_reach_the_hook() -> None:
    """A type that the hook doesn't know is a mistake of ours, not the caller's."""
    with pytest.raises(NotImplementedError):
        decode_hook(complex, "1")


def test_a_request_takes_a_whole_row_of_the_tables(request_) -> None:
    """Columns that no decision may rest on are accepted in a profile, of whatever type."""
    request_["profile"] |= {"user_id": "u", "session_id": 7, "gender": None}
    assert msgspec.convert(request_, RiskRequest, dec_hook=decode_hook).profile.user_id == "u"
