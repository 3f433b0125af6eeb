"""Documents as rows."""

from __future__ import annotations

import base64

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st

from customer_risk.serving.record.sinks.bigquery.rows import MOST_BYTES, Rows, parts


@pytest.fixture(scope="module")
def shape() -> Rows:
    """The encoder of rows."""
    return Rows()


def _read(shape: Rows, row: bytes) -> dict:
    return MessageToDict(shape.message.FromString(row), preserving_proto_field_name=True)


def test_a_row_has_every_field_of_its_document(shape, samples) -> None:
    """A row has all fields of its document: no field for null, times as microseconds, bytes unchanged."""
    document = samples.document_of(samples.record(1))
    read = _read(shape, shape.row(document))
    model = document.pop("model")
    assert read.pop("recorded_at") == str(samples.record(1).at)
    assert (read.pop("model_name"), read.pop("model_version")) == (model["name"], model["version"])
    assert read.pop("took_us") == "740"
    assert read.pop("features") == [
        {key: value for key, value in each.items() if value is not None} for each in document.pop("features")
    ]
    assert base64.b64decode(read.pop("encoded")) == samples.record(1).encoded
    assert "value" not in read["reasons"][0]
    assert [each | {"count": int(each["count"])} for each in read.pop("patterns")] == [
        {key: value for key, value in each.items() if value is not None} for each in document.pop("patterns")
    ]
    for name, value in read.items():
        if name not in {"version", "status", "transactions", "reasons", "action_rule", "wordings"}:
            assert value == document[name]


def test_a_refusal_is_a_row_without_probability(shape, samples) -> None:
    """A refusal is a row without a probability."""
    read = _read(shape, shape.row(samples.document_of(samples.refusal(5))))
    assert "probability" not in read
    assert read["pointers"] == ["/profile/locale", "/transactions/3/amount"]


def test_rows_are_the_same_at_every_attempt(shape, samples) -> None:
    """A document has the same row whatever the order of its fields."""
    document = samples.document_of(samples.record(3))
    assert shape.row(document) == Rows().row(dict(reversed(document.items())))


@pytest.mark.parametrize(
    "wrong",
    [
        {"nonsense": 1},
        {"took_us": "740"},
        {"took_us": 1.5},
        {"took_us": 2**63},
        {"segment": None},
        {"segment": 3},
        {"segment": "\ud800"},
        {"probability": "0.5"},
        {"history_complete": "yes"},
        {"recorded_at": "yesterday"},
        {"recorded_at": "2026-03-04T05:06:07"},
        {"encoded": "%%"},
        {"pointers": "text"},
        {"model": {"name": "x"}},
        {"model": {"name": "x", "version": "y", "more": "z"}},
        {"model": None},
        {"reasons": [{"code": "X"}]},
        {"warnings": [{"code": "X", "pointer": "", "detail": "", "more": 1}]},
        {"features": [{"name": "x", "value": "1"}]},
        {"encoded": base64.b64encode(bytes(MOST_BYTES)).decode()},
    ],
    ids=str,
)
def test_an_invalid_value_is_refused(shape, samples, wrong) -> None:
    """A value of another type, an unknown field, a missing field or a value that is too large is refused."""
    document = samples.document_of(samples.record(1)) | wrong
    with pytest.raises(ValueError, match="not a row of the table"):
        shape.row(document)


def test_a_missing_field_is_refused(shape, samples) -> None:
    """A document without a required field is refused."""
    document = samples.document_of(samples.record(1))
    for name in document.keys() - {"probability", "action_rule", "wordings"}:
        with pytest.raises(ValueError, match="not a row of the table"):
            shape.row({key: value for key, value in document.items() if key != name})


def test_invalid_documents_are_named_by_index(shape, samples) -> None:
    """Invalid documents are named by their index; the others are rows."""
    documents = list(samples.segment(1, 4).documents)
    documents[2] |= {"took_us": None}
    made, wrong = shape.rows(documents)
    assert made == [shape.row(each) for index, each in enumerate(documents) if index != 2]
    assert wrong.keys() == {2}


@given(st.lists(st.integers(0, 40)))
def test_parts_hold_all_rows_in_order_and_stay_small(sizes) -> None:
    """Parts have all rows in order and a bounded size; a row above the bound is a part of its own."""
    rows = [bytes([index % 256]) * size for index, size in enumerate(sizes)]
    made = parts(rows, 60)
    assert [row for part in made for row in part] == rows
    assert all(part for part in made)
    assert all(len(part) == 1 or sum(len(row) + 8 for row in part) <= 60 for part in made)
