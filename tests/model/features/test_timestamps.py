"""Times as texts, read as microseconds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customer_risk.model.features.encoded import NEVER
from customer_risk.model.features.timestamps import UNREADABLE, read_column, read_timestamps
from tests.times import ONLY_IN_TABLES, REFUSED_IN_TABLES, TIMES, microseconds

_DIGITS = st.text("0123456789", min_size=2, max_size=2)
_ZONES = ["Z", " UTC", "+00:00", "-11:30", "+23:59", "+24:00", "z", "", "+0100", "+00", " utc"]
LIKELY = st.builds(
    "{}{}-{}-{}{}{}:{}:{}{}{}".format,
    st.sampled_from(["00", "19", "20", "99"]),
    _DIGITS,
    st.sampled_from(["00", "01", "02", "11", "12", "13"]),
    st.sampled_from(["00", "01", "28", "29", "30", "31", "32"]),
    st.sampled_from(["T", " ", "t", "_"]),
    st.sampled_from(["00", "23"]) | _DIGITS,
    _DIGITS,
    st.sampled_from(["00", "59", "60"]),
    st.sampled_from(["", ".", ".5", ".123456", ".1234567", ".99999999", ".000000999", ".12a", "." + "6" * 43])
    | st.text("0123456789", max_size=45).map(lambda digits: "." + digits),
    st.sampled_from(_ZONES),
)


@pytest.mark.compiled  # other characters than digits overflow silently in compiled code, and are found afterwards
@settings(max_examples=500, deadline=None)
@given(st.lists(LIKELY | st.text(min_size=20, max_size=64) | st.just("2024-08-26T10:33:50Z"), max_size=3), st.data())
def test_times_equal_pythons(created, data) -> None:
    """Texts give the microseconds of Python's datetime with decimals cut; a text that isn't a time is refused."""
    completed = [data.draw(st.none() | st.just(text)) for text in created]
    expected = [NEVER if text is None else microseconds(text) for text in (*created, *completed)]
    if None in expected:
        with pytest.raises(ValueError, match="Expected a time"):
            read_timestamps(created, completed)
    else:
        assert read_timestamps(created, completed).tolist() == expected


@settings(max_examples=300, deadline=None)
@given(st.datetimes().map(lambda moment: moment.isoformat() + "Z"))
def test_every_moment_of_the_calendar_is_read(text) -> None:
    """Every time from the year 1 to 9999 is read, leap days included."""
    assert read_timestamps([text]).tolist() == [microseconds(text)]


@pytest.mark.parametrize("text", TIMES, ids=repr)
def test_tables_and_requests_read_the_same_times(text) -> None:
    """A text gives the same microseconds in a request and in a column of a table, or is refused by both."""
    expected = TIMES[text]
    assert microseconds(text) == expected
    if expected is None:
        with pytest.raises(ValueError, match="Expected a time"):
            read_timestamps([text])
    else:
        assert read_timestamps([text]).tolist() == [expected]
    if "\n" not in text:
        column = read_column(f"{text}\n".encode(), 1)
        assert column.tolist() == [UNREADABLE if expected is None else expected]


@pytest.mark.parametrize("text", ONLY_IN_TABLES)
def test_only_tables_hold_times_without_a_zone_and_other_forms(text) -> None:
    """A time without a zone is UTC in tables; elsewhere it is refused."""
    assert read_column(f"{text}\n".encode(), 1).tolist() == [ONLY_IN_TABLES[text]]
    with pytest.raises(ValueError, match="Expected a time"):
        read_timestamps([text])


@pytest.mark.parametrize("text", REFUSED_IN_TABLES)
def test_tables_refuse_texts_that_resemble_their_forms(text) -> None:
    """Two spaces before a zone, a space without a zone and half an offset are unreadable."""
    assert read_column(f"{text}\n".encode(), 1).tolist() == [UNREADABLE]


def test_a_line_feed_within_a_text_is_refused() -> None:
    """Line feeds separate texts: one within a text is refused, and so is a column with another number of texts."""
    with pytest.raises(ValueError, match="Expected a time"):
        read_timestamps(["2024-08-26T10:33:50Z\n2024-08-26T10:33:50Z"])
    with pytest.raises(ValueError, match="Expected a time"):
        read_timestamps(["2024-08-26T10:33:50Z\n2024-08-26T10:33:50Z", "2024-08-26T10:33:50Z"], ["x\n"])
    with pytest.raises(ValueError, match="expected 2 texts"):
        read_column(b"2024-08-26T10:33:50Z\n", 2)


def test_empty_texts_of_a_column_are_never() -> None:
    """An empty text is NEVER, also beside times."""
    assert read_column(b"\n1970-01-01 00:00:00\n\n", 3).tolist() == [NEVER, 0, NEVER]
    assert read_column(b"", 0).tolist() == []


def test_empty_lists_have_no_times() -> None:
    """Without texts, there are no times."""
    assert read_timestamps([], []).tolist() == []
