"""Erasing a person's data, with crashes at any point."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import gzip
from concurrent.futures import ThreadPoolExecutor

import duckdb
import pytest

from customer_risk.serving.record.outbox.record import ADDED, ERASED, from_document
from customer_risk.serving.record.sinks.codecs import SegmentUnreadable
from customer_risk.serving.record.sinks.erasure import erase
from customer_risk.serving.record.sinks.erasure_lock import KEY, ErasureRunning, erasure_lock
from customer_risk.serving.record.sinks.folder import LocalObjects
from customer_risk.serving.record.sinks.interface import SinkUnavailable
from customer_risk.serving.record.sinks.manifest import Erasure, Replaced, digest, encode
from customer_risk.serving.record.sinks.ndjson import Lines
from customer_risk.serving.record.sinks.object_sink import ObjectSink
from customer_risk.serving.record.sinks.parquet import Parquet
from customer_risk.serving.record.sinks.proof import Salts
from customer_risk.serving.record.sinks.search import find
from customer_risk.serving.record.sinks.verification import verify

NOW = dt.datetime(2026, 3, 5, tzinfo=dt.UTC)
SHIPPER = "a" * 32


class Killed(BaseException):
    """Ends the process."""


class Mortal(LocalObjects):
    """A folder whose process is killed at the nth change."""

    def __init__(self, folder, lives: int) -> None:
        super().__init__(folder)
        self._lives = lives

    def _live(self) -> None:
        self._lives -= 1
        if self._lives < 0:
            raise Killed

    def create(self, key: str, data: bytes) -> bool:
        """Create an object, or raise Killed."""
        self._live()
        return super().create(key, data)

    def delete(self, key: str) -> None:
        """Delete an object, or raise Killed."""
        self._live()
        super().delete(key)


@pytest.fixture
def someone(samples) -> str:
    """The id of a customer who has one record."""
    return samples.record(2).customer_id


class Unlocked(LocalObjects):
    """A folder as an earlier release uses it: without the lock of erasures."""

    def __init__(self, folder) -> None:
        super().__init__(folder)
        self._lock: bytes | None = None

    def get(self, key: str) -> bytes | None:
        """Return an object, or the lock that was not written."""
        return self._lock if key == KEY else super().get(key)

    def create(self, key: str, data: bytes) -> bool:
        """Write an object, but no lock."""
        if key != KEY:
            return super().create(key, data)
        self._lock = data
        return True

    def delete(self, key: str) -> None:
        """Delete an object, but no lock."""
        if key != KEY:
            super().delete(key)


def run(objects, customer_id: str, *, take_lock: bool = False) -> Erasure:
    """Erase a customer."""
    return erase(objects, customer_id, by="dpo@bank", why="asked by letter", now=NOW, take_lock=take_lock)


def everything(objects) -> bytes:
    """Return all stored bytes, uncompressed."""
    parts = [objects.get(key) for key in objects.list("")]
    return b"".join(gzip.decompress(part) if part[:2] == b"\x1f\x8b" else part for part in parts)


@pytest.mark.parametrize("form", ["parquet", "ndjson.gz"])
def test_an_erasure_keeps_the_decision_and_removes_the_persons_data(chained, stored, samples, form) -> None:
    """The decision's id, time, segment, action and model stay; other customers' records don't change."""
    chained((1, 4), (6, 7), form=form)
    before = list(find(stored))
    assert before[2]["trace"]
    assert before[2]["encoded"]
    erasure = run(stored, samples.record(3).customer_id)
    after = list(find(stored))
    assert [each for each in after if each["decision_id"] != before[2]["decision_id"]] == [*before[:2], *before[3:]]
    kept = ("version", "kind", "decision_id", "recorded_at", "segment", "action", "model", "status", "source")
    (left,) = [each for each in after if each["customer_id"] == ERASED]
    assert {name: left[name] for name in kept} == {name: before[2][name] for name in kept}
    assert left["probability"] is None
    assert (left["caller"], left["trace"], left["encoded"], left["transactions"]) == ("", "", "", 0)
    assert before[2]["patterns"]
    assert all(left[name] == [] for name in ("features", "reasons", "patterns", "warnings", "pointers"))
    assert [each.old_key in stored.list("dt=") for each in erasure.replaced] == [False]


@pytest.mark.parametrize("form", ["parquet", "ndjson.gz"])
def test_a_person_is_erased_from_segments_of_an_earlier_release(stored, samples, tmp_path, form) -> None:
    """Records can be erased from segments without patterns and versions, and the original proof verifies the rest."""
    segment = samples.segment(1, 4)
    earlier = [{name: value for name, value in each.items() if name not in ADDED} for each in segment.documents]

    def encode_earlier(documents) -> bytes:
        if form != "parquet":
            return Lines().encode(documents)
        whole, path = tmp_path / "whole", tmp_path / "earlier"
        whole.write_bytes(Parquet().encode([ADDED | each for each in documents]))
        columns = f"* EXCLUDE ({', '.join(ADDED)})"
        duckdb.read_parquet(str(whole)).project(columns).write_parquet(str(path))
        return path.read_bytes()

    sink = ObjectSink("folder", stored, encode_earlier, f".{form}", SHIPPER)
    sink.write(dataclasses.replace(segment, documents=earlier), sink.place())
    run(stored, samples.record(3).customer_id)
    report = verify(stored)
    assert (report.problems, report.erased, report.unproven) == ((), 1, 0)
    records = [from_document(each)[0] for each in find(stored)]
    assert [each.customer_id == ERASED for each in records] == [False, False, True, False]
    assert {(each.patterns, each.action_rule, each.wordings) for each in records} == {((), 1, 1)}


def test_no_stored_object_names_the_person(chained, stored, someone) -> None:
    """Segments, manifests and the erasure don't have the customer's id."""
    chained((1, 4), (6, 7))
    assert someone in everything(stored).decode()
    run(stored, someone)
    assert someone not in everything(stored).decode()


def test_an_erasure_has_author_reason_time_and_hashes(chained, stored, someone) -> None:
    """The erasure is stored with its author, reason, time, and the hashes of the segments."""
    chained((1, 4), (6, 7))
    (old, _) = sorted(stored.list("dt="), key=lambda key: "-6-7-" in key)
    data = stored.get(old)
    erasure = run(stored, someone)
    (key,) = stored.list("erasures/")
    assert Erasure.read(stored.get(key)) == erasure
    assert key == "erasures/00000000.json"
    assert (erasure.by, erasure.why, erasure.at) == ("dpo@bank", "asked by letter", "2026-03-05T00:00:00.000000Z")
    assert "GDPR" in erasure.legal_basis
    assert erasure.customer == digest(someone.encode())
    (replaced,) = erasure.replaced
    assert (replaced.old_key, replaced.old_sha256) == (old, digest(data))
    assert digest(stored.get(replaced.new_key)) == replaced.new_sha256


def test_a_repeated_erasure_writes_nothing(chained, stored, someone) -> None:
    """A repeated erasure writes nothing."""
    chained((1, 4))
    run(stored, someone)
    before = {key: stored.get(key) for key in stored.list("")}
    assert run(stored, someone).replaced == ()
    assert {key: stored.get(key) for key in stored.list("")} == before


def test_one_segment_may_be_replaced_for_several_persons(chained, stored, samples) -> None:
    """A segment may be replaced by several erasures, one after the other."""
    chained((1, 4))
    for number in (1, 2, 4):
        run(stored, samples.record(number).customer_id)
        assert verify(stored).ok
    assert [each["customer_id"] for each in find(stored)] == [ERASED, ERASED, samples.record(3).customer_id, ERASED]
    assert len(list(stored.list("dt="))) == 1


@pytest.mark.parametrize("lives", range(13))
def test_a_repeated_erasure_completes_a_crashed_one(chained, stored, tmp_path, someone, samples, lives) -> None:
    """A repeated erasure completes a crashed one, even if another customer was erased in between."""
    chained((1, 4))
    chained((1, 4), shipper="b" * 32, source=samples.OTHER)
    mortal = Mortal(tmp_path, lives)
    try:
        run(mortal, someone)
    except Killed:
        assert lives < 11
    else:
        # create the lock, two segments with salts, and an erasure; delete two segments with salts, and the lock
        assert lives >= 11
    run(stored, samples.record(3).customer_id, take_lock=True)
    run(stored, someone)
    report = verify(stored)
    problems = [each for each in report.problems if "is stored 2 times" not in each]  # both chains have each
    assert (problems, report.records, report.segments) == ([], 8, 2)
    assert someone not in everything(stored).decode()
    assert samples.record(3).customer_id not in everything(stored).decode()


def test_readers_ignore_segments_left_by_a_crash(chained, stored, tmp_path, someone) -> None:
    """Once the erasure is written, readers ignore the old segment."""
    chained((1, 4))
    with pytest.raises(Killed):
        run(Mortal(tmp_path, 4), someone)
    assert len(list(stored.list("dt="))) == 2
    assert len(list(find(stored))) == 4
    assert list(find(stored, customer_ids={someone})) == []


def test_completing_an_erasure_returns_it(chained, stored, tmp_path, someone) -> None:
    """Completing an interrupted erasure returns that erasure, and makes no other."""
    chained((1, 4))
    with pytest.raises(Killed):
        run(Mortal(tmp_path, 4), someone)
    (key,) = stored.list("erasures/")
    assert run(stored, someone, take_lock=True) == Erasure.read(stored.get(key))
    assert list(stored.list("erasures/")) == [key]


def test_a_segment_without_its_manifest_waits(chained, stored, tmp_path, someone, samples) -> None:
    """A segment without a manifest is erased only once a manifest names it: its shipper may write it again."""
    chained((6, 7))
    sink = ObjectSink("folder", Mortal(tmp_path, 2), Lines().encode, ".ndjson.gz", SHIPPER)
    place = sink.place()
    with pytest.raises(Killed):
        sink.write(samples.segment(1, 4), place)
    erasure = run(stored, someone)
    assert (erasure.replaced, len(erasure.waiting)) == ((), 1)
    ObjectSink("folder", stored, Lines().encode, ".ndjson.gz", SHIPPER).write(samples.segment(1, 4), place)
    assert len(run(stored, someone).replaced) == 1
    assert verify(stored).ok
    assert list(find(stored, customer_ids={someone})) == []


def test_a_repeated_plan_restores_no_erased_data(stored, someone, samples) -> None:
    """A shipper that repeats a plan after the erasure doesn't write the data again."""
    sink = ObjectSink("folder", stored, Lines().encode, ".ndjson.gz", SHIPPER)
    place = sink.place()
    sink.write(samples.segment(1, 4), place)
    run(stored, someone)
    ObjectSink("folder", stored, Lines().encode, ".ndjson.gz", SHIPPER).write(samples.segment(1, 4), place)
    assert list(find(stored, customer_ids={someone})) == []
    assert verify(stored).ok


@pytest.mark.parametrize("invalid_id", ["", ERASED])
def test_ids_that_are_not_a_customers_are_refused(chained, stored, invalid_id) -> None:
    """The ids of refused requests and of erased records are refused."""
    chained((1, 5))
    with pytest.raises(ValueError, match="not a customer's id"):
        run(stored, invalid_id)


def test_another_object_in_a_new_segments_place_is_not_trusted(chained, stored, tmp_path, someone) -> None:
    """If another object has the new segment's key, nothing is deleted."""

    class Raced(LocalObjects):
        """A folder in which another process writes each object first."""

        def create(self, key: str, data: bytes) -> bool:
            """Report that the object exists, with other bytes."""
            if key == KEY:
                return super().create(key, data)
            super().create(key, data[:-1])
            return False

    chained((1, 4))
    (old,) = stored.list("dt=")
    with pytest.raises(SinkUnavailable, match="exists with other bytes"):
        run(Raced(tmp_path), someone)
    assert stored.get(old) is not None


def test_the_remaining_salts_do_not_identify_the_person(chained, stored, someone) -> None:
    """After an erasure, the seed and the salt of the person's data are gone, and the other records' salts are kept."""
    chained((1, 4))
    (key,) = stored.list("salts/")
    seed = Salts.read(stored.get(key))
    old = [seed.of(place) for place in range(4)]
    run(stored, someone)
    (key,) = stored.list("salts/")
    left = Salts.read(stored.get(key))
    assert left.seed == ""
    assert [left.of(place) for place in (0, 2, 3)] == [old[0], *old[2:]]
    assert old[1].personal not in everything(stored).decode()
    assert seed.seed not in everything(stored).decode()


def test_an_erasure_of_an_earlier_release_takes_the_next_place(chained, stored, tmp_path, someone, samples) -> None:
    """If an erasure without the lock takes the next place, this one starts again and keeps the other's result."""
    other = samples.record(3).customer_id

    class Overtaken(LocalObjects):
        """A folder in which another erasure is written just before this one."""

        def create(self, key: str, data: bytes) -> bool:
            """Write an object, after another erasure."""
            if key == "erasures/00000000.json" and Erasure.read(data).customer == digest(someone.encode()):
                run(Unlocked(tmp_path), other)
            return super().create(key, data)

    chained((1, 4))
    assert run(Overtaken(tmp_path), someone).n == 1
    assert verify(stored).problems == ()
    assert [each["customer_id"] == ERASED for each in find(stored)] == [False, True, True, False]
    assert len(list(stored.list("dt="))) == len(list(stored.list("salts/"))) == 1


@pytest.mark.parametrize("step", ["segment", "erasure", "deletion"])
def test_only_one_erasure_runs_at_a_time(chained, stored, tmp_path, someone, samples, step) -> None:
    """A second erasure changes nothing and says who holds the lock, since when, and what to do."""
    refused = []

    def other() -> None:
        if not refused:
            before = {key: stored.get(key) for key in stored.list("")}
            with pytest.raises(ErasureRunning) as raised:
                run(stored, samples.record(3).customer_id)
            assert {key: stored.get(key) for key in stored.list("")} == before
            refused.append(raised.value)

    class Beside(LocalObjects):
        """A folder in which a second erasure is tried just after a step of the first."""

        def create(self, key: str, data: bytes) -> bool:
            """Write an object, then try another erasure."""
            made = super().create(key, data)
            if key.startswith({"segment": "dt=", "erasure": "erasures/"}.get(step, "nothing")):
                other()
            return made

        def delete(self, key: str) -> None:
            """Delete an object, then try another erasure."""
            super().delete(key)
            if step == "deletion" and key.startswith("dt="):
                other()

    chained((1, 4))
    run(Beside(tmp_path), someone)
    (error,) = refused
    assert "dpo@bank began at 2026-03-05T00:00:00.000000Z" in error.problem
    assert "--take-lock" in error.remedy
    run(stored, samples.record(3).customer_id)
    assert verify(stored).problems == ()
    assert [each["customer_id"] == ERASED for each in find(stored)] == [False, True, True, False]


def test_many_erasures_at_a_time_lose_no_record(chained, stored, samples) -> None:
    """Erasures that are repeated until the lock is free erase all persons and keep all other data."""
    chained((1, 4), (6, 9), (11, 14))
    persons = [samples.record(number).customer_id for number in (1, 3, 6, 8, 11, 13)]

    def erase_one(person: str) -> None:
        while True:
            with contextlib.suppress(ErasureRunning):
                run(stored, person)
                return

    with ThreadPoolExecutor(len(persons)) as pool:
        list(pool.map(erase_one, persons))
    report = verify(stored)
    assert (report.problems, report.records, report.erasures) == ((), 12, len(persons))
    assert sum(each["customer_id"] == ERASED for each in find(stored)) == len(persons)
    assert list(stored.list("locks/")) == []


def test_the_lock_is_deleted_after_an_error(chained, stored, tmp_path, someone) -> None:
    """An erasure that fails leaves no lock."""

    class Down(LocalObjects):
        """A folder in which no erasure can be written."""

        def create(self, key: str, data: bytes) -> bool:
            """Write an object; raise SinkUnavailable for an erasure."""
            if key.startswith("erasures/"):
                raise SinkUnavailable("down", remedy="")
            return super().create(key, data)

    chained((1, 4))
    with pytest.raises(SinkUnavailable, match="down"):
        run(Down(tmp_path), someone)
    assert list(stored.list("locks/")) == []
    assert len(run(stored, someone).replaced) == 1


def test_the_lock_of_a_killed_erasure_is_taken_on_request_only(chained, stored, tmp_path, someone) -> None:
    """A killed process leaves its lock; without `take_lock` nothing is erased."""
    chained((1, 4))
    with pytest.raises(Killed):
        run(Mortal(tmp_path, 2), someone)
    with pytest.raises(ErasureRunning):
        run(stored, someone)
    assert len(run(stored, someone, take_lock=True).replaced) == 1
    assert list(stored.list("locks/")) == []
    assert verify(stored).ok


def test_an_erasure_whose_lock_was_taken_ends(chained, stored, tmp_path, someone, samples) -> None:
    """An erasure whose lock was taken raises, writes nothing to the chain, and doesn't delete the other's lock."""
    taken = []

    class Taken(LocalObjects):
        """A folder in which the lock is taken while a segment is written."""

        def create(self, key: str, data: bytes) -> bool:
            """Write an object; before the first segment, replace the lock by another erasure's."""
            if key.startswith("dt=") and not taken:
                taken.append(key)
                stored.delete(KEY)
                stored.create(KEY, b"of another process")
            return super().create(key, data)

    chained((1, 4))
    with pytest.raises(ErasureRunning):
        run(Taken(tmp_path), someone)
    assert list(stored.list("erasures/")) == []
    assert stored.get(KEY) == b"of another process"
    run(stored, samples.record(3).customer_id, take_lock=True)
    assert verify(stored).ok
    assert len(list(find(stored))) == 4


@pytest.mark.usefixtures("someone")
def test_readers_and_verification_ignore_the_lock(chained, stored) -> None:
    """Verification reports no problem because of the lock, and readers find all records."""
    chained((1, 4))
    with erasure_lock(stored, by="dpo", at="2026-03-05T00:00:00Z"):
        assert verify(stored).problems == ()
        assert len(list(find(stored))) == 4


def test_a_lock_is_held_even_if_its_response_was_lost(stored) -> None:
    """If the response to the creation is lost and the creation is repeated, the erasure holds the lock."""

    class Repeated(LocalObjects):
        """A folder that writes an object and reports that it existed before."""

        def create(self, key: str, data: bytes) -> bool:
            """Write an object."""
            super().create(key, data)
            return False

    with erasure_lock(Repeated(stored._folder), by="dpo", at="now") as lock:
        lock.check()
    assert list(stored.list("locks/")) == []


def test_a_segment_deleted_meanwhile_is_read_from_its_replacement(chained, stored, tmp_path, someone, samples) -> None:
    """If a segment is deleted before it is read, the erasure starts again and erases the segment's replacement."""
    other = samples.record(3).customer_id

    class Beside(LocalObjects):
        """A folder in which another erasure replaces the segment just before it is read."""

        def get(self, key: str) -> bytes | None:
            """Read an object, after another erasure."""
            if key.startswith("dt=") and not list(stored.list("erasures/")):
                run(Unlocked(tmp_path), other)
            return super().get(key)

    chained((1, 4))
    assert len(run(Beside(tmp_path), someone).replaced) == 1
    assert verify(stored).problems == ()
    assert [each["customer_id"] == ERASED for each in find(stored)] == [False, True, True, False]


def test_a_segment_deleted_by_another_erasure_is_written_again(chained, stored, tmp_path, someone) -> None:
    """A new segment that another erasure deleted is written again, with the other customers' records."""

    class Swept(LocalObjects):
        """A folder in which the new segment is deleted before the erasure is written."""

        def create(self, key: str, data: bytes) -> bool:
            """Write an object, after the deletion."""
            if key.startswith("erasures/"):
                for replaced in Erasure.read(data).replaced:
                    self.delete(replaced.new_key)
                    self.delete(f"salts/{replaced.new_key}.json")
            return super().create(key, data)

    chained((1, 4))
    run(Swept(tmp_path), someone)
    assert verify(stored).problems == ()
    assert len(list(find(stored))) == 4


def test_altered_salts_do_not_stop_an_erasure(chained, stored, someone) -> None:
    """If salts are missing, the person's data are erased, and verification reports the salts."""
    chained((1, 4))
    (key,) = stored.list("salts/")
    stored.delete(key)
    run(stored, someone)
    assert list(find(stored, customer_ids={someone})) == []
    assert any("salts/" in each and "it is missing" in each for each in verify(stored).problems)


def test_an_unreadable_segment_does_not_stop_an_erasure(chained, stored, tmp_path, someone) -> None:
    """Unreadable segments are reported and not changed; the others are erased, and interrupted erasures completed."""
    chained((1, 4))
    chained((1, 4), shipper="b" * 32, source="0" * 32)
    chained((6, 7))
    with pytest.raises(Killed):
        run(Mortal(tmp_path, 6), someone)
    (key,) = [each for each in stored.list("dt=") if "-6-7-" in each]
    stored.delete(key)
    stored.create(key, b"torn")
    begun = Erasure.read(stored.get("erasures/00000000.json")).replaced[0]
    for each in (begun.new_key, begun.old_key):
        stored.delete(each)
    stored.create(begun.old_key, b"torn")
    skipped = []
    erase(stored, someone, by="dpo", why="asked", now=NOW, take_lock=True, skipped=skipped.append)
    assert {each.key for each in skipped} == {key, begun.old_key}
    assert stored.get(key) == stored.get(begun.old_key) == b"torn"
    left = [each for each in find(stored, skipped=skipped.append) if each["customer_id"] == ERASED]
    assert len(left) == 1
    with pytest.raises(SegmentUnreadable):
        run(stored, someone)
    assert list(stored.list("locks/")) == []


def test_a_forged_older_erasure_deletes_nothing(chained, stored, someone, samples) -> None:
    """Once there is a chain, a forged older erasure deletes no segment."""
    chained((1, 4), (6, 7))
    run(stored, someone)
    key = next(key for key in stored.list("dt=") if "-6-7-" in key)
    each = Replaced(old_key=key, old_sha256="", new_key=key.replace("-6-7-", "-8-9-"), new_sha256="")
    erasure = Erasure(id="x", at="", by="", why="", legal_basis="", customer="", replaced=(each,))
    stored.create("erasures/0198a1b2.json", encode(erasure))
    run(stored, samples.record(3).customer_id)
    assert stored.get(key) is not None
    assert len(list(find(stored))) == 6
