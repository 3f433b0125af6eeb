"""Proofs are made of all fields of a segment's records, and of salts."""

from __future__ import annotations

import math
import struct
from base64 import b64decode
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from customer_risk.serving.contract.columns import erased_values
from customer_risk.serving.record.outbox.record import ADDED, Document, Record
from customer_risk.serving.record.sinks.ndjson import Lines
from customer_risk.serving.record.sinks.parquet import Parquet
from customer_risk.serving.record.sinks.proof import (
    ADDED_KEPT,
    ADDED_PERSONAL,
    CUSTOMER,
    KEPT,
    NUMBERS,
    PERSONAL,
    Salts,
    prove,
)

json = msgspec.json.Encoder(order="sorted").encode


def test_a_proof_is_made_of_every_field() -> None:
    """A proof covers every field of a record, and an erasure blanks the person's fields."""
    added = {*ADDED_KEPT, *ADDED_PERSONAL}
    assert {*KEPT, *PERSONAL, *NUMBERS, CUSTOMER} | added == set(Record.__struct_fields__)
    assert added == ADDED.keys()
    blank = erased_values(Document).keys() - {"transactions"}  # `encoded` begins with their number
    assert {*PERSONAL, *ADDED_PERSONAL, *NUMBERS, CUSTOMER} - {"names"} == blank


@pytest.mark.parametrize("form", [Lines(), Parquet()])
def test_a_proof_is_equal_for_every_form(batch, form) -> None:
    """The proof of a batch equals the proof of the documents that a form reads back."""
    salts = Salts.new()
    assert prove(form.decode(form.encode(batch)), salts) == prove(batch, salts)


@pytest.mark.parametrize(
    "change",
    [
        {"took_us": 741},
        {"caller": "other"},
        {"customer_id": "other"},
        {"probability": 0.5000000000000001},
        {"model": {"name": "customer-risk", "version": "other"}},
        {"reasons": []},
        {"features": []},
        {"history_complete": False},
        {"patterns": []},
        {"action_rule": 1},
        {"wordings": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_proof_depends_on_every_field(samples, change) -> None:
    """A document with another value of a field has another proof."""
    (document,) = samples.segment(1, 1).documents
    salts = Salts.new()
    assert prove([document | change], salts) != prove([document], salts)


def test_documents_of_earlier_releases_keep_their_proof(samples) -> None:
    """A document without the added fields has the same proof as one with the values that its release implied."""
    (document,) = samples.segment(2, 2).documents
    document |= ADDED
    salts = Salts.new()
    earlier = {name: value for name, value in document.items() if name not in ADDED}
    assert prove([earlier], salts) == prove([document], salts) == f"2:{sha256(_hash(document, salts)).hexdigest()}"


@pytest.mark.parametrize("place", range(2))
def test_a_proof_depends_on_each_feature(samples, place) -> None:
    """Another name or another value of a feature changes the proof."""
    (document,) = samples.segment(1, 1).documents
    salts = Salts.new()
    for change in ({"name": "other"}, {"value": 0.125}):
        features = list(document["features"])
        features[place] = features[place] | change
        assert prove([document | {"features": features}], salts) != prove([document], salts)


@pytest.mark.parametrize("added", [{}, {"wordings": 1}, {"action_rule": 1}, {"patterns": []}], ids=str)
def test_a_proof_equals_an_independent_hash(samples, added) -> None:
    """The proof equals the hash that the test computes from the document without the project's code."""
    (document,) = samples.segment(1, 1).documents
    document |= added
    salts = Salts.new()
    assert prove([document], salts) == f"2:{sha256(_hash(document, salts)).hexdigest()}"


@pytest.mark.parametrize(
    "wrong",
    [
        {"more": 1},
        {"transactions": 10_000},
        {"reasons": "text"},
        {"patterns": "text"},
        {"patterns": [{"code": "X", "more": 1}]},
        {"action_rule": "2"},
        {"encoded": "%%"},
        {"features": [{"name": "x", "value": 1.0, "more": 1}]},
        {"model": {"name": "x", "version": "y", "more": "z"}},
        {"took_us": "740"},
    ],
    ids=str,
)
def test_an_invalid_document_has_no_proof(samples, wrong) -> None:
    """A document that isn't a valid record is refused, so that an erasure can't add data that no hash covers."""
    (document,) = samples.segment(1, 1).documents
    with pytest.raises(ValueError, match=r"record|array"):
        prove([document | wrong], Salts.new())


def test_a_proof_depends_on_the_salts(samples) -> None:
    """Two sets of salts have different proofs, so that erased data can't be found by trying values."""
    documents = samples.segment(1, 3).documents
    assert prove(documents, Salts.new()) != prove(documents, Salts.new())


@pytest.mark.parametrize("data", [b"", b"{}x", b'{"seed":"xy"}', b'{"records":[{"type":"salted"}]}'])
def test_invalid_salts_are_none(data) -> None:
    """Bytes that are not valid salts are read as None."""
    assert Salts.read(data) is None


def _hash(document: dict[str, Any], salts: Salts) -> bytes:
    """Return the hash of a segment's first record."""
    of = salts.of(0)
    kept = [document[name] for name in ("version", "kind", "decision_id")]
    kept += [int(datetime.fromisoformat(document["recorded_at"]).timestamp() * 1_000_000)]
    kept += [document[name] for name in ("took_us", "route", "status", "problem", "source")]
    kept += [
        *document["model"].values(),
        *(document[name] for name in ("cpu", "segment", "action", "history_complete")),
    ]
    versions = {name: document[name] for name in ("action_rule", "wordings") if document[name] != 1}
    kept += [versions] if versions else []
    names = json([each["name"] for each in document["features"]])
    values = [math.nan if each["value"] is None else each["value"] for each in document["features"]]
    features = sha256(names).digest() + struct.pack(f"<{len(values)}d", *values)
    encoded = b64decode(document["encoded"])
    personal = [
        len(features),
        len(encoded),
        *(document[name] for name in ("caller", "trace", "pointers", "probability")),
    ]
    personal.append([{k: v for k, v in each.items() if v is not None} for each in document["reasons"]])
    personal.append(document["warnings"])
    if document["patterns"]:
        patterns = [{k: v for k, v in each.items() if v is not None} for each in document["patterns"]]
        personal.append({"patterns": patterns})
    customer = sha256(document["customer_id"].encode()).hexdigest().encode()
    parts = (
        json(kept),
        bytes.fromhex(of.customer) + customer,
        bytes.fromhex(of.personal) + json(personal) + features + encoded,
    )
    return sha256(b"".join(sha256(each).digest() for each in parts)).digest()
