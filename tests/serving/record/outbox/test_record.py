"""The two forms of a record: bytes in the outbox, and documents."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec import UNSET

from customer_risk.model.features.encoded import NEVER, Encoded
from customer_risk.model.features.wordings import CURRENT
from customer_risk.model.patterns.found_pattern import FoundPattern
from customer_risk.model.scoring.action_rule import ActionRule
from customer_risk.model.scoring.bundle import load_bundle
from customer_risk.model.scoring.reasons import Reason
from customer_risk.serving.contract.answer import WirePattern, WireReason
from customer_risk.serving.decisions.fallback.fallback import RuleFallback
from customer_risk.serving.decisions.fallback.ruleset import load_rules
from customer_risk.serving.decisions.service import Service
from customer_risk.serving.record.outbox import record as record_module
from customer_risk.serving.record.outbox.record import (
    ADDED,
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

# Documents of an earlier release, in which documents had no struct of their own and lacked the fields of `ADDED`.
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
    """An outbox that keeps records in a list."""

    def __init__(self) -> None:
        """Create an empty outbox."""
        self.bodies: list[bytes] = []
        self.names: dict[str, tuple[str, ...]] = {}

    def add(self, body: bytes, names: tuple[str, ...] = (), names_hash: str = "") -> None:
        """Keep a record."""
        self.bodies.append(body)
        self.names[names_hash] = names


@pytest.fixture
def recorded(service):
    """Return a function that records the answer to a request, and returns the record and its features' names."""

    def record(request) -> tuple[Record, tuple[str, ...]]:
        kept = Kept()
        answer = service.answer(json.dumps(request).encode())
        Recorder(kept, cpu="x").decided(answer, caller="pay", route="/r", trace=None, took=7)
        (body,) = kept.bodies
        made = decode(body)
        return made, kept.names[made.names]

    return record


def test_a_packed_customer_is_the_same_customer(service, request_) -> None:
    """Packing keeps every column to the bit; ids become numbers, and equal ids become equal numbers."""
    encoded = service.answer(json.dumps(request_).encode()).basis.encoded
    again = unpack(pack(encoded))
    for name in Encoded.__slots__:
        assert np.array_equal(getattr(again, name), getattr(encoded, name)), name
        assert getattr(again, name).dtype == getattr(encoded, name).dtype, name
    assert NEVER in again.completed


def test_a_customer_without_transactions_can_be_packed(service, request_) -> None:
    """A customer without transactions keeps its profile."""
    encoded = service.answer(json.dumps(request_ | {"transactions": []}).encode()).basis.encoded
    assert unpack(pack(encoded)).profile.tolist() == encoded.profile.tolist()


@pytest.mark.parametrize("spoil", [lambda packed: packed[:-1], lambda packed: packed + b"\0", lambda _: b""])
def test_bytes_of_another_length_are_refused(service, request_, spoil) -> None:
    """Bytes of another length are refused."""
    with pytest.raises(ValueError, match="not a packed customer"):
        unpack(spoil(pack(service.answer(json.dumps(request_).encode()).basis.encoded)))


def test_a_record_has_the_complete_decision(recorded, service, request_) -> None:
    """A record has both texts of the reasons, the features, and the names."""
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
def test_documents_are_read_back_to_the_bit(recorded, request_, as_columns, service, form) -> None:
    """A document that is written as JSON and read back becomes the same record, to the bit."""
    if form == "columns":
        request_["transactions"] = as_columns(request_["transactions"])
    if form == "features":
        request_ = {"customer_id": "c", "features": dict.fromkeys(service.names(), 0.1)}
    record, names = recorded(request_)
    written = document(record, names)
    read = json.loads(json.dumps(written))
    assert read == written  # documents have lists, not tuples, for callers that use them without JSON
    assert from_document(read) == (record, names)


@pytest.mark.parametrize("line", [DECISION, REFUSAL])
def test_documents_of_earlier_releases_keep_their_bytes(line) -> None:
    """A document of an earlier release is read, and written as the same bytes with the added fields at the end."""
    record, names = from_document(json.loads(line))
    assert json.dumps(document(record, names), separators=(",", ":")) == (
        f'{line.removesuffix("}")},"patterns":[],"action_rule":1,"wordings":1}}'
    )
    assert (record.patterns, record.action_rule, record.wordings) == ((), 1, 1)
    assert (names, len(record.features)) == (
        tuple(each["name"] for each in json.loads(line)["features"]),
        8 * len(names),
    )


def test_a_rules_reasons_are_kept_without_contributions(recorded) -> None:
    """Reasons of rules are read back without contributions."""
    reason = WireReason(code="R", text="t", direction="raises", feature="f", value=None, unit="", contribution=None)
    record, names = recorded({"customer_id": "c", "profile": {}, "transactions": []})
    ruled = msgspec.structs.replace(record, probability=None, source="rules", reasons=(reason,))
    assert from_document(json.loads(json.dumps(document(ruled, names)))) == (ruled, names)
    assert decode(encode(ruled)) == ruled


@pytest.mark.parametrize("spoil", [{"features": 3}, {"reasons": [{"code": 1}]}, {"encoded": "%"}, {"recorded_at": "x"}])
def test_an_invalid_document_is_refused(recorded, request_, spoil) -> None:
    """A document that isn't a valid record is refused, with what is wrong."""
    with pytest.raises(ValueError, match="not a record"):
        from_document(document(*recorded(request_)) | spoil)


def test_names_are_hashed_in_their_order() -> None:
    """The same names in a different order have a different hash."""
    assert hash_names(("a", "b")) != hash_names(("b", "a"))


def test_fifty_transactions_take_less_than_two_and_a_half_kilobytes(recorded, request_) -> None:
    """A record of fifty transactions takes at most 2,500 bytes; costs are computed with this bound."""
    request_["transactions"] = [request_["transactions"][0] | {"id": f"t-{i}"} for i in range(50)]
    assert len(encode(recorded(request_)[0])) <= 2500


def test_other_fields_of_a_request_are_not_recorded(recorded, request_) -> None:
    """Unknown fields, ids of transactions and forbidden columns of a request are not in its record."""
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
    """A recorder writes the same bytes for an answer as `encode` returns for the answer's record."""
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


def test_a_models_reason_has_the_fields_of_a_wire_reason() -> None:
    """A model's reason has a `WireReason`'s fields in the same order, since the fields' names aren't written."""
    assert Reason.__struct_fields__ == WireReason.__struct_fields__


def test_a_found_pattern_has_the_fields_of_a_wire_pattern() -> None:
    """A pattern that was found is written by its fields' names, and read as a `WirePattern`."""
    assert FoundPattern.__struct_fields__ == WirePattern.__struct_fields__


FOUND = FoundPattern(
    code="PASS_THROUGH",
    count=3,
    amount=1 / 3,
    share=0.85,
    first_at="2026-01-02T03:04:05.000006Z",
    last_at="2026-01-03T03:04:05.000006Z",
    investigator_text="0.33 € that came in left again",
)


@pytest.mark.parametrize(
    "patterns",
    [None, (), (FOUND,), (FOUND, msgspec.structs.replace(FOUND, code="NIGHT_BURST", share=None))],
    ids=["unseen", "no pattern", "one", "two"],
)
def test_patterns_and_versions_are_recorded(service, request_, patterns) -> None:
    """A record has the patterns of the verdict in full, and the versions of the action rule and of the wordings."""
    answer = service.answer(json.dumps(request_).encode())
    answer = msgspec.structs.replace(
        answer,
        decision=msgspec.structs.replace(answer.decision, patterns=patterns),
        basis=msgspec.structs.replace(answer.basis, action_rule=2, wordings=3),
    )
    kept = Kept()
    Recorder(kept, cpu="x").decided(answer, caller="p", route="/r", trace=None, took=7)
    (body,) = kept.bodies
    record = decode(body)
    assert encode(record) == body
    assert record.patterns == tuple(WirePattern(*msgspec.structs.astuple(each)) for each in patterns or ())
    assert (record.action_rule, record.wordings) == (2, 3)
    written = json.loads(json.dumps(document(record, answer.basis.names)))
    assert written["patterns"] == [msgspec.to_builtins(each) for each in patterns or ()]
    assert from_document(written) == (record, answer.basis.names)


RULE = ActionRule(minimum=1, patterns={"NIGHT_BURST": {"count": 5, "until_hour": 5}})


@pytest.mark.parametrize(("action_rule", "wordings"), [(UNSET, UNSET), (RULE, 2)], ids=["before", "now"])
def test_the_versions_recorded_are_those_of_the_bundle(bundle, request_, action_rule, wordings) -> None:
    """A record names the versions of its bundle's manifest; a bundle that names no versions has the first ones."""
    loaded = load_bundle(bundle, verify_golden=False)
    manifest = msgspec.structs.replace(loaded.manifest, action_rule=action_rule, wordings=wordings)
    service = Service("customer-risk")
    service.use(dataclasses.replace(loaded, manifest=manifest))
    basis = service.answer(json.dumps(request_).encode()).basis
    assert (basis.action_rule, basis.wordings) == ((1, 1) if action_rule is UNSET else (2, 2))


def test_answers_by_rules_are_recorded_with_the_current_wordings(request_) -> None:
    """Rules have no patterns, so their action rule is version 1; their texts are those of the current version."""
    service = Service("customer-risk", fallback=RuleFallback(load_rules(), "rules"), without_bundle=True)
    answer = service.answer(json.dumps(request_).encode())
    assert (answer.source, answer.basis.action_rule, answer.basis.wordings) == ("rules", 1, CURRENT)


@pytest.mark.parametrize("partial", [False, True])
def test_bodies_without_the_added_fields_are_read(recorded, request_, partial) -> None:
    """A body of an earlier release, which lacks the added fields, is read with their defaults."""
    record = msgspec.structs.replace(recorded(request_)[0], action_rule=1, wordings=1)
    if partial:
        record = msgspec.structs.replace(record, reasons=(WireReason(code="R", text="t", direction="lowers"),))
    fields = msgspec.msgpack.decode(encode(record))
    earlier = fields[: len(fields) - len(ADDED) - (not partial)]
    assert decode(msgspec.msgpack.encode(earlier)) == record


def test_an_earlier_release_reads_bodies_with_the_added_fields(samples) -> None:
    """An earlier release ignores what follows the fields that it knows, as is necessary in a rolling update."""
    record = samples.record(1, patterns=(WirePattern(*msgspec.structs.astuple(FOUND)),))
    names = [name for name in record_module._Body.__struct_fields__ if name not in ADDED]
    known = msgspec.defstruct("Earlier", [(name, Any) for name in names], array_like=True, tag=2)
    read = msgspec.msgpack.decode(encode(record), type=known)
    assert (read.record_id, read.action, read.history_complete) == (
        record.record_id,
        record.action,
        record.history_complete,
    )


def test_a_record_can_be_found_by_the_bytes_of_its_ids(recorded, request_) -> None:
    """The bytes of a record contain the ids of its customer and its decision unchanged."""
    record, _ = recorded(request_)
    body = encode(record)
    assert record.customer_id.encode() in body
    assert record.record_id.encode() in body


def test_reasons_that_lack_fields_are_unchanged(recorded, request_) -> None:
    """Reasons that lack a field are read back without it, not with null."""
    record, _ = recorded(request_)
    partial = (WireReason(code="R", text="t", direction="lowers"), *record.reasons)
    changed = msgspec.structs.replace(record, reasons=partial)
    assert decode(encode(changed)) == changed


def test_inputs_of_another_install_are_unchanged(recorded, request_) -> None:
    """The input of an install with another profile is kept unchanged."""
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
