"""A sink's worker: each record once and in order, whatever the sink does."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path

import pytest

from customer_risk.serving.record.shipper import sink_worker as module
from customer_risk.serving.record.shipper.progress import NAME
from customer_risk.serving.record.shipper.sink_worker import Drain
from customer_risk.serving.record.sinks.interface import RecordRefused, SinkUnavailable

HOUR = 3_600_000_000


def drain(worker, seconds: float = 10) -> None:
    """Run a worker until no record is left."""
    ending = Drain()
    ending.begin(seconds)
    worker.run(ending)


def buried(folder) -> list[dict[str, object]]:
    """Return the dead letters."""
    return [json.loads(line) for path in folder.glob("dead/told/*") for line in path.read_text().splitlines()]


def test_records_come_in_order_in_batches(told, worker, left) -> None:
    """Records arrive once, in order, with their numbers, in batches of the size of the settings."""
    _, ids = left(range(1, 11))
    sink = told()
    drain(worker(sink, batch_records=4))
    assert [(each.first, each.last) for each in sink.segments] == [(1, 4), (5, 8), (9, 10)]
    assert sink.ids == ids
    assert sink.closed


def test_files_take_turns(told, worker, left) -> None:
    """Two files take turns, and each file's records stay in order."""
    first, _ = left(range(1, 7))
    second, _ = left(range(7, 11))
    sink = told()
    drain(worker(sink, batch_records=2))
    assert [each.source for each in sink.segments[:4]] == [first.source, second.source] * 2
    assert len(sink.ids) == len(set(sink.ids)) == 10


def test_a_batch_is_bounded_in_bytes(told, worker, left) -> None:
    """A batch has a bounded size; a record above the bound is written alone."""
    left(range(1, 5), caller="x" * 10_000)
    sink = told()
    drain(worker(sink, batch_bytes=25_000))
    assert [len(each.documents) for each in sink.segments] == [2, 2]
    left(range(5, 7), caller="x" * 60_000)
    drain(worker(sink, batch_bytes=25_000))
    assert [len(each.documents) for each in sink.segments] == [2, 2, 1, 1]


def test_no_segment_crosses_an_hour(told, worker, put, outbox) -> None:
    """Records of two UTC hours are in two segments, even if the clock went back."""
    for number, at in enumerate((1, 2, HOUR + 1, HOUR - 1, HOUR), 1):
        put(outbox, [number], at=HOUR * 490_000 + at)
    outbox.close()
    sink = told()
    drain(worker(sink))
    assert [(each.first, each.last) for each in sink.segments] == [(1, 2), (3, 3), (4, 4), (5, 5)]


def test_records_of_a_running_writer_wait_for_a_batch(told, worker, put, outbox, until) -> None:
    """A few records wait for `batch_seconds`; a full batch doesn't wait."""
    sink, ids = told(), put(outbox, [1])
    living = worker(sink, batch_seconds=1, batch_records=3)
    begun = time.monotonic()
    assert not living.step()
    until(living.step)
    assert time.monotonic() - begun > 0.9
    ids += put(outbox, [2, 3, 4])
    until(living.step)
    assert sink.ids == ids


def test_records_of_a_dead_writer_do_not_wait(told, worker, left) -> None:
    """The records of a dead writer don't wait."""
    _, ids = left([1])
    sink = told()
    assert worker(sink, batch_seconds=1000).step()
    assert sink.ids == ids


def test_the_plan_is_stored_before_the_write(told, worker, left, folder) -> None:
    """Another process can read the plan before the sink is called."""
    file, _ = left(range(1, 4))
    sink, found = told(), []

    def look(_) -> None:
        base = sqlite3.connect(folder / NAME)
        found.extend(base.execute("SELECT sink, source, first, last, place FROM plan"))
        base.close()

    sink.before = look
    worker(sink).step()
    assert found == [("told", file.source, 1, 3, b"0")]


def test_a_sink_is_asked_for_a_place_only_before_its_first_write(told, worker, left) -> None:
    """A sink is asked for a place only before its first write, even by a later process."""
    left(range(1, 7))
    sink, asked = told(), []
    place = sink.place
    sink.place = lambda: asked.append(1) or place()
    worker(sink, batch_records=2).step()
    drain(worker(sink, batch_records=2))
    assert [place for _, place in sink.calls] == [b"0", b"1", b"2"]
    assert len(asked) == 1


def test_a_failed_write_is_repeated_unchanged(told, worker, left, down) -> None:
    """A write that failed is repeated unchanged, by another process too, even if more records arrived."""
    _, ids = left(range(1, 4))
    sink = told()
    sink.before = down
    for _ in range(2):
        with pytest.raises(SinkUnavailable):
            worker(sink).step()
    _, more = left(range(4, 6))
    sink.before = lambda _: None
    drain(worker(sink))
    assert sink.calls[0] == sink.calls[1] == sink.calls[2]
    assert sink.ids == ids + more


def test_a_lost_response_repeats_the_same_write(told, worker, left, down) -> None:
    """A write whose response is lost is repeated with the same place."""
    _, ids = left(range(1, 6))
    sink = told()
    sink.after = lambda segment: setattr(sink, "after", lambda _: None) or down(segment)
    drain(worker(sink, batch_records=2))
    assert sink.ids == ids
    assert len(sink.calls) == 4


def test_a_refused_record_is_a_dead_letter(told, worker, left, folder) -> None:
    """A refused record is in `dead/SINK/` with its error; the others keep their numbers."""
    file, ids = left(range(1, 6))

    def refuse(segment) -> None:
        bad = {seq: "too odd" for seq in segment.numbers if seq in {2, 4}}
        if bad:
            raise RecordRefused(dict([bad.popitem()]))  # one record at a time, to refuse the first refusal's plan too

    sink = told()
    sink.before = refuse
    one = worker(sink)
    drain(one)
    (segment,) = sink.segments
    assert (segment.first, segment.last, list(segment.numbers)) == (1, 5, [1, 3, 5])
    letters = buried(folder)
    assert sorted((each["seq"], each["error"], each["source"]) for each in letters) == [
        (2, "too odd", file.source),
        (4, "too odd", file.source),
    ]
    assert {each["record"]["decision_id"] for each in letters} == {ids[1], ids[3]}
    assert (one.counts.shipped, one.counts.dead_letters, one.counts.failures) == (3, 2, 0)


def test_a_segment_of_dead_letters_alone_is_not_written(told, worker, left) -> None:
    """A segment that has only refused records is not written; the next segment is."""
    left(range(1, 5))
    sink = told()

    def refuse(segment) -> None:
        if segment.first == 1:
            raise RecordRefused(dict.fromkeys(segment.numbers, "no"))

    sink.before = refuse
    drain(worker(sink, batch_records=2))
    assert [(each.first, each.last) for each in sink.segments] == [(3, 4)]


def test_a_refusal_of_nothing_is_a_failure(told, worker, left) -> None:
    """A refusal that names no record of the segment is a failure."""
    left([1])
    sink = told()

    def refuse(_) -> None:
        raise RecordRefused({99: "no"})

    sink.before = refuse
    with pytest.raises(SinkUnavailable, match="without naming"):
        worker(sink).step()


def damage(path: Path, *parts: bytes) -> None:
    """Alter parts of a file."""
    data = path.read_bytes()
    for part in parts:
        assert part in data
        data = data.replace(part, part[::-1])
    path.write_bytes(data)


def test_an_undecodable_record_is_a_dead_letter(told, worker, outbox, put, folder) -> None:
    """Bytes that aren't a record, and features without names, become dead letters."""
    put(outbox, [1])
    outbox.add(b"no record")
    outbox.commit()
    put(outbox, [3], names="unknown")
    put(outbox, [4])
    outbox.close()
    damage(next(folder.glob("*.records")), b'["unknown"')
    sink = told()
    one = worker(sink)
    drain(one)
    assert [list(each.numbers) for each in sink.segments] == [[1, 4]]
    assert [each["seq"] for each in buried(folder)] == [2, 3]
    assert one.counts.dead_letters == 2


def test_a_record_of_the_last_moment_is_shipped(told, worker, left, monkeypatch) -> None:
    """A record that was written after the folder was last read is shipped before the worker ends."""
    monkeypatch.setattr("customer_risk.serving.record.shipper.files._LOOK_SECONDS", 3600.0)
    sink = told()
    one = worker(sink)
    assert not one.step(hurry=True)
    _, ids = left([1])
    drain(one, seconds=600)
    assert sink.ids == ids


def test_a_damaged_record_is_left_out_and_counted_once(told, worker, left) -> None:
    """A damaged record counts once for all sinks, however often it is read."""
    file, ids = left(range(1, 5))
    damage(file.path, ids[1].encode(), ids[3].encode())
    counted = []
    for name in ("one", "other"):
        sink = told(name)
        drain(worker(sink, counted.append))
        assert sink.ids == [ids[0], ids[2]]
        assert [(each.first, each.last) for each in sink.segments] == [(1, 4)]
    assert counted == [2]


def test_a_record_that_is_damaged_between_two_tries_is_left_out(told, worker, left, down) -> None:
    """A plan whose record was damaged later is written without that record."""
    file, ids = left(range(1, 4))
    sink = told()
    sink.before = down
    with pytest.raises(SinkUnavailable):
        worker(sink).step()
    damage(file.path, ids[1].encode())
    sink.before = lambda _: None
    drain(worker(sink))
    assert sink.ids == [ids[0], ids[2]]
    assert list(sink.segments[0].numbers) == [1, 3]


def test_a_plan_whose_file_is_gone_is_dropped(told, worker, left, down) -> None:
    """If a plan's file is gone, the plan is dropped, and other files are shipped."""
    file, _ = left(range(1, 4))
    sink = told()
    sink.before = down
    with pytest.raises(SinkUnavailable):
        worker(sink).step()
    file.remove()
    _, ids = left(range(4, 6))
    sink.before = lambda _: None
    drain(worker(sink))
    assert sink.ids == ids


def test_an_unexpected_error_is_retried(told, worker, left) -> None:
    """An unexpected error of a sink is counted, and the write is repeated."""
    _, ids = left([1, 2])
    sink = told()

    def fail(_) -> None:
        sink.before = lambda _: None
        raise KeyError("bug")

    sink.before = fail
    one = worker(sink)
    drain(one)
    assert sink.ids == ids
    assert (one.counts.failures, one.counts.error) == (1, "")


def test_a_full_disk_keeps_records_until_dead_letters_can_be_written(told, worker, left, folder) -> None:
    """A refused record is only passed over once its dead letter is written."""
    left([1, 2])
    sink = told()

    def refuse(segment) -> None:
        if 1 in segment.numbers:
            raise RecordRefused({1: "no"})

    sink.before = refuse
    (folder / "dead").write_bytes(b"")  # a file in place of the folder of dead letters
    with pytest.raises(OSError, match="dead"):
        worker(sink).step()
    (folder / "dead").unlink()
    drain(worker(sink))
    assert [list(each.numbers) for each in sink.segments] == [[2]]
    assert len(list((folder / "dead" / "told").iterdir())) == 1


class Waits(Drain):
    """A drain that stores the length of each wait, and ends after `times` waits."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.waits: list[float] = []
        self._times = times
        self.stopping = self

    def is_set(self) -> bool:
        """Return False."""
        return False

    def wait(self, seconds: float) -> None:
        """Store the length of the wait, without waiting."""
        self.waits.append(seconds)
        if len(self.waits) == self._times:
            self.at = 0.0


def test_waits_double_with_jitter(told, worker, left, down) -> None:
    """The wait doubles up to half a minute, with jitter."""
    left([1])
    sink = told()
    sink.before = down
    ending = Waits(12)
    worker(sink).run(ending)
    bounds = [min(module._LONGEST_WAIT, module._FIRST_WAIT * 2**n) for n in range(12)]
    assert all(bound / 2 <= wait <= bound for wait, bound in zip(ending.waits, bounds, strict=True))
    assert len(set(ending.waits)) == 12


def test_a_worker_ends_in_time_while_its_sink_is_down(told, worker, left, down) -> None:
    """A worker whose sink is down ends in time, and its records stay."""
    left([1])
    sink = told()
    sink.before = down
    begun = time.monotonic()
    drain(worker(sink), 0.5)
    assert 0.4 < time.monotonic() - begun < 600
    assert sink.closed
    sink.before = lambda _: None
    assert len({segment.last for segment, _ in sink.calls}) == 1
