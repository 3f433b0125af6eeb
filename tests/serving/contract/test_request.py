"""The types of requests."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_risk.serving.contract.request import RiskRequest, Timestamp, decode_hook

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@given(st.datetimes(min_value=dt.datetime(1900, 1, 1), max_value=dt.datetime(2200, 1, 1), timezones=st.just(dt.UTC)))  # noqa: DTZ001  hypothesis wants bounds without a zone
def test_a_time_equals_that_of_the_standard_library(moment: dt.datetime) -> None:
    """RFC 3339 and the tables' form give the microseconds of the standard library."""
    expected = round((moment - EPOCH) / dt.timedelta(microseconds=1))
    assert Timestamp.parse(moment.isoformat()) == expected
    assert Timestamp.parse(moment.isoformat().replace("+00:00", "Z")) == expected
    assert Timestamp.parse(moment.strftime("%4Y-%m-%d %H:%M:%S.%f UTC")) == expected


@pytest.mark.parametrize("fraction", ["", ".6", ".62", ".629", ".6298", ".62980", ".629801"])
def test_a_fraction_of_a_second_may_have_any_digits(fraction: str) -> None:
    """Trailing zeros of a second may be left out."""
    micros = int(float(fraction or 0) * 1e6 + 0.5)
    assert Timestamp.parse(f"2024-08-26 10:33:50{fraction} UTC") == 1_724_668_430_000_000 + micros


def test_an_offset_is_taken_into_account() -> None:
    """A time with an offset is converted to UTC."""
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
def test_an_invalid_time_is_refused(text: object) -> None:
    """An invalid time, and a time without a zone, raises ValueError with an example of the form."""
    with pytest.raises(ValueError, match="a time with its zone, as in 2024-"):
        Timestamp.parse(text)


def test_the_hook_refuses_unknown_types() -> None:
    """The hook raises NotImplementedError for a type that it doesn't know."""
    with pytest.raises(NotImplementedError):
        decode_hook(complex, "1")


def test_a_request_takes_a_whole_row_of_the_tables(request_) -> None:
    """Columns that no decision may use are accepted in a profile, with values of any type."""
    request_["profile"] |= {"user_id": "u", "session_id": 7, "gender": None}
    assert msgspec.convert(request_, RiskRequest, dec_hook=decode_hook).profile.user_id == "u"
