"""The parser: valid requests, and every kind of invalid one."""

from __future__ import annotations

import copy
import json
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from customer_risk.model.errors import InputError
from customer_risk.serving.contract.request import RiskRequest
from customer_risk.serving.decisions.request_parser import ParsedRequest, RequestParser
from customer_risk.serving.decisions.validation import find_faults
from customer_risk.serving.errors import MalformedBody


def _body(document: Any) -> bytes:
    return json.dumps(document).encode()


def _put(document: Any, path: str, value: object) -> None:
    """Set the value at a path of names and indices, or remove it if it is an Ellipsis."""
    *parents, last = [int(part) if part.isdecimal() else part for part in path.split("/")]
    for part in parents:
        document = document[part]
    if value is ...:
        del document[last]
    else:
        document[last] = value


def _faults(reader: RequestParser, body: bytes, now: float) -> dict[str, str]:
    with pytest.raises(InputError) as caught:
        reader.read(body, now=now)
    return {each.pointer: each.detail for each in caught.value.fields}


def plain(read: ParsedRequest) -> dict[str, Any]:
    """Return a parsed request as plain values."""
    history = read.history._asdict() if read.history else {}
    columns = {name: np.asarray(column).tolist() for name, column in history.items()}
    return {"customer_id": read.customer_id, "person": read.person, "warnings": read.warnings} | columns


def test_a_valid_request_is_parsed_without_a_warning(reader, request_, now) -> None:
    """A valid request is parsed without a warning; times are microseconds since 1970."""
    read = reader.read(_body(request_), now=now)
    assert read.warnings == ()
    assert read.person.occupation == "STUDENTS"
    assert read.history.created[0] == 1_724_236_430_629_801
    assert read.values.size == 0


def test_forbidden_profile_columns_are_dropped(reader, request_, now) -> None:
    """Gender is accepted and dropped."""
    assert not hasattr(reader.read(_body(request_), now=now).person, "gender")


def test_no_transactions_is_an_empty_list(reader, request_, now) -> None:
    """A customer may have no transactions."""
    request_["transactions"] = []
    assert len(reader.read(_body(request_), now=now).history.ids) == 0


def test_no_transactions_as_columns_is_empty_columns(reader, request_, as_columns, now) -> None:
    """Columns may be empty as well."""
    request_["transactions"] = {name: [] for name in as_columns(request_["transactions"])}
    assert len(reader.read(_body(request_), now=now).history.ids) == 0


def test_columns_are_read_as_rows_are(reader, request_, as_columns, now) -> None:
    """Both forms give the same transactions."""
    by_row = plain(reader.read(_body(request_), now=now))
    request_["transactions"] = as_columns(request_["transactions"])
    assert plain(reader.read(_body(request_), now=now)) == by_row


def test_features_are_read_with_null_for_missing(reader, now) -> None:
    """All features of the model are required, and others of the catalogue are allowed."""
    body = _body({"customer_id": "c-1", "features": {"a": 1, "b": None, "c": -0.5}})
    np.testing.assert_array_equal(reader.read(body, now=now).values, [1.0, np.nan])


@pytest.mark.parametrize(
    ("path", "value", "detail"),
    [
        ("customer_id", ..., "is required"),
        ("customer_id", 7, 'expected a string of 1 to 128 characters other than "erased"; got 7'),
        ("customer_id", "", "got an empty string"),
        ("customer_id", "x" * 129, 'a string of 1 to 128 characters other than "erased"; got a string'),
        ("customer_id", "erased", 'a string of 1 to 128 characters other than "erased"; got a string'),
        ("customer_id", None, "got null"),
        ("history_complete", "yes", "expected true or false; got a string"),
        ("profile", ..., "is required"),
        ("profile", [], "expected an object; got a list"),
        ("profile/occupation", 3, "expected a string of at most 128 characters, or null; got 3"),
        ("profile/is_pep", "true", "expected true, false or null; got a string"),
        ("profile/is_pep", 1, "expected true, false or null; got 1"),
        ("profile/date_of_birth", "31.01.1990", "expected a date as in 1990-01-31, or null; got a string"),
        ("transactions", ..., "is required"),
        ("transactions", None, "expected a list of objects, or an object of lists; got null"),
        ("transactions/2", "t-3", "expected an object; got a string"),
        ("transactions/2/id", ..., "is required"),
        ("transactions/2/state", None, "got null"),
        ("transactions/2/amount", "12.50", "expected a number of EUR from 0 to 1,000,000,000,000; got a string"),
        ("transactions/2/amount", -0.01, "got -0.01"),
        ("transactions/2/amount", True, "got true"),
        ("transactions/2/amount", None, "got null"),
        ("transactions/2/amount", 1e13, "got 10000000000000.0"),
        ("transactions/2/amount", float("nan"), "got a number too large or not finite"),
        ("transactions/2/amount", float("inf"), "got a number too large or not finite"),
        ("transactions/2/amount", 10**400, "got a number too large or not finite"),
        ("transactions/2/amount", {"EUR": 1}, "got an object"),
        ("transactions/2/currency", "USD", 'expected "EUR": convert the amount before sending it; got a string'),
        ("transactions/2/currency", None, "got null"),
        ("transactions/2/created_at", ..., "is required"),
        ("transactions/2/created_at", "2024-08-26T10:33:50", "expected a time with its zone"),
        ("transactions/2/created_at", 1724668430, "expected a time with its zone"),
        ("transactions/2/created_at", f"2024-08-26T10:33:50.{'6' * 44}Z", "expected a time with its zone"),
        (
            "transactions/2/completed_at",
            "soon",
            "expected a time with its zone, as in 2024-08-26T10:33:50.629801Z, or null",
        ),
    ],
)
def test_a_bad_field_is_named_with_what_was_expected(reader, request_, now, path, value, detail) -> None:
    """Each refusal has the pointer of the field and what was expected, without the text that was sent."""
    _put(request_, path, value)
    faults = _faults(reader, _body(request_), now)
    assert list(faults) == [f"/{path}"]
    assert detail in faults[f"/{path}"]


@pytest.mark.parametrize(
    ("path", "value", "detail"),
    [
        ("amount/1", "12.50", "expected a number of EUR"),
        ("created_at/0", "soon", "expected a time with its zone"),
        ("created_at/0", f"2024-08-26T10:33:50.{'6' * 44}Z", "expected a time with its zone"),
        ("currency/3", "USD", "convert the amount"),
        ("completed_at/2", 5, "or null; got 5"),
        ("type", ..., "is required"),
        ("type", "CARDS", "expected a list; got a string"),
        ("amount", [1.0, 2.0], "has 2 values, but id has 5"),
    ],
)
def test_a_bad_column_is_named_too(reader, request_, as_columns, now, path, value, detail) -> None:
    """In columns, the pointer has the column and the index."""
    request_["transactions"] = as_columns(request_["transactions"])
    _put(request_["transactions"], path, value)
    faults = _faults(reader, _body(request_), now)
    assert list(faults) == [f"/transactions/{path}"]
    assert detail in faults[f"/transactions/{path}"]


@pytest.mark.parametrize(
    ("features", "pointer", "detail"),
    [
        ({"a": 1, "b": 2, "typo/x": 3}, "/features/typo~1x", "unknown feature"),
        ({"a": 1}, "/features/b", "is required by the model; send null if it is missing"),
        ({"a": "1", "b": 2}, "/features/a", "expected a number from -1e15 to 1e15, or null if missing; got a string"),
        ({"a": float("nan"), "b": 2}, "/features/a", "got a number too large or not finite"),
        ({"a": True, "b": 2}, "/features/a", "got true"),
        ([1, 2], "/features", "expected an object; got a list"),
    ],
)
def test_a_bad_feature_is_named(reader, now, features, pointer, detail) -> None:
    """Unknown, absent, textual and non-finite features are each refused by name."""
    faults = _faults(reader, _body({"customer_id": "c-1", "features": features}), now)
    assert list(faults) == [pointer]
    assert detail in faults[pointer]


def test_features_with_a_profile_are_refused(reader, request_, now) -> None:
    """Features together with a profile are refused."""
    request_["features"] = {"a": 1, "b": 2}
    assert _faults(reader, _body(request_), now) == {"/features": "can't be combined with profile or transactions"}


def test_a_request_without_content_is_refused(reader, now) -> None:
    """A request with only a customer's id is refused with the pointer of the whole document."""
    assert _faults(reader, b'{"customer_id": "c-1"}', now) == {"": "must have profile and transactions, or features"}


@pytest.mark.parametrize("body", [b"[]", b'"c-1"', b"null", b"3", b"1" * 10_000])
def test_json_that_is_not_an_object_is_refused(reader, now, body) -> None:
    """JSON that isn't an object is refused with the pointer of the whole document."""
    assert list(_faults(reader, body, now)) == [""]


def test_every_bad_field_is_named_at_once(reader, request_, now) -> None:
    """One refusal names all bad fields."""
    for path, value in [
        ("customer_id", 7),
        ("profile/is_pep", "no"),
        ("profile/locale", 1),
        ("transactions/0/amount", -1),
        ("transactions/4/created_at", None),
        ("history_complete", 0),
    ]:
        _put(request_, path, value)
    assert set(_faults(reader, _body(request_), now)) == {
        "/customer_id",
        "/profile/is_pep",
        "/profile/locale",
        "/transactions/0/amount",
        "/transactions/4/created_at",
        "/history_complete",
    }


def test_a_refusal_names_no_more_than_a_hundred_fields(reader, request_, now) -> None:
    """A refusal names at most a hundred fields; the last item says that there are more."""
    request_["transactions"] = [{}] * 5000
    with pytest.raises(InputError) as caught:
        reader.read(_body(request_), now=now)
    assert len(caught.value.fields) == 101
    assert "more than 100" in caught.value.fields[-1].detail


NOT_JSON = {
    "empty": b"",
    "cut": b"{",
    "word": b"customer",
    "comma": b'{"customer_id": "c-1",}',
    "not UTF-8": b'{"customer_id": "\xff"}',
    "surrogate": b'{"customer_id": "\\ud800", "features": {"a": 1, "b": 1}}',
    "surrogate and more": b'{"customer_id": "\\ud800", "features": {"a": 1, "b": 1}, "more": 1}',
    "surrogate flag": b'{"customer_id": "c-1", "history_complete": "\\ud800"}',
    "deep": b"[" * 100_000,
    "deep field": b'{"customer_id": ' + b"[" * 100_000,
    "UTF-16": '{"customer_id": "c-1", "features": {"a": 1, "b": 2}}'.encode("utf-16"),
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=list(NOT_JSON))
def test_a_body_that_is_not_json_is_malformed(reader, now, body) -> None:
    """A body that is cut, isn't JSON, has another encoding or is nested too deeply is a MalformedBody."""
    with pytest.raises(MalformedBody, match="isn't JSON"):
        reader.read(body, now=now)


@pytest.mark.parametrize("size", [0, 100_000])
@pytest.mark.parametrize(
    "value",
    [
        b"nonsense",
        b"1x",
        b"-",
        b"tru",
        b'"\\ud800"',
        b'"\\x"',
        b"[1,]",
        b'{"a"}',
        b"01",
        b"+1",
        b"1.",
        b"\xff",
        b"x" * 9000,
    ],
)
@pytest.mark.parametrize("field", ["customer_id", "profile", "transactions", "history_complete"])
def test_a_value_that_is_not_json_is_refused_at_any_place(reader, now, field, value, size) -> None:
    """A value that isn't JSON gets 400, or an error that names its field, in a body of any size."""
    fields = {"customer_id": b'"c"', "profile": b"{}", "transactions": b"[]", "history_complete": b"true"} | {
        field: value
    }
    body = b"{%b}" % b",".join(b'"%b":%b' % (name.encode(), each) for name, each in fields.items()) + b" " * size
    with pytest.raises((MalformedBody, InputError)) as caught:
        reader.read(body, now=now)
    if isinstance(caught.value, InputError):
        assert size
        assert {each.pointer.split("/")[1] for each in caught.value.fields} == {field}


@pytest.mark.parametrize("size", [0, 100_000])
@pytest.mark.parametrize("word", [b"NaN", b"Infinity", b"-Infinity"])
@pytest.mark.parametrize(
    "path",
    [
        "customer_id",
        "history_complete",
        "profile",
        "profile/locale",
        "profile/is_pep",
        "profile/date_of_birth",
        "transactions",
        "transactions/2",
        "transactions/2/id",
        "transactions/2/state",
        "transactions/2/amount",
        "transactions/2/created_at",
        "transactions/2/completed_at",
    ],
)
def test_a_non_finite_number_is_a_bad_field(reader, request_, now, path, word, size) -> None:
    """NaN and the infinities are refused as the value of any field that is read."""
    _put(request_, path, "the word")
    body = _body(request_).replace(b'"the word"', word) + b" " * size
    faults = _faults(reader, body, now)
    assert list(faults) == [f"/{path}"]
    assert "got a number too large or not finite" in faults[f"/{path}"]


@pytest.mark.parametrize("word", [b"NaN", b"Infinity", b"-Infinity"])
@pytest.mark.parametrize("path", ["state/2", "amount/2", "amount", "created_at/2"])
def test_a_non_finite_number_in_a_column_is_a_bad_field(reader, request_, as_columns, now, path, word) -> None:
    """The pointer leads to the value's index, or to the column that should be a list."""
    request_["transactions"] = as_columns(request_["transactions"])
    _put(request_["transactions"], path, "the word")
    assert list(_faults(reader, _body(request_).replace(b'"the word"', word), now)) == [f"/transactions/{path}"]


@pytest.mark.parametrize("size", [0, 100_000])
@pytest.mark.parametrize("field", [b'"x":NaN', b'"profile":{"gender":NaN}', b"NaN:1", b'"x":[1,-Infinity]'])
def test_a_non_finite_number_in_an_unread_field_is_malformed(reader, request_, now, field, size) -> None:
    """A body whose only fault is a word that isn't JSON is a 400."""
    with pytest.raises(MalformedBody):
        reader.read(_body(request_)[:-1] + b"," + field + b" " * size + b"}", now=now)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (b'"customer_id":5', b'"customer_id":"d"'),
        (b'"profile":{"locale":"\\ud800"}', b'"profile":{}'),
        (b'"transactions":[5]', b'"transactions":[]'),
        (b'"profile":{"locale":1}', b'"profile":{}'),
        (b'"history_complete":"yes"', b'"history_complete":true'),
        (b'"x":1', b'"x":2'),
    ],
)
def test_the_last_value_of_a_repeated_field_counts(reader, now, first, last) -> None:
    """In a small body only the last value counts; in a large one each must be valid."""
    rest = b'"customer_id":"d","profile":{},"transactions":[],"history_complete":true'
    body = b"{%b,%b,%b}" % (first, rest, last)
    read = reader.read(body, now=now)
    assert (read.customer_id, len(read.history.ids)) == ("d", 0)
    assert [each.pointer for each in read.warnings if each.code == "UNKNOWN_FIELD"] == (["/x"] if b"x" in first else [])
    if b"x" not in first and b"transactions" not in first:  # which are decoded by themselves
        with pytest.raises(MalformedBody, match="surrogate" if b"ud800" in first else "more than once"):
            reader.read(body + b" " * 100_000, now=now)


@pytest.mark.parametrize(
    ("first", "said"), [(b"5", "more than once"), (b'"\\ud800"', "isn't JSON"), (b'""', "more than once")]
)
def test_the_last_value_counts_in_a_transaction(reader, request_, now, first, said) -> None:
    """A field that occurs twice in a row is read as its last value; in a large body each value must be valid."""
    body = _body(request_).replace(b'"id": "t-2"', b'"id": %b, "id": "t-2"' % first)
    assert reader.read(body, now=now).history.ids[1] == "t-2"
    with pytest.raises(MalformedBody, match=said):
        reader.read(body + b" " * 100_000, now=now)


@pytest.mark.parametrize("place", ["profile", ""])
def test_an_object_with_too_many_unknown_fields_is_refused(reader, request_, now, place) -> None:
    """Ten thousand unknown fields are ignored; an object with more is refused."""
    target = request_[place] if place else request_
    target |= {f"unknown-{number}": 1 for number in range(10_001)}
    faults = _faults(reader, _body(request_), now)
    assert faults == {f"/{place}" if place else "": "has more than 10,000 unknown fields"}


@pytest.mark.parametrize("size", [0, 100_000])
def test_one_bad_row_among_many_is_found(reader, request_, now, size) -> None:
    """The search halves a list of rows until it finds the bad row."""
    row = request_["transactions"][0]
    request_["transactions"] = [row | {"id": f"t-{place}"} for place in range(100 + size // 300)]
    places = [0, 7, 50, len(request_["transactions"]) - 1]
    for place in places:
        request_["transactions"][place] |= {"amount": -1}
    assert list(_faults(reader, _body(request_), now)) == [f"/transactions/{place}/amount" for place in places]


def test_many_unknown_fields_are_counted(reader, request_, now) -> None:
    """The first hundred unknown fields are named, and one warning counts all."""
    request_ |= {f"unknown-{place}": place for place in range(1500)}
    warnings = reader.read(_body(request_), now=now).warnings
    assert len(warnings) == 101
    assert warnings[0].detail.startswith("1,500 unknown fields")


def test_a_large_request_is_read_as_a_small_one(reader, request_, now) -> None:
    """A request gets the same result when space around it makes it large, with features or without."""
    sound = _body(request_)
    assert plain(reader.read(sound + b" " * 100_000, now=now)) == plain(reader.read(sound, now=now))
    given = _body({"customer_id": "c-1", "features": {"a": 1, "b": None}})
    np.testing.assert_array_equal(reader.read(given + b" " * 100_000, now=now).values, [1.0, np.nan])


def test_an_unknown_field_is_ignored_with_a_warning(reader, request_, now) -> None:
    """An unknown field of the request or of the profile is ignored with a warning."""
    sound = reader.read(_body(request_), now=now)
    request_ |= {"hystory": True}
    request_["profile"]["ocupation"] = "STUDENTS"
    read = reader.read(_body(request_), now=now)
    assert [(each.code, each.pointer) for each in read.warnings] == [
        ("UNKNOWN_FIELD", "/hystory"),
        ("UNKNOWN_FIELD", "/profile/ocupation"),
    ]
    assert plain(read) | {"warnings": ()} == plain(sound)


def test_another_column_of_a_transaction_is_ignored(reader, request_, now) -> None:
    """Other columns of a transaction are ignored without a warning."""
    request_["transactions"][0]["reference_transaction_id"] = "r-1"
    assert reader.read(_body(request_), now=now).warnings == ()


def test_ignored_fields_may_have_any_number(reader, request_, now) -> None:
    """Fields that are ignored may have numbers of any size."""
    request_["transactions"][0]["reference"] = 10**400
    request_["nickname"] = -(2**70)
    assert [each.pointer for each in reader.read(_body(request_), now=now).warnings] == ["/nickname"]


def test_pointers_of_faults_begin_at_the_whole_body(reader, request_, now) -> None:
    """Pointers of faults begin at the whole body, pointers of warnings at the instance."""
    request_["nickname"] = "x"
    read = reader.read(_body(request_), now=now, at="/instances/3")
    assert [each.pointer for each in read.warnings] == ["/nickname"]
    request_["customer_id"] = 7
    with pytest.raises(InputError) as caught:
        reader.read(_body(request_), now=now, at="/instances/3")
    assert [each.pointer for each in caught.value.fields] == ["/instances/3/customer_id"]


_PATHS = st.sampled_from(
    [
        "customer_id",
        "history_complete",
        "profile",
        "profile/occupation",
        "profile/is_pep",
        "profile/date_of_birth",
        "transactions",
        "transactions/1",
        "transactions/1/id",
        "transactions/1/amount",
        "transactions/1/currency",
        "transactions/1/created_at",
        "transactions/1/completed_at",
        "features",
        "unheard_of",
    ]
)
_VALUES = st.one_of(
    st.just(...),
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=True),
    st.text("aE€😀", max_size=3),
    st.sampled_from(["EUR", "1990-01-31", "2024-08-26T10:33:50Z", "2024-08-26 10:33:50 UTC", "2024-02-30T00:00:00Z"]),
    st.just([]),
    st.just({}),
    st.just({"a": 1, "b": None}),
    st.just({"id": [], "state": [], "type": [], "amount": [], "direction": [], "created_at": []}),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(_PATHS, _VALUES, max_size=3))
def test_the_slow_search_agrees_with_the_fast_decoder(reader, request_, now, spoiled) -> None:
    """The fast decoder accepts a request exactly if the slow search finds no fault in it."""
    document = json.loads(json.dumps(request_))
    for path, value in spoiled.items():
        try:
            _put(document, path, copy.deepcopy(value))  # a later path may lead into it
        except (KeyError, IndexError, TypeError):  # a spoiled parent has no such place
            continue
    faults = find_faults(_body(document), known=("a", "b", "c"), wanted=("a", "b"))
    try:
        fast = reader._read(msgspec.json.decode(_body(document), type=RiskRequest), now) is not None
    except (msgspec.DecodeError, ValueError):
        fast = False
    assert fast == (not faults.bad and not faults.unknown)
