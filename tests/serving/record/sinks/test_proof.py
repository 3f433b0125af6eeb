"""Proofs are made of all fields of a segment's records, and of salts."""

from __future__ import annotations

import msgspec
import pytest

from customer_risk.serving.contract.columns import erased_values
from customer_risk.serving.record.outbox.record import Document
from customer_risk.serving.record.sinks.ndjson import Lines
from customer_risk.serving.record.sinks.parquet import Parquet
from customer_risk.serving.record.sinks.proof import CUSTOMER, KEPT, PERSONAL, Salts, prove


def test_a_proof_is_made_of_every_field() -> None:
    """A proof covers every field, and the fields that an erasure blanks are the personal ones."""
    assert {*KEPT, *PERSONAL, CUSTOMER} == {field.name for field in msgspec.structs.fields(Document)}
    assert {*PERSONAL, CUSTOMER} == set(erased_values(Document))


@pytest.mark.parametrize("form", [Lines(), Parquet()])
def test_a_proof_is_the_same_from_every_form(samples, form) -> None:
    """A segment's proof is the same in each form, although Parquet has null for fields that JSON leaves out."""
    documents = samples.segment(1, 10).documents
    for each in documents:
        for reason in each["reasons"]:
            reason.pop("share")
    salts = Salts.new()
    assert prove(form.decode(form.encode(documents)), salts) == prove(documents, salts)


def test_a_proof_depends_on_the_salts(samples) -> None:
    """Two sets of salts have different proofs, so that erased data can't be found by trying values."""
    documents = samples.segment(1, 3).documents
    assert prove(documents, Salts.new()) != prove(documents, Salts.new())


@pytest.mark.parametrize("data", [b"", b"{}x", b'{"seed":"xy"}', b'{"records":[{"type":"salted"}]}'])
def test_what_is_no_salts_is_not_read_as_such(data) -> None:
    """Bytes that are not valid salts are read as None."""
    assert Salts.read(data) is None
