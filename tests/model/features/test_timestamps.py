"""Times read in bulk: what the library says of each, faster."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customer_risk.model.features.encoded import NEVER
from customer_risk.serving.contract.request import Timestamp
from customer_risk.model.features.timestamps import read_timestamps

_DIGITS = st.text("0123456789", min_size=2, max_size=2)
_ZONES = ["Z", " UTC", "+00:00", "-11:30", "+23:59", "+24:00", "z", "", "+0100", " utc"]
_LIKELY = st.builds(
    "{}{}-{}-{}{}{}:{}:{}{}{}".format,
    st.sampled_from(["00", "19", "20", "99"]),
    _DIGITS,
    st.sampled_from(["00", "01", "02", "11", "12", "13"]),
    st.sampled_from(["00", "01", "28", "29", "30", "31", "32"]),
    st.sampled_from(["T", " ", "t", "_"]),
    st.sampled_from(["00", "23", "24"]) | _DIGITS,
    _DIGITS,
    st.sampled_from(["00", "59", "60"]),
    st.sampled_from(["", ".", ".5", ".123456", ".1234567", ".12a"]),
    st.sampled_from(_ZONES),
)


def _one_by_one(texts: list[str | None]) -> list[int] | None:
    try:
        return [NEVER if text is None else Timestamp.parse(text) for text in texts]
    except ValueError:
        return None


@pytest.mark.compiled  # digits that are none run over without a word there, and are told apart afterwards
@settings(max_examples=500, deadline=None)
@given(st.lists(_LIKELY | st.text(min_size=20, max_size=64) | st.just("2024-08-26T10:33:50Z"), max_size=3), st.data())
def test_bulk_reading_says_what_the_library_says(created, data) -> None:
    """Whatever the texts, what comes out is what each gives by itself, and a refusal where one is refused."""
    completed = [data.draw(st.none() | st.just(text)) for text in created]
    expected = _one_by_one([*created, *completed])
    if expected is None:
        with pytest.raises(ValueError, match="Expected a time"):
            read_timestamps(created, completed)
    else:
        assert read_timestamps(created, completed).tolist() == expected


@settings(max_examples=300, deadline=None)
@given(st.datetimes().map(lambda moment: moment.isoformat() + "Z"))
def test_every_moment_of_the_calendar_is_read(text) -> None:
    """From the year 1 to 9999, leap days and all."""
    assert read_timestamps([text], []).tolist() == [Timestamp.parse(text)]


def test_a_line_feed_within_a_text_leads_nothing_astray() -> None:
    """Texts are told apart by line feeds; one within a text is that text's fault alone."""
    with pytest.raises(ValueError, match="Expected a time"):
        read_timestamps(["2024-08-26T10:33:50Z\n2024-08-26T10:33:50Z"], [])


def test_unusual_times_among_usual_ones_are_left_to_the_library() -> None:
    """A lower-case zone is RFC 3339 too."""
    texts = ["2024-08-26T10:33:50Z", "2024-08-26t10:33:50z"]
    assert len(set(read_timestamps(texts, [None, texts[1]]).tolist())) == 2


def test_no_times_are_none() -> None:
    """A customer without transactions has none."""
    assert read_timestamps([], []).tolist() == []
