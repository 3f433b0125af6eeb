"""Verification finds what was changed, removed or added."""

from __future__ import annotations

import datetime as dt
import gzip

import duckdb
import msgspec
import pytest

from customer_risk.serving.contract.columns import erased_values
from customer_risk.serving.record.outbox.record import Document
from customer_risk.serving.record.sinks.duplicates import DuplicateFinder
from customer_risk.serving.record.sinks.erasure import erase
from customer_risk.serving.record.sinks.manifest import (
    Erasure,
    Link,
    Replaced,
    digest,
    encode,
    end_of_erasures,
    erasure_key,
    manifest_key,
)
from customer_risk.serving.record.sinks.ndjson import Lines
from customer_risk.serving.record.sinks.proof import customer_digest, salts_key
from customer_risk.serving.record.sinks.verification import Head, verify

SHIPPER = "a" * 32


def overwrite(objects, key: str, data: bytes) -> None:
    """Replace an object, which no sink does."""
    objects.delete(key)
    objects.create(key, data)


def segments(objects) -> list[str]:
    """Return all segments' keys, in order."""
    return sorted(objects.list("dt="), key=lambda key: int(key.split("-")[3]))


@pytest.mark.parametrize("form", ["parquet", "ndjson.gz"])
def test_shipped_records_verify(chained, stored, form) -> None:
    """Segments and records of all chains are counted."""
    chained((1, 3), (4, 4), (5, 9), form=form)
    chained((10, 12), form=form, shipper="b" * 32)
    report = verify(stored)
    assert (report.ok, report.problems, report.segments, report.records) == (True, (), 4, 12)


def test_an_empty_folder_verifies(stored) -> None:
    """An empty folder has no problems."""
    assert verify(stored).ok


MANIFESTS = [manifest_key(SHIPPER, n) for n in range(5)]


def alter(objects, key: str) -> None:
    """Change the last byte of an object."""
    data = objects.get(key)
    overwrite(objects, key, data[:-1] + bytes([data[-1] ^ 1]))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda objects, keys: objects.delete(keys[1]), ["{1}: it is missing."]),
        (lambda objects, keys: alter(objects, keys[0]), ["{0}: it was altered."]),
        (
            lambda objects, keys: objects.create(keys[0].replace("-1-1-", "-6-8-"), b"forged"),
            ["{added}: no manifest names it"],
        ),
        (
            lambda objects, _: overwrite(
                objects, MANIFESTS[1], objects.get(MANIFESTS[1]).replace(b'"records":1', b'"records":2')
            ),
            [f"{MANIFESTS[2]}: it doesn't follow"],
        ),
        (
            lambda objects, _: overwrite(objects, MANIFESTS[4], objects.get(MANIFESTS[4])[:20]),
            [f"{MANIFESTS[4]}: it is not a valid manifest", "{4}: no manifest names it"],
        ),
        (
            lambda objects, _: [objects.delete(key) for key in MANIFESTS[1:3]],
            [
                f"{MANIFESTS[1]}: it is missing, with all up to {MANIFESTS[3]}.",
                "{1}: no manifest names it",
                "{2}: no manifest names it",
            ],
        ),
    ],
    ids=["missing segment", "altered segment", "added segment", "altered manifest", "torn manifest", "lost manifests"],
)
def test_a_changed_object_is_found(chained, stored, change, found) -> None:
    """A missing, altered or added object is named with what is wrong, and no other object is named."""
    chained(*((number, number) for number in range(1, 6)))
    keys = segments(stored)
    change(stored, keys)
    expected = [each.format(*keys, added=keys[0].replace("-1-1-", "-6-8-")) for each in found]
    problems = verify(stored).problems
    assert [problem[: len(start)] for problem, start in zip(problems, expected, strict=True)] == expected


def test_a_shortened_chain_is_found_by_its_known_end(chained, stored) -> None:
    """A chain without its last segment and manifest is only found by its known end."""
    before = chained((1, 3), (4, 4))
    end = chained((5, 6))
    assert verify(stored, ends={SHIPPER: end}).ok
    assert verify(stored, ends={SHIPPER: before}).ok  # the shipper has shipped more since then
    stored.delete(segments(stored)[2])
    stored.delete(manifest_key(SHIPPER, 2))
    assert verify(stored).ok
    (problem,) = verify(stored, ends={SHIPPER: end}).problems
    assert problem.startswith(manifest_key(SHIPPER, 2))
    assert not verify(stored, ends={SHIPPER: Link(2, "0" * 64)}).ok
    assert not verify(stored, ends={"b" * 32: Link(1, "0" * 64)}).ok


def test_a_segment_in_two_manifests_is_found(chained, stored) -> None:
    """A segment that two manifests name is found."""
    chained((1, 3))
    data = stored.get(manifest_key(SHIPPER, 0))
    stored.create(manifest_key("b" * 32, 0), data)
    assert verify(stored).problems == (f"{segments(stored)[0]}: two manifests name it.",)


@pytest.mark.parametrize(
    "key", ["manifest/x.json", f"manifest/{SHIPPER}/1.json", f"manifest/{SHIPPER}/0/00000000.json"]
)
def test_a_manifest_outside_a_chain_is_found(chained, stored, key) -> None:
    """A manifest outside a chain is found, whatever its content."""
    chained((1, 3))
    stored.create(key, b"{}")
    assert verify(stored).problems == (f"{key}: it isn't in a chain: it was added.",)


def test_a_forged_erasure_is_found(chained, stored) -> None:
    """A stored object that isn't a valid erasure is found."""
    chained((1, 3))
    stored.create("erasures/x.json", b"{}")
    (problem,) = verify(stored).problems
    assert problem.startswith("erasures/x.json")


@pytest.fixture
def erased(chained, stored, samples):
    """Two segments; a customer is erased from the first."""
    chained((1, 3), (4, 6))
    now = dt.datetime(2026, 3, 5, tzinfo=dt.UTC)
    return erase(stored, samples.record(2).customer_id, by="dpo", why="asked", now=now).replaced[0]


def test_an_erasure_is_accepted(erased, stored) -> None:
    """A valid erasure has no problems."""
    report = verify(stored)
    assert (report.problems, report.segments, report.records, report.erased) == ((), 2, 6, 1)
    assert stored.get(erased.old_key) is None


def test_a_segment_altered_after_an_erasure_is_found(erased, stored) -> None:
    """A segment that was altered after its erasure is found by the erasure's hash."""
    overwrite(stored, erased.new_key, b"forged")
    assert f"{erased.new_key}: it was altered." in verify(stored).problems


def test_a_segment_altered_before_an_erasure_is_found(chained, stored, samples) -> None:
    """A segment that was altered before its erasure is found."""
    chained((1, 3))
    (key,) = segments(stored)
    other = samples.segment(1, 3)
    other.documents[0]["action"] = "none"
    overwrite(stored, key, Lines().encode(other.documents))
    erase(stored, samples.record(2).customer_id, by="dpo", why="asked", now=dt.datetime(2026, 3, 5, tzinfo=dt.UTC))
    first, second = verify(stored).problems
    assert first == f"{key}: it had been altered before an erasure replaced it."
    assert "changed more than the erased person's data" in second


def test_an_erasures_missing_segment_is_found(erased, stored) -> None:
    """A missing segment that an erasure wrote is found."""
    stored.delete(erased.new_key)
    assert verify(stored).problems == (f"{erased.new_key}: it is missing.",)


def test_a_deleted_erasure_is_found(erased, stored) -> None:
    """Without its erasure, the old segment is missing and the new one has no manifest."""
    (key,) = stored.list("erasures/")
    stored.delete(key)
    assert [problem.partition(":")[0] for problem in verify(stored).problems] == [erased.old_key, erased.new_key]


def test_a_replaced_segment_that_still_exists_is_found(erased, stored) -> None:
    """A replaced segment that still exists is found."""
    stored.create(erased.old_key, b"data")
    (problem,) = verify(stored).problems
    assert problem.startswith(f"{erased.old_key}: an erasure replaced it, but it still exists")


def rewrite(objects, erased, change) -> None:
    """Change an erased segment and rewrite the erasure and its hash, as an insider can."""
    documents = Lines().decode(objects.get(erased.new_key))
    replace(objects, erased, Lines().encode(change(documents)))


def replace(objects, erased, new: bytes) -> None:
    """Replace an erased segment and rewrite the erasure and its hash, as an insider can."""
    stem, _, end = erased.new_key.rpartition("-")
    new_key = f"{stem}-{digest(new)[:16]}.{end.partition('.')[2]}"
    objects.create(new_key, new)
    if (salts := objects.get(salts_key(erased.new_key))) is not None:
        objects.create(salts_key(new_key), salts)
    for key in (erased.new_key, salts_key(erased.new_key)):
        if key not in {new_key, salts_key(new_key)}:
            objects.delete(key)
    (key,) = objects.list("erasures/")
    erasure = Erasure.read(objects.get(key))
    replaced = msgspec.structs.replace(erased, new_key=new_key, new_sha256=digest(new))
    overwrite(objects, key, encode(msgspec.structs.replace(erasure, replaced=(replaced,))))


def changed(number, **fields):
    """Return a function that changes fields of one document."""

    def change(documents):
        return [each | fields if place == number else each for place, each in enumerate(documents)]

    return change


BLANK = erased_values(Document)


CHANGES = {
    "segment": (changed(0, segment="medium"), "changed more than the erased person's data"),
    "segment of the erased": (changed(1, segment="low"), "changed more than the erased person's data"),
    "id": (changed(1, decision_id="0198a1b2-c3d4-7e5f-8a9b-0000000000ff"), "changed more"),
    "probability": (changed(0, probability=0.99), "changed more than the erased person's data"),
    "customer": (changed(0, customer_id="somebody"), "changed more than the erased person's data"),
    "blank": (changed(0, **BLANK), "changed more than the erased person's data"),
    "patterns": (changed(0, patterns=[]), "changed more than the erased person's data"),
    "action rule": (changed(0, action_rule=1), "changed more than the erased person's data"),
    "wordings": (changed(0, wordings=1), "changed more than the erased person's data"),
    "action rule of the erased": (changed(1, action_rule=2), "changed more than the erased person's data"),
    "wordings of the erased": (changed(1, wordings=2), "changed more than the erased person's data"),
    "data": (changed(1, probability=0.99), "record 2 is marked as erased, but has data"),
    "patterns of the erased": (
        changed(1, patterns=[{"code": "NIGHT_BURST"}]),
        "record 2 is marked as erased, but has data",
    ),
    "lost": (lambda documents: documents[:-1], "an erasure left 2 of 3 records"),
    "order": (lambda documents: documents[::-1], "changed more"),
}


@pytest.mark.parametrize(("change", "words"), CHANGES.values(), ids=list(CHANGES))
def test_an_erasure_may_change_only_the_persons_fields(erased, stored, change, words) -> None:
    """The manifest's proof reveals any other change by an erasure, although every hash was rewritten."""
    rewrite(stored, erased, lambda documents: documents)
    assert verify(stored).ok
    current = Erasure.read(stored.get(erasure_key(0))).replaced[0]
    rewrite(stored, current, change)
    (problem,) = verify(stored).problems
    assert words in problem


@pytest.mark.parametrize(
    "line",
    [
        {"customer_id": None},
        {"reasons": None},
        {"reasons": [1]},
        {"decision_id": 7},
        {"recorded_at": "9999-12-31T23:59:59.999999-23:00"},
        {"features": [{"name": "a"}]},
        b"[]",
        b'{"decision_id":"a"}',
        b'{"decision_id":"a","x":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    ],
    ids=["customer", "reasons", "reason", "id", "time", "feature", "no object", "no fields", "brackets"],
)
@pytest.mark.parametrize("proof", [True, False])
def test_an_erased_segment_without_records_is_a_problem(erased, stored, line, proof) -> None:
    """A segment with content that isn't a record is named, and the other segments are verified."""
    if not proof:
        older(stored)
    first, *others = gzip.decompress(stored.get(erased.new_key)).splitlines()
    if isinstance(line, dict):
        line = encode(msgspec.json.decode(first) | line)
    replace(stored, erased, gzip.compress(b"\n".join((line, *others)) + b"\n"))
    stored.delete(segments(stored)[1])
    problems = verify(stored).problems
    assert sum("an erasure left" in each or "an erasure changed" in each for each in problems) == 1
    assert any("-4-6-" in each and "it is missing" in each for each in problems)


def extra(line: bytes) -> bytes:
    """Return a line of JSON with one more field."""
    return b'{"note":"data of the person",' + line[1:]


@pytest.mark.parametrize("proof", [True, False])
@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize(
    "change",
    [
        extra,
        lambda line: b'{"segment":"high",' + line[1:],
        lambda line: line.replace(b'"model":{', b'"model":{"name":"data of the person",'),
        lambda line: line.replace(b'"model":{', b'"model":{"note":"data of the person",'),
        lambda line: line.replace(b":", b": ", 1),
    ],
    ids=["field", "duplicate", "nested duplicate", "nested field", "space"],
)
def test_an_erasure_may_add_nothing_to_a_line(erased, stored, change, number, proof) -> None:
    """A line with more than its record is reported, although readers ignore the rest."""
    if not proof:
        older(stored)
    lines = gzip.decompress(stored.get(erased.new_key)).splitlines()
    lines[number] = change(lines[number])
    replace(stored, erased, gzip.compress(b"\n".join(lines) + b"\n"))
    (problem,) = verify(stored).problems
    assert "changed more than the erased person's data" in problem


def test_an_erased_segment_may_have_other_compressed_bytes(erased, stored) -> None:
    """An erased segment is valid if the same lines were compressed to other bytes, as earlier releases did."""
    replace(stored, erased, gzip.compress(gzip.decompress(stored.get(erased.new_key)), 9, mtime=1))
    assert verify(stored).ok


@pytest.mark.parametrize(
    ("columns", "word"),
    [
        ("*, 'data of the person' AS note", "note VARCHAR"),
        ("* REPLACE (struct_pack(name := model.name, version := model.version, note := 'x') AS model)", "note"),
        ("* REPLACE (CAST(took_us AS VARCHAR) AS took_us)", "took_us VARCHAR"),
        ("* REPLACE (NULL::VARCHAR AS customer_id)", "customer_id"),
        ("* REPLACE (NULL::VARCHAR AS decision_id)", "decision_id"),
    ],
    ids=["column", "nested", "type", "no customer", "no id"],
)
def test_an_erasure_may_add_nothing_to_a_parquet_file(chained, stored, samples, tmp_path, columns, word) -> None:
    """A file with more columns, other types or missing values is reported."""
    chained((1, 3), form="parquet")
    now = dt.datetime(2026, 3, 5, tzinfo=dt.UTC)
    (erased,) = erase(stored, samples.record(2).customer_id, by="dpo", why="asked", now=now).replaced
    forged = tmp_path / "forged"
    duckdb.read_parquet(str(tmp_path / erased.new_key)).project(columns).write_parquet(str(forged))
    replace(stored, erased, forged.read_bytes())
    (problem,) = [each for each in verify(stored).problems if each.startswith("dt=")]
    assert word in problem


@pytest.mark.usefixtures("erased")
def test_an_erasure_may_blank_only_the_named_persons_records(stored, samples) -> None:
    """An erasure that blanked another person's record is found, although its salts are as an erasure leaves them."""
    erasure = Erasure.read(stored.get(erasure_key(0)))
    someone = customer_digest(samples.record(1).customer_id)
    overwrite(stored, erasure_key(0), encode(msgspec.structs.replace(erasure, customer=someone)))
    (problem,) = verify(stored).problems
    assert "changed more than the erased person's data" in problem


def test_an_erasure_that_is_not_in_the_chain_is_found(chained, stored) -> None:
    """Changed decisions with a forged erasure outside the chain are found."""
    chained((1, 4))
    (key,) = segments(stored)
    documents = [each | {"segment": "high", "probability": 1.0} for each in Lines().decode(stored.get(key))]
    new = Lines().encode(documents)
    new_key = key.replace(key[-26:-10], digest(new)[:16])
    each = Replaced(old_key=key, old_sha256=digest(stored.get(key)), new_key=new_key, new_sha256=digest(new))
    erasure = Erasure(id="x", at="", by="dpo", why="asked", legal_basis="", customer="", replaced=(each,))
    stored.create("erasures/0198a1b2-c3d4-7e5f-8a9b-000000000001.json", encode(erasure))
    stored.create(new_key, new)
    stored.create(salts_key(new_key), stored.get(salts_key(key)))
    for old in (key, salts_key(key)):
        stored.delete(old)
    first, second = verify(stored).problems
    assert first == f"{key}: an erasure outside the chain of erasures replaced it: the erasure was added."
    assert "changed more" in second


@pytest.mark.usefixtures("erased")
def test_an_older_erasure_that_the_chain_does_not_name_is_found(stored) -> None:
    """An older erasure that the chain's first erasure doesn't name is found."""
    key = "erasures/0198a1b2-c3d4-7e5f-8a9b-000000000001.json"
    stored.create(key, encode(Erasure(id="x", at="", by="", why="", legal_basis="", customer="", replaced=())))
    assert verify(stored).problems == (f"{key}: it isn't in the chain of erasures: it was altered or added.",)


@pytest.fixture
def chain_of_three(chained, stored, samples):
    """A record with three erasures in one chain."""
    chained((1, 4))
    for number in (1, 2, 3):
        now = dt.datetime(2026, 3, 5, tzinfo=dt.UTC)
        erase(stored, samples.record(number).customer_id, by="dpo", why="asked", now=now)
    return stored


def test_an_altered_erasure_is_found(chain_of_three) -> None:
    """An altered erasure is found by its hash in the next one."""
    key = erasure_key(1)
    overwrite(chain_of_three, key, chain_of_three.get(key).replace(b'"by":"dpo"', b'"by":"ceo"'))
    (problem,) = verify(chain_of_three).problems
    assert problem.startswith(f"{erasure_key(2)}: it doesn't follow the erasure before")


def test_a_missing_erasure_is_found(chain_of_three) -> None:
    """A missing erasure is found by its number."""
    chain_of_three.delete(erasure_key(1))
    assert f"{erasure_key(1)}: it is missing, with all up to {erasure_key(2)}." in verify(chain_of_three).problems


def older(objects) -> None:
    """Turn a record into one of a release without proofs in manifests and without a chain of erasures."""
    previous = ""
    for n, key in enumerate(list(objects.list("manifest/"))):
        manifest = msgspec.json.decode(objects.get(key))
        del manifest["proof"]
        data = encode(manifest | {"previous": previous})
        overwrite(objects, manifest_key(SHIPPER, n), data)
        previous = digest(data)
    for key in list(objects.list("salts/")):
        objects.delete(key)
    for key in list(objects.list("erasures/")):
        erasure = msgspec.json.decode(objects.get(key))
        for name in ("n", "previous", "earlier"):
            del erasure[name]
        objects.create(f"erasures/{erasure['id']}.json", encode(erasure))
        objects.delete(key)


@pytest.mark.usefixtures("erased")
def test_a_record_of_an_earlier_release_verifies(stored) -> None:
    """A record of an earlier release verifies, and the report counts its older erasures and unproven segments."""
    older(stored)
    report = verify(stored)
    assert (report.problems, report.segments, report.records, report.erased) == ((), 2, 6, 1)
    assert (report.erasures, report.unchained, report.unproven) == (1, 1, 1)


@pytest.mark.usefixtures("erased")
def test_the_first_erasure_of_the_chain_names_older_ones(stored, samples) -> None:
    """Older erasures that the chain's first erasure names are valid; if they are altered or removed, that is found."""
    older(stored)
    now = dt.datetime(2026, 3, 6, tzinfo=dt.UTC)
    assert erase(stored, samples.record(4).customer_id, by="dpo", why="asked", now=now).n == 0
    report = verify(stored)
    assert (report.problems, report.erasures, report.unchained, report.unproven) == ((), 2, 1, 2)
    key = max(stored.list("erasures/"))
    data = stored.get(key)
    overwrite(stored, key, data.replace(b'"by":"dpo"', b'"by":"ceo"'))
    assert any(each.startswith(f"{key}: it isn't in the chain") for each in verify(stored).problems)
    stored.delete(key)
    assert any(each.startswith(f"{key}: it is missing") for each in verify(stored).problems)


def test_a_missing_seed_is_found(chained, stored) -> None:
    """A missing seed is found, since later erasures couldn't be verified without it."""
    chained((1, 3))
    (key,) = stored.list("salts/")
    stored.delete(key)
    (problem,) = verify(stored).problems
    assert problem.startswith(f"{key}: it is missing")


def test_a_record_that_is_stored_twice_is_found(chained, stored, samples) -> None:
    """A record that is stored twice is found, even if its two segments are in valid chains."""
    chained((1, 3), (6, 7))
    chained((2, 2), shipper="b" * 32, source=samples.OTHER)
    assert [each.partition(": ")[2] for each in verify(stored).problems] == [
        f"the record {samples.record(2).record_id} is stored 2 times: in {first}, {second}."
        for first, second in [sorted(key for key in segments(stored) if "-6-7-" not in key)]
    ]


def test_records_that_are_stored_once_are_no_repeats() -> None:
    """Only records that are stored more than once are reported."""
    repeats = DuplicateFinder()
    assert list(repeats.find(lambda _: [])) == []
    segments = {f"s{number}": [f"{number}-{each}" for each in range(50)] for number in range(40)}
    for key, ids in segments.items():
        repeats.add(key, ids)
    assert list(repeats.find(segments.__getitem__)) == []
    repeats.add("again", segments["s7"])
    segments["again"] = segments["s7"]
    found = list(repeats.find(segments.__getitem__))
    assert len(found) == 50
    assert found[0] == "again: the record 7-0 is stored 2 times: in again, s7."


@pytest.mark.parametrize("form", ["parquet", "ndjson.gz"])
def test_an_anchor_reveals_a_changed_chain(chained, stored, form) -> None:
    """A chain that continues from an anchor verifies; a rewritten or shortened chain doesn't."""
    end = chained((1, 3), (4, 4), form=form)
    chained((5, 6), form=form)
    report = verify(stored, heads=[Head(SHIPPER, end, "noon")])
    assert (report.problems, report.heads) == ((), 1)
    assert verify(stored, heads=[Head(SHIPPER, Link(), "noon")]).ok
    (problem,) = verify(stored, heads=[Head(SHIPPER, Link(2, "0" * 64), "noon")]).problems
    assert problem.startswith(f"{manifest_key(SHIPPER, 1)}: it differs from the anchor of noon")
    (problem,) = verify(stored, heads=[Head(SHIPPER, Link(9, "0" * 64), "noon")]).problems
    assert problem == f"{manifest_key(SHIPPER, 8)}: it is missing: the anchor of noon has it."


def test_an_anchor_reveals_a_changed_chain_of_erasures(chain_of_three) -> None:
    """An anchor reveals that the chain of erasures was shortened or rewritten."""
    end = end_of_erasures(chain_of_three)
    assert verify(chain_of_three, heads=[Head("erasures/", end, "noon")]).ok
    assert not verify(chain_of_three, heads=[Head("erasures/", Link(3, "0" * 64), "noon")]).ok
    assert not verify(chain_of_three, heads=[Head("erasures/", Link(4, "0" * 64), "noon")]).ok
