"""Finding records among segments."""

from __future__ import annotations

import datetime as dt
import gzip
import threading

import pytest

from customer_risk.serving.contract.identifiers import uuid7
from customer_risk.serving.record.sinks.codecs import SegmentUnreadable
from customer_risk.serving.record.sinks.erasure import erase
from customer_risk.serving.record.sinks.folder import LocalObjects
from customer_risk.serving.record.sinks.interface import Segment
from customer_risk.serving.record.sinks.ndjson import Lines
from customer_risk.serving.record.sinks.object_sink import ObjectSink
from customer_risk.serving.record.sinks.search import find

START = dt.datetime(2026, 3, 4, 5, 6, 7, 80_900, tzinfo=dt.UTC)  # sample n is n seconds later


class Counting(LocalObjects):
    """A folder that counts reads of segments."""

    read = 0

    def get(self, key: str) -> bytes | None:
        """Read an object and count it."""
        self.read += key.startswith("dt=")
        return super().get(key)


@pytest.fixture
def hours(tmp_path, samples) -> Counting:
    """A segment with one record for each hour of two days."""
    objects = Counting(tmp_path)
    sink = ObjectSink("folder", objects, Lines().encode, ".ndjson.gz", "a" * 32)
    for hour in range(48):
        at = int((START + dt.timedelta(hours=hour)).timestamp() * 1e6)
        made = samples.document_of(samples.record(hour, at=at, record_id=uuid7(at // 1000)))
        sink.write(Segment(samples.SOURCE, hour + 1, hour + 1, [made]), sink.place())
    objects.read = 0
    return objects


def test_all_records_are_found_without_conditions(chained, stored, samples) -> None:
    """Without conditions, all records of both forms are found, refusals included."""
    chained((1, 6))
    chained((7, 12), form="parquet", shipper="b" * 32, source=samples.OTHER)
    assert list(find(stored)) == [*samples.segment(1, 6).documents, *samples.segment(7, 12).documents]


def test_a_decision_is_found_by_its_id(chained, stored, samples) -> None:
    """A decision is found by its id; an unknown id finds nothing."""
    chained((1, 6), (7, 12))
    wanted = samples.segment(8, 8).documents[0]
    assert list(find(stored, decision_id=wanted["decision_id"])) == [wanted]
    assert list(find(stored, decision_id="0198a1b2-c3d4-7e5f-8a9b-ffffffffffff")) == []
    assert list(find(stored, decision_id="nothing")) == []


def test_only_hours_around_the_ids_time_are_read(hours) -> None:
    """Only the hours around the id's time are read."""
    wanted = list(find(hours))[30]
    hours.read = 0
    (found,) = find(hours, decision_id=wanted["decision_id"])
    assert found["customer_id"] == "kunde-é-30"
    assert hours.read <= 3


def test_a_customers_records_are_found(chained, stored, samples) -> None:
    """All records of a customer are found."""
    chained((1, 6))
    chained((1, 6), source=samples.OTHER, shipper="b" * 32)
    assert [each["decision_id"] for each in find(stored, customer_ids={samples.record(3).customer_id})] == [
        samples.record(3).record_id
    ] * 2


@pytest.mark.parametrize("zone", [dt.UTC, dt.timezone(dt.timedelta(hours=5, minutes=30))])
def test_records_since_a_moment_are_found(chained, stored, samples, zone) -> None:
    """Records from a time on are found, that time included, in any zone."""
    chained((1, 6), (7, 12))
    since = (START + dt.timedelta(seconds=5)).astimezone(zone)
    assert list(find(stored, since=since)) == samples.segment(5, 12).documents


def test_segments_that_ended_before_are_not_read(hours) -> None:
    """Earlier segments aren't read, except for one that may reach beyond the time."""
    since = START + dt.timedelta(hours=40)
    assert len(list(find(hours, since=since))) == 8
    assert hours.read <= 10


@pytest.mark.parametrize("runs", [((1, 1), (2, 2), (3, 4)), ((1, 2), (3, 4))])
def test_records_from_before_the_clock_went_back_are_found(stored, samples, runs) -> None:
    """A segment is read if the file's next segment begins hours earlier, also if it has records of two hours."""
    sink = ObjectSink("folder", stored, Lines().encode, ".ndjson.gz", "a" * 32)
    ats = [START + dt.timedelta(hours=hours) for hours in (-5, 0, -6, -6)]
    documents = [
        samples.document_of(samples.record(number, at=int(at.timestamp() * 1e6))) for number, at in enumerate(ats)
    ]
    for first, last in runs:
        sink.write(Segment(samples.SOURCE, first, last, documents[first - 1 : last]), sink.place())
    assert list(find(stored, since=START - dt.timedelta(hours=1))) == documents[1:2]


def test_a_segment_that_reaches_beyond_the_moment_is_read(stored, samples) -> None:
    """A segment that began days before is read if it reaches beyond the time."""
    sink = ObjectSink("folder", stored, Lines().encode, ".ndjson.gz", "a" * 32)
    ats = [START + dt.timedelta(days=days) for days in range(5)]
    documents = [
        samples.document_of(samples.record(number, at=int(at.timestamp() * 1e6))) for number, at in enumerate(ats)
    ]
    sink.write(Segment(samples.SOURCE, 1, 4, documents[:4]), sink.place())
    sink.write(Segment(samples.SOURCE, 5, 5, documents[4:]), sink.place())
    assert list(find(stored, since=ats[3])) == documents[3:]


def test_a_segment_that_an_erasure_replaces_meanwhile_is_read(chained, stored, tmp_path, samples) -> None:
    """If an erasure replaces a segment meanwhile, the replacement is read, and each record is found once."""
    one_at_a_time = threading.Lock()

    class Beside(LocalObjects):
        """A folder in which an erasure replaces both segments just before the first is read."""

        def get(self, key: str) -> bytes | None:
            """Read an object, after an erasure."""
            with one_at_a_time:
                if key.startswith("dt=") and not list(stored.list("erasures/")):
                    for number in (3, 9):
                        now = dt.datetime(2026, 3, 5, tzinfo=dt.UTC)
                        erase(stored, samples.record(number).customer_id, by="dpo", why="asked", now=now)
            return super().get(key)

    chained((1, 6), (7, 12))
    ids = [each["decision_id"] for each in samples.segment(1, 12).documents]
    assert sorted(each["decision_id"] for each in find(Beside(tmp_path))) == sorted(ids)


def test_conditions_must_all_be_met(chained, stored, samples) -> None:
    """All conditions must be met."""
    chained((1, 6))
    customer = samples.record(3).customer_id
    assert len(list(find(stored, customer_ids={customer}, since=START))) == 1
    assert list(find(stored, customer_ids={customer}, since=START + dt.timedelta(seconds=4))) == []
    assert list(find(stored, customer_ids={customer}, decision_id=samples.record(4).record_id)) == []


def test_an_unreadable_segment_is_an_error(chained, stored) -> None:
    """A segment that can't be read raises an error that says to verify."""
    chained((1, 6))
    (key,) = stored.list("dt=")
    stored.delete(key)
    stored.create(key, b"torn")
    with pytest.raises(SegmentUnreadable, match="Verify"):
        list(find(stored))


UNREADABLE = [
    b"",
    b"torn",
    gzip.compress(b"{}\n"),
    gzip.compress(b"[1]\n"),
    gzip.compress(b'{"decision_id":"a","recorded_at":null,"customer_id":"c"}\n'),
    gzip.compress(b'{"decision_id":"a","recorded_at":"b","customer_id":"c","x":' + b"[" * 200_000),
]


@pytest.mark.parametrize("data", UNREADABLE, ids=["empty", "torn", "no fields", "no object", "no time", "brackets"])
def test_a_segment_that_cannot_be_read_is_skipped_on_request(chained, stored, samples, data) -> None:
    """A segment that can't be read is passed to `skipped`, and all other segments are read."""
    chained((1, 3), (4, 6), (7, 9))
    (key,) = [each for each in stored.list("dt=") if "-4-6-" in each]
    stored.delete(key)
    stored.create(key, data)
    skipped = []
    assert len(list(find(stored, skipped=skipped.append))) == 6
    (error,) = skipped
    assert error.key == key
    wanted = samples.segment(8, 8).documents[0]
    assert list(find(stored, decision_id=wanted["decision_id"], skipped=skipped.append)) == [wanted]
