"""What is kept of a decision, in its two forms."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest

from customer_risk.model.features.encoded import NEVER, Encoded
from customer_risk.model.scoring.reasons import Reason
from customer_risk.serving.contract.answer import WireReason
from customer_risk.serving.record.outbox.record import (
    Record,
    decode,
    document,
    encode,
    from_document,
    hash_names,
    pack,
    unpack,
    values_of,
)
from customer_risk.serving.record.recorder import Recorder

# Written before documents had a struct of their own.
DECISION = (
    '{"version":1,"kind":"decision","decision_id":"0198a1b2-c3d4-7e5f-8a9b-000000000001",'
    '"recorded_at":"2026-03-04T05:06:08.080900Z","took_us":740,"route":"/ai/v1/risk","caller":"backoffice",'
    '"trace":"0af7651916cd43dd8448eb211c80319c","customer_id":"k-1","status":200,"problem":"","pointers":[],'
    '"source":"model","model":{"name":"customer-risk","version":"b"},"cpu":"x86_64 avx2",'
    '"probability":0.10000000000000002,"segment":"high","action":"review","reasons":[{"code":"CRYPTO","text":"t",'
    '"direction":"raises","feature":"share_crypto","value":null,"unit":"share","contribution":null,"share":0.25,'
    '"investigator_text":"30 %\\nof them"}],"warnings":[{"code":"UNKNOWN_VALUE","pointer":"/profile/locale",'
    '"detail":"x"}],"features":[{"name":"n_transactions","value":1.0},{"name":"share_crypto","value":null},'
    '{"name":"days_since_last","value":0.14285714285714285}],"transactions":2,"encoded":"AgAAAP8A/g==",'
    '"history_complete":true}'
)
REFUSAL = (
    '{"version":1,"kind":"refusal","decision_id":"0198a1b2-c3d4-7e5f-8a9b-000000000005",'
    '"recorded_at":"2026-03-04T05:06:12.000000Z","took_us":-1,"route":"/ai/v1/risk","caller":"backoffice","trace":"",'
    '"customer_id":"","status":422,"problem":"invalid-input","pointers":["/profile/locale"],"source":"",'
    '"model":{"name":"","version":""},"cpu":"x86_64 avx2","probability":null,"segment":"","action":"","reasons":[],'
    '"warnings":[],"features":[],"transactions":0,"encoded":"","history_complete":false}'
)


class Kept:
    """An outbox that keeps what it is given in a list."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.bodies: list[bytes] = []
        self.names: dict[str, tuple[str, ...]] = {}

    def add(self, body: bytes, names: tuple[str, ...] = (), names_hash: str = "") -> None:
        """Keep a record."""
        self.bodies.append(body)
        self.names[names_hash] = names


@pytest.fixture
def recorded(service):
    """Record the answer to a request: the record, and its features' names."""

    def record(request) -> tuple[Record, tuple[str, ...]]:
        kept = Kept()
        answer = service.answer(json.dumps(request).encode())
        Recorder(kept, cpu="x").decided(answer, caller="pay", route="/r", trace=None, took=7)
        (body,) = kept.bodies
        made = decode(body)
        return made, kept.names[made.names]

    return record


def test_a_packed_customer_is_the_same_customer(service, request_) -> None:
    """Every column, to the bit; ids are numbers that only tell which are equal."""
    encoded = service.answer(json.dumps(request_).encode()).basis.encoded
    again = unpack(pack(encoded))
    for name in Encoded.__slots__:
        assert np.array_equal(getattr(again, name), getattr(encoded, name)), name
        assert getattr(again, name).dtype == getattr(encoded, name).dtype, name
    assert NEVER in again.completed


def test_a_customer_without_transactions_can_be_packed(service, request_) -> None:
    """Nothing but a profile."""
    encoded = service.answer(json.dumps(request_ | {"transactions": []}).encode()).basis.encoded
    assert unpack(pack(encoded)).profile.tolist() == encoded.profile.tolist()


@pytest.mark.parametrize("spoil", [lambda packed: packed[:-1], lambda packed: packed + b"\0", lambda _: b""])
def test_other_bytes_are_no_customer(service, request_, spoil) -> None:
    """Rather than a wrong one."""
    with pytest.raises(ValueError, match="not a packed customer"):
        unpack(spoil(pack(service.answer(json.dumps(request_).encode()).basis.encoded)))


def test_a_record_holds_the_decision_whole(recorded, service, request_) -> None:
    """Both wordings of the reasons, the features, and what they were made of."""
    record, names = recorded(request_)
    answer = service.answer(json.dumps(request_).encode())
    assert names == answer.basis.names
    assert np.array_equal(values_of(record), answer.basis.values, equal_nan=True)
    assert (record.probability, record.segment) == (answer.decision.probability, answer.decision.segment)
    assert [each.investigator_text for each in record.reasons] == [
        each.investigator_text for each in answer.decision.reasons
    ]
    assert (record.caller, record.route, record.took, record.cpu) == ("pay", "/r", 7, "x")


@pytest.mark.parametrize("form", ["rows", "columns", "features"])
def test_documents_are_read_back_as_they_were(recorded, request_, as_columns, service, form) -> None:
    """Through JSON, to the bit."""
    if form == "columns":
        request_["transactions"] = as_columns(request_["transactions"])
    if form == "features":
        request_ = {"customer_id": "c", "features": dict.fromkeys(service.names(), 0.1)}
    record, names = recorded(request_)
    written = document(record, names)
    read = json.loads(json.dumps(written))
    assert read == written  # lists are lists already, for those who take documents as they are
    assert from_document(read) == (record, names)


@pytest.mark.parametrize("line", [DECISION, REFUSAL])
def test_documents_that_exist_are_read_and_written_as_before(line) -> None:
    """A record that was stored by an earlier release is read, and would be stored in the same bytes today."""
    record, names = from_document(json.loads(line))
    assert json.dumps(document(record, names), separators=(",", ":")) == line
    assert (names, len(record.features)) == (
        tuple(each["name"] for each in json.loads(line)["features"]),
        8 * len(names),
    )


def test_a_rules_reasons_are_kept_without_contributions(recorded) -> None:
    """They have points instead."""
    reason = WireReason(code="R", text="t", direction="raises", feature="f", value=None, unit="", contribution=None)
    record, names = recorded({"customer_id": "c", "profile": {}, "transactions": []})
    ruled = msgspec.structs.replace(record, probability=None, source="rules", reasons=(reason,))
    assert from_document(json.loads(json.dumps(document(ruled, names)))) == (ruled, names)
    assert decode(encode(ruled)) == ruled


@pytest.mark.parametrize("spoil", [{"features": 3}, {"reasons": [{"code": 1}]}, {"encoded": "%"}, {"recorded_at": "x"}])
def test_what_is_no_record_is_refused(recorded, request_, spoil) -> None:
    """With a word on what is wrong, instead of a record that nobody wrote."""
    with pytest.raises(ValueError, match="not a record"):
        from_document(document(*recorded(request_)) | spoil)


def test_names_are_hashed_in_their_order() -> None:
    """The same features in another order are others."""
    assert hash_names(("a", "b")) != hash_names(("b", "a"))


def test_fifty_transactions_take_less_than_two_and_a_half_kilobytes(recorded, request_) -> None:
    """The bound that a day's cost is reckoned with."""
    request_["transactions"] = [request_["transactions"][0] | {"id": f"t-{i}"} for i in range(50)]
    assert len(encode(recorded(request_)[0])) <= 2500


def test_nothing_else_of_a_request_is_kept(recorded, request_) -> None:
    """Fields that nobody reads, ids of transactions, and columns that no decision may rest on leave no trace."""
    request_["marker-field"] = "marker"
    request_["profile"] |= {"gender": "marker", "user_id": "marker", "marker": "marker"}
    for row in request_["transactions"]:
        row |= {"marker": "marker", "id": f"marker-{row['id']}"}
    record, names = recorded(request_)
    kept = json.dumps({name: value for name, value in document(record, names).items() if name != "warnings"})
    assert "marker" not in kept
    assert b"marker" not in encode(msgspec.structs.replace(record, warnings=()))


@pytest.mark.parametrize("form", ["rows", "none", "features"])
def test_a_decision_is_written_as_its_record_is(service, request_, form) -> None:
    """A recorder makes the same bytes of an answer as `encode` makes of its record."""
    if form == "none":
        request_["transactions"] = []
    if form == "features":
        request_ = {"customer_id": "c", "features": dict.fromkeys(service.names(), 0.1)}
    kept = Kept()
    Recorder(kept, cpu="x").decided(
        service.answer(json.dumps(request_).encode()), caller="p", route="/r", trace=None, took=7
    )
    (body,) = kept.bodies
    assert encode(decode(body)) == body


def test_a_reason_of_the_model_has_the_fields_of_the_wires_in_their_order() -> None:
    """A model's reason has the same fields in the same order as a wire's, since their names aren't written."""
    assert Reason.__struct_fields__ == WireReason.__struct_fields__


def test_a_record_can_be_found_by_the_bytes_of_its_ids(recorded, request_) -> None:
    """The bytes of a record have the ids of its customer and its decision as they are."""
    record, _ = recorded(request_)
    body = encode(record)
    assert record.customer_id.encode() in body
    assert record.record_id.encode() in body


def test_reasons_that_lack_fields_are_kept_as_they_are(recorded, request_) -> None:
    """Reasons that lack a field are read back without it, not with null."""
    record, _ = recorded(request_)
    partial = (WireReason(code="R", text="t", direction="lowers"), *record.reasons)
    changed = msgspec.structs.replace(record, reasons=partial)
    assert decode(encode(changed)) == changed


def test_inputs_of_another_install_are_kept_as_they_are(recorded, request_) -> None:
    """The input of an install with another profile is kept as it is."""
    changed = msgspec.structs.replace(recorded(request_)[0], encoded=b"\x02\0\0\0\xff\x00\xfe")
    assert decode(encode(changed)) == changed


def test_a_damaged_body_is_refused(recorded, request_) -> None:
    """A body that is cut, too long or of another form is refused."""
    body = encode(recorded(request_)[0])
    for length in range(len(body)):
        with pytest.raises(msgspec.DecodeError):
            decode(body[:length])
    for other in (body + b"\0", body[:3] + b"\x03" + body[4:]):
        with pytest.raises(msgspec.DecodeError):
            decode(other)


def test_a_body_with_damaged_numbers_is_refused(recorded, request_) -> None:
    """A body whose numbers are damaged is refused, even if its other fields are valid."""
    fields = msgspec.msgpack.decode(encode(recorded(request_)[0]))
    place = max(place for place, value in enumerate(fields) if isinstance(value, bytes))
    fields[place] = fields[place][:-1]
    with pytest.raises(msgspec.DecodeError, match="damaged"):
        decode(msgspec.msgpack.encode(fields))
