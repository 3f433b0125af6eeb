"""Replays of the bundle and the records in tests/data/version-2, made before actions depended on patterns."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from customer_risk.model.scoring.bundle import Bundle, load_bundle
from customer_risk.serving.audit.replay import Replayer
from customer_risk.serving.decisions.fallback.ruleset import load_rules
from customer_risk.serving.record.outbox.reader import find_files
from customer_risk.serving.record.outbox.record import ADDED, decode, document, encode
from customer_risk.serving.record.shipper.batch import gather
from customer_risk.serving.record.sinks.ndjson import Lines
from customer_risk.serving.record.sinks.parquet import Parquet

DATA = Path(__file__).parents[2] / "data" / "version-2"
LINES = [json.loads(line) for line in (DATA / "records.jsonl").read_text().splitlines()]
STORED = [line["document"] | ADDED for line in LINES]


FAMILY = None if np.__version__ == "2.5.5" else "another"  # the last bit depends on the NumPy that made the records


def find_bundle(_: str) -> Bundle:
    """Return the bundle of version 2; its golden rows are checked in tests/model/scoring/test_version_2.py."""
    return load_bundle(DATA / "bundle", verify_golden=False)


@pytest.fixture(scope="module")
def outbox(tmp_path_factory) -> Path:
    """A copy of the outbox, since reading it may make files beside it."""
    return Path(shutil.copytree(DATA / "outbox", tmp_path_factory.mktemp("outbox") / "outbox"))


@pytest.fixture(scope="module")
def decisions(outbox):
    """The decisions in the outbox: pairs of a record and the names of its features."""
    records = [
        (record, file.names(record.names))
        for file in find_files(outbox)
        for record in (decode(kept.body) for kept in file.read(0, 1000))
    ]
    return [(record, names) for record, names in records if record.kind == "decision"]


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line['document']['source']}-{line['document']['kind']}")
def test_a_record_of_version_2_has_its_document(line) -> None:
    """A record has the document that its release shipped; the added fields have the values that the release implied."""
    names = tuple(each["name"] for each in line["document"]["features"])
    record = decode(base64.b64decode(line["body"]))
    assert document(record, names) == line["document"] | ADDED
    assert decode(encode(record)) == record


def test_an_outbox_of_version_2_is_shipped(outbox) -> None:
    """A shipper reads every record of the outbox, and each form of segments stores the documents unchanged."""
    (file,) = find_files(outbox)
    batch = gather(file, 1, len(LINES))
    assert not batch.left_out()
    assert list(batch.records) == STORED
    for form in (Lines(), Parquet()):
        assert [_without_nulls(each) for each in form.decode(form.encode(batch.records))] == [
            _without_nulls(each) for each in STORED
        ]


def test_every_decision_of_version_2_replays(decisions) -> None:
    """Decisions by the model and by rules, from any form of input, replay with version 1 of the action rule."""
    replayer = Replayer(find_bundle, [load_rules()], family=FAMILY)
    replayed = [replayer.replay(*each) for each in decisions]
    assert [(each.outcome, each.differences) for each in replayed] == [("same", ())] * len(decisions)
    assert {(record.source, bool(record.encoded)) for record, _ in decisions} == {
        (source, encoded) for source in ("model", "rules") for encoded in (True, False)
    }
    assert {"propose_off_boarding", "review", "none"} == {record.action for record, _ in decisions}


def test_the_texts_of_version_2_are_replayed(decisions) -> None:
    """Texts are replayed in version 1 of the wordings on every processor."""
    for each in decisions:
        replayer = Replayer(find_bundle, [load_rules()], family=each[0].cpu)
        differences = replayer.replay(*each).differences
        assert [found for found in differences if found.field.endswith("text")] == []


@pytest.mark.parametrize("field", ["action_rule", "wordings"])
@pytest.mark.parametrize("source", ["model", "rules"])
def test_a_version_that_differs_from_the_bundle_is_found(decisions, source, field) -> None:
    """A record that names another version than its bundle differs, and the version is named."""
    from msgspec.structs import replace

    replayer = Replayer(find_bundle, [load_rules()], family=FAMILY)
    record, names = next(each for each in decisions if each[0].source == source)
    differences = replayer.replay(replace(record, **{field: 2}), names).differences
    if (source, field) != ("rules", "wordings"):  # rules use the wordings that the record names
        assert (field, 2, 1) in differences


def _without_nulls(value):
    """Return plain values without null fields: Parquet returns null fields, NDJSON omits them."""
    if isinstance(value, dict):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None}
    return [_without_nulls(each) for each in value] if isinstance(value, list) else value
