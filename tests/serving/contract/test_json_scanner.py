"""The positions of the values in a JSON text, compared with Python's parser."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customer_risk.serving.contract import json_scanner
from customer_risk.serving.contract.json_scanner import NotJson

_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8)
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(st.text(max_size=4), inner, max_size=5)),
    max_leaves=20,
)
_INDENTS = st.sampled_from([None, 0, 3])


def _at(text: bytes, span: tuple[int, int]) -> object:
    return json.loads(text[span[0] : span[1]])


@settings(max_examples=200, deadline=None)
@given(st.lists(_VALUES, max_size=5), _INDENTS, st.booleans())
def test_the_values_of_a_list_are_found_in_order(values, indent, ascii_) -> None:
    """Each span contains the text of exactly one value, whatever separates the values."""
    text = b" " + json.dumps(values, indent=indent, ensure_ascii=ascii_).encode("utf-8", "surrogatepass") + b"\n"
    found = [
        _at(text, span) for some in json_scanner.elements(text, json_scanner.whole(text)) for span in some.tolist()
    ]
    assert found == values


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(max_size=4), _VALUES, max_size=5), _INDENTS)
def test_the_members_of_an_object_are_found_by_name(values, indent) -> None:
    """The names of members are decoded, including their escapes."""
    text = json.dumps(values, indent=indent).encode()
    assert {name: _at(text, span) for name, span in json_scanner.members(text, json_scanner.whole(text))} == values


def test_a_long_list_is_found_in_parts() -> None:
    """All values of a list of any length are found."""
    text = json.dumps(list(range(10_000))).encode()
    parts = list(json_scanner.elements(text, json_scanner.whole(text)))
    assert len(parts) > 1
    assert [_at(text, span) for part in parts for span in part.tolist()] == list(range(10_000))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"[",
        b"[1",
        b"[1,",
        b"[1,]",
        b"[,1]",
        b"[1 2]",
        b"[1}",
        b'["a]',
        b'["a\\"]',
        b"[1] 2",
        b"[1]]",
        b"[[1]",
    ],
)
def test_a_list_that_is_not_json_is_refused(text) -> None:
    """A list that doesn't end, or has a missing or an extra separator, raises NotJson."""
    with pytest.raises(NotJson):
        [part for part in json_scanner.elements(text, json_scanner.whole(text)) for _ in part.tolist()]


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b'{"a"',
        b'{"a":',
        b'{"a":1',
        b'{"a":1,}',
        b'{"a" 1}',
        b"{a:1}",
        b"{1:1}",
        b'{"a":}',
        b'{"\\ud800":1}',
        b'{"\xff":1}',
    ],
)
def test_an_object_that_is_not_json_is_refused(text) -> None:
    """An object that doesn't end, or whose names aren't strings, raises NotJson."""
    with pytest.raises(NotJson):
        list(json_scanner.members(text, json_scanner.whole(text)))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(_SCALARS, st.sampled_from([math.nan, math.inf, -math.inf]), st.just("NaN, Infinity")), max_size=6
    )
)
def test_constants_that_are_not_json_become_texts_of_the_same_length(values) -> None:
    """Only constants outside strings are replaced, and every other value keeps its position."""
    text = json.dumps(values, ensure_ascii=False).encode()
    replaced = json_scanner.finite(text)
    assert len(replaced) == len(text)
    found = json.loads(replaced)
    for value, other in zip(values, found, strict=True):
        odd = isinstance(value, float) and not math.isfinite(value)
        assert isinstance(other, str) if odd else other == value


@pytest.mark.parametrize("word", [b"NaNa", b"Infinite", b"-Nan", b"Nan", b"I"])
def test_other_words_are_not_replaced(word) -> None:
    """A word that only begins like a constant isn't replaced, so that the decoder refuses it."""
    text = b"[NaN,%b]" % word
    assert json_scanner.finite(text) == b'["a",%b]' % word


@pytest.mark.parametrize(
    ("text", "most", "more"),
    [
        (b"[1,2,3]", 3, True),
        (b"[1,2,3]", 4, False),
        (b'["a,b,c,[{"]', 2, False),
        (b"[{},{}]", 4, True),
        (b"1", 1, False),
    ],
)
def test_values_are_counted_outside_of_texts(text, most, more) -> None:
    """An empty list counts as one value."""
    assert json_scanner.holds_more(text, most) is more
