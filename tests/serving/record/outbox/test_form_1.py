"""Records of form 1, which earlier releases wrote; tests/data/record-1 has some, with the shipped documents."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from customer_risk.serving.audit.bundles import Bundles
from customer_risk.serving.audit.replay import Replayer
from customer_risk.serving.decisions.fallback.ruleset import load_rules
from customer_risk.serving.record.outbox.reader import find_files
from customer_risk.serving.record.outbox.record import ADDED, decode, document, encode
from customer_risk.serving.record.outbox.writer import Outbox
from customer_risk.serving.record.shipper.batch import gather

DATA = Path(__file__).parents[3] / "data"
LINES = [json.loads(line) for line in (DATA / "record-1" / "records.jsonl").read_text().splitlines()]


def _names(line) -> tuple[str, ...]:
    return tuple(each["name"] for each in line["document"]["features"])


@pytest.fixture(params=LINES, ids=lambda line: f"{line['document']['source']}-{line['document']['kind']}")
def line(request):
    """A record of form 1 and its document."""
    return request.param


def test_a_record_of_form_1_has_the_document_that_it_had(line) -> None:
    """The document of a record of form 1 is the one that the earlier release shipped, with the fields added since."""
    assert document(decode(base64.b64decode(line["body"])), _names(line)) == line["document"] | ADDED


def test_a_record_of_form_1_is_the_same_record_in_form_2(line) -> None:
    """A record of form 1 has the same document after it is encoded in form 2, and a decision takes fewer bytes."""
    body = base64.b64decode(line["body"])
    record = decode(body)
    again = encode(record)
    assert decode(again) == record
    assert document(decode(again), _names(line)) == line["document"] | ADDED
    assert record.kind == "refusal" or len(again) < len(body)


def test_decisions_of_both_forms_replay_to_the_bit() -> None:
    """A decision of form 1 replays to the bit, from its own bytes and from those of form 2."""
    replayer = Replayer(Bundles(None, (DATA / "version-1" / "bundle",)).find, [load_rules()])
    decisions = [line for line in LINES if line["document"]["kind"] == "decision"]
    for line in decisions:
        record = decode(base64.b64decode(line["body"]))
        for each in (record, decode(encode(record))):
            replayed = replayer.replay(each, _names(line))
            assert (replayed.outcome, replayed.differences) == ("same", ())


def test_an_outbox_with_both_forms_is_shipped(tmp_path) -> None:
    """A batch with records of both forms, as after an upgrade, has the same documents."""
    outbox = Outbox(tmp_path, most_bytes=10**8, file_bytes=10**7)
    for line in LINES:
        body = base64.b64decode(line["body"])
        record = decode(body)
        for each in (body, encode(record)):
            outbox.add(each, _names(line), record.names)
    outbox.commit()
    outbox.close()
    (file,) = find_files(tmp_path)
    batch = gather(file, 1, 2 * len(LINES))
    assert not batch.left_out()
    assert list(batch.records) == [line["document"] | ADDED for line in LINES for _ in range(2)]
