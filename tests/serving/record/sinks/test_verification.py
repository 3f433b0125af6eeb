"""Verification: nothing is changed, removed or added unseen."""

from __future__ import annotations

import datetime as dt

import pytest

from customer_risk.serving.record.sinks.erasure import erase
from customer_risk.serving.record.sinks.manifest import Erasure, Link, Replaced, digest, encode, manifest_key
from customer_risk.serving.record.sinks.ndjson import Lines
from customer_risk.serving.record.sinks.verification import verify

SHIPPER = "a" * 32


def overwrite(objects, key: str, data: bytes) -> None:
    """Do what no sink does."""
    objects.delete(key)
    objects.create(key, data)


def segments(objects) -> list[str]:
    """All segments' keys, in order."""
    return sorted(objects.list("dt="), key=lambda key: int(key.split("-")[3]))


@pytest.mark.parametrize("form", ["parquet", "ndjson.gz"])
def test_what_was_shipped_is_sound(chained, stored, form) -> None:
    """Segments and records of all chains are counted."""
    chained((1, 3), (4, 4), (5, 9), form=form)
    chained((10, 12), form=form, shipper="b" * 32)
    report = verify(stored)
    assert (report.ok, report.problems, report.segments, report.records) == (True, (), 4, 12)


def test_an_empty_folder_is_sound(stored) -> None:
    """There is nothing to find fault with."""
    assert verify(stored).ok


def test_a_missing_segment_is_found(chained, stored) -> None:
    """By the manifest that names it."""
    chained((1, 3), (4, 4))
    key = segments(stored)[1]
    stored.delete(key)
    assert verify(stored).problems == (f"{key}: it is missing.",)


def test_an_altered_segment_is_found(chained, stored) -> None:
    """By its hash, though it is as long as before."""
    chained((1, 3), (4, 4))
    key = segments(stored)[0]
    data = stored.get(key)
    overwrite(stored, key, data[:-1] + bytes([data[-1] ^ 1]))
    assert verify(stored).problems == (f"{key}: it was altered.",)


def test_an_added_segment_is_found(chained, stored) -> None:
    """No manifest names it."""
    chained((1, 3))
    key = segments(stored)[0].replace("-1-3-", "-4-6-")
    stored.create(key, b"forged")
    assert [problem.partition(":")[0] for problem in verify(stored).problems] == [key]


def test_an_altered_manifest_is_found(chained, stored) -> None:
    """Though it is well formed: the next one holds its hash."""
    chained((1, 3), (4, 4), (5, 6))
    key = manifest_key(SHIPPER, 1)
    overwrite(stored, key, stored.get(key).replace(b'"records":1', b'"records":2'))
    (problem,) = verify(stored).problems
    assert problem.startswith(f"{manifest_key(SHIPPER, 2)}: it doesn't follow")


def test_a_torn_manifest_is_found(chained, stored) -> None:
    """The segment that it named is told too."""
    chained((1, 3), (4, 4))
    key, segment = manifest_key(SHIPPER, 1), segments(stored)[1]
    overwrite(stored, key, stored.get(key)[:20])
    assert [problem.partition(":")[0] for problem in verify(stored).problems] == [key, segment]


def test_missing_manifests_are_found(chained, stored) -> None:
    """A gap in a chain is told from its first number to its end."""
    chained(*((number, number) for number in range(1, 6)))
    stored.delete(manifest_key(SHIPPER, 1))
    stored.delete(manifest_key(SHIPPER, 2))
    first, *others = verify(stored).problems
    assert first == f"{manifest_key(SHIPPER, 1)}: it is missing, with all up to {manifest_key(SHIPPER, 3)}."
    assert [problem.partition(":")[0] for problem in others] == sorted(segments(stored)[1:3])


def test_what_is_cut_off_a_chains_end_is_found_by_who_knows_the_end(chained, stored) -> None:
    """With its segment gone too, nothing else could tell."""
    before = chained((1, 3), (4, 4))
    end = chained((5, 6))
    assert verify(stored, ends={SHIPPER: end}).ok
    assert verify(stored, ends={SHIPPER: before}).ok  # its shipper has gone on since
    stored.delete(segments(stored)[2])
    stored.delete(manifest_key(SHIPPER, 2))
    assert verify(stored).ok
    (problem,) = verify(stored, ends={SHIPPER: end}).problems
    assert problem.startswith(manifest_key(SHIPPER, 2))
    assert not verify(stored, ends={SHIPPER: Link(2, "0" * 64)}).ok
    assert not verify(stored, ends={"b" * 32: Link(1, "0" * 64)}).ok


def test_a_chain_written_anew_is_found(chained, stored) -> None:
    """A segment named twice is one too many."""
    chained((1, 3))
    data = stored.get(manifest_key(SHIPPER, 0))
    stored.create(manifest_key("b" * 32, 0), data)
    assert verify(stored).problems == (f"{segments(stored)[0]}: two manifests name it.",)


@pytest.mark.parametrize(
    "key", ["manifest/x.json", f"manifest/{SHIPPER}/1.json", f"manifest/{SHIPPER}/0/00000000.json"]
)
def test_what_is_of_no_chain_is_found(chained, stored, key) -> None:
    """Whatever it holds."""
    chained((1, 3))
    stored.create(key, b"{}")
    assert verify(stored).problems == (f"{key}: it is of no chain: it was added.",)


def test_a_forged_erasure_is_found(chained, stored) -> None:
    """What is no erasure's record excuses nothing."""
    chained((1, 3))
    stored.create("erasures/x.json", b"{}")
    (problem,) = verify(stored).problems
    assert problem.startswith("erasures/x.json")


@pytest.fixture
def erased(chained, stored, samples):
    """Two segments, a person's record in the first of them erased."""
    chained((1, 3), (4, 6))
    now = dt.datetime(2026, 3, 5, tzinfo=dt.UTC)
    return erase(stored, samples.record(2).customer_id, by="dpo", why="asked", now=now).replaced[0]


def test_an_erasure_is_accepted(erased, stored) -> None:
    """Exactly as it was recorded."""
    report = verify(stored)
    assert (report.problems, report.segments, report.records, report.erased) == ((), 2, 6, 1)
    assert stored.get(erased.old_key) is None


def test_a_segment_altered_after_an_erasure_is_found(erased, stored) -> None:
    """The erasure holds the new one's hash."""
    overwrite(stored, erased.new_key, b"forged")
    assert f"{erased.new_key}: it was altered." in verify(stored).problems


def test_a_segment_altered_before_an_erasure_is_found(chained, stored, samples) -> None:
    """An erasure doesn't launder what it replaces."""
    chained((1, 3))
    (key,) = segments(stored)
    other = samples.segment(1, 3)
    other.documents[0]["action"] = "none"
    overwrite(stored, key, Lines().encode(other.documents))
    erase(stored, samples.record(2).customer_id, by="dpo", why="asked", now=dt.datetime(2026, 3, 5, tzinfo=dt.UTC))
    assert verify(stored).problems == (f"{key}: it had been altered before an erasure replaced it.",)


def test_an_erasures_missing_segment_is_found(erased, stored) -> None:
    """Deleting is not erasing."""
    stored.delete(erased.new_key)
    assert verify(stored).problems == (f"{erased.new_key}: it is missing.",)


def test_a_deleted_erasure_is_found(erased, stored) -> None:
    """Without it the old segment is missing and the new one nobody's."""
    (key,) = stored.list("erasures/")
    stored.delete(key)
    assert [problem.partition(":")[0] for problem in verify(stored).problems] == [erased.old_key, erased.new_key]


def test_what_an_erasure_did_not_get_to_delete_is_found(erased, stored) -> None:
    """The person's data is still there."""
    stored.create(erased.old_key, b"data")
    (problem,) = verify(stored).problems
    assert problem.startswith(f"{erased.old_key}: an erasure replaced it, but it is still there")


def test_an_erasure_that_lost_records_is_found(chained, stored) -> None:
    """What stands in a segment's place has as many."""
    chained((1, 3))
    (key,) = segments(stored)
    new = Lines().encode([{}])
    new_key = key.replace(key[-26:-10], digest(new)[:16])
    each = Replaced(old_key=key, old_sha256=digest(stored.get(key)), new_key=new_key, new_sha256=digest(new))
    erasure = Erasure(id="x", at="", by="", why="", legal_basis="", customer="", replaced=(each,))
    stored.create("erasures/x.json", encode(erasure))
    stored.create(new_key, new)
    stored.delete(key)
    assert verify(stored).problems == (f"{new_key}: an erasure wrote it with other than 3 records.",)
