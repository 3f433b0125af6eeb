"""A worker: every record once, in order, whatever the sink does."""

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
    """Run a worker until nothing is left."""
    ending = Drain()
    ending.begin(seconds)
    worker.run(ending)


def buried(folder) -> list[dict[str, object]]:
    """Read the dead letters."""
    return [json.loads(line) for path in folder.glob("dead/told/*") for line in path.read_text().splitlines()]


def test_records_come_in_order_in_batches(told, worker, left) -> None:
    """As many at a time as the settings say, each once, with their numbers."""
    _, ids = left(range(1, 11))
    sink = told()
    drain(worker(sink, batch_records=4))
    assert [(each.first, each.last) for each in sink.segments] == [(1, 4), (5, 8), (9, 10)]
    assert sink.ids == ids
    assert sink.closed


def test_files_take_turns(told, worker, left) -> None:
    """A long file doesn't keep another's records waiting; each file's are in order."""
    first, _ = left(range(1, 7))
    second, _ = left(range(7, 11))
    sink = told()
    drain(worker(sink, batch_records=2))
    assert [each.source for each in sink.segments[:4]] == [first.source, second.source] * 2
    assert len(sink.ids) == len(set(sink.ids)) == 10


def test_a_batch_is_bounded_in_bytes(told, worker, left) -> None:
    """Large records go a few at a time, and one that is larger than the bound goes alone."""
    left(range(1, 5), caller="x" * 10_000)
    sink = told()
    drain(worker(sink, batch_bytes=25_000))
    assert [len(each.documents) for each in sink.segments] == [2, 2]
    left(range(5, 7), caller="x" * 60_000)
    drain(worker(sink, batch_bytes=25_000))
    assert [len(each.documents) for each in sink.segments] == [2, 2, 1, 1]


def test_no_segment_crosses_an_hour(told, worker, put, outbox) -> None:
    """Records of two UTC hours go in two segments, also where the clock stepped back."""
    for number, at in enumerate((1, 2, HOUR + 1, HOUR - 1, HOUR), 1):
        put(outbox, [number], at=HOUR * 490_000 + at)
    outbox.close()
    sink = told()
    drain(worker(sink))
    assert [(each.first, each.last) for each in sink.segments] == [(1, 2), (3, 3), (4, 4), (5, 5)]


def test_records_of_a_living_writer_wait_for_others_a_while(told, worker, put, outbox, until) -> None:
    """Few records wait for `batch_seconds`, a full batch doesn't."""
    sink, ids = told(), put(outbox, [1])
    living = worker(sink, batch_seconds=1, batch_records=3)
    begun = time.monotonic()
    assert not living.step()
    until(living.step)
    assert time.monotonic() - begun > 0.9
    ids += put(outbox, [2, 3, 4])
    until(living.step)
    assert sink.ids == ids


def test_a_dead_writers_records_wait_for_nothing(told, worker, left) -> None:
    """Nothing more will come."""
    _, ids = left([1])
    sink = told()
    assert worker(sink, batch_seconds=1000).step()
    assert sink.ids == ids


def test_the_plan_is_on_the_disk_before_it_is_carried_out(told, worker, left, folder) -> None:
    """When a sink is called, another process would already find what it is called with."""
    file, _ = left(range(1, 4))
    sink, found = told(), []

    def look(_) -> None:
        base = sqlite3.connect(folder / NAME)
        found.extend(base.execute("SELECT sink, source, first, last, place FROM plan"))
        base.close()

    sink.before = look
    worker(sink).step()
    assert found == [("told", file.source, 1, 3, b"0")]


def test_the_place_after_a_write_is_that_of_the_next(told, worker, left) -> None:
    """A sink is asked for a place before its first write alone, also by a process that comes later."""
    left(range(1, 7))
    sink, asked = told(), []
    place = sink.place
    sink.place = lambda: asked.append(1) or place()
    worker(sink, batch_records=2).step()
    drain(worker(sink, batch_records=2))
    assert [place for _, place in sink.calls] == [b"0", b"1", b"2"]
    assert len(asked) == 1


def test_a_sink_that_is_down_is_asked_the_same_again(told, worker, left, down) -> None:
    """Also by another process, and though more has come meanwhile."""
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


def test_an_answer_that_is_lost_makes_nothing_twice(told, worker, left, down) -> None:
    """What had its effect is repeated with the same place."""
    _, ids = left(range(1, 6))
    sink = told()
    sink.after = lambda segment: setattr(sink, "after", lambda _: None) or down(segment)
    drain(worker(sink, batch_records=2))
    assert sink.ids == ids
    assert len(sink.calls) == 4


def test_a_refused_record_is_a_dead_letter_and_the_others_go_on(told, worker, left, folder) -> None:
    """It lies in `dead/SINK/` with its error; the segment is written without it, under the same numbers."""
    file, ids = left(range(1, 6))

    def refuse(segment) -> None:
        bad = {seq: "too odd" for seq in segment.numbers if seq in {2, 4}}
        if bad:
            raise RecordRefused(dict([bad.popitem()]))  # one at a time: a second refusal finds the first's plan

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
    """What comes after it is."""
    left(range(1, 5))
    sink = told()

    def refuse(segment) -> None:
        if segment.first == 1:
            raise RecordRefused(dict.fromkeys(segment.numbers, "no"))

    sink.before = refuse
    drain(worker(sink, batch_records=2))
    assert [(each.first, each.last) for each in sink.segments] == [(3, 4)]


def test_a_refusal_of_nothing_is_a_failure(told, worker, left) -> None:
    """A sink that refuses records it wasn't given doesn't make a worker turn in circles."""
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


def test_a_record_that_cannot_be_told_is_a_dead_letter(told, worker, outbox, put, folder) -> None:
    """Bytes that are no record, and features without names, stop nothing."""
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
    """A record that was written since the last look at the folder is shipped before the worker ends."""
    monkeypatch.setattr("customer_risk.serving.record.shipper.files._LOOK_SECONDS", 3600.0)
    sink = told()
    one = worker(sink)
    assert not one.step(hurry=True)
    _, ids = left([1])
    drain(one, seconds=600)
    assert sink.ids == ids


def test_a_damaged_record_is_left_out_and_counted_once(told, worker, left) -> None:
    """However many sinks there are, and however often it is read."""
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
    """A plan whose record can't be read any more is carried out without it."""
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


def test_a_plan_whose_file_is_gone_is_given_up(told, worker, left, down) -> None:
    """Other files are shipped then."""
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


def test_an_unforeseen_error_is_tried_again(told, worker, left) -> None:
    """A sink's bug holds up nobody for ever, and is counted."""
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
    """Without its dead letter a refused record isn't passed over."""
    left([1, 2])
    sink = told()

    def refuse(segment) -> None:
        if 1 in segment.numbers:
            raise RecordRefused({1: "no"})

    sink.before = refuse
    (folder / "dead").write_bytes(b"")  # nothing can be written beneath it
    with pytest.raises(OSError, match="dead"):
        worker(sink).step()
    (folder / "dead").unlink()
    drain(worker(sink))
    assert [list(each.numbers) for each in sink.segments] == [[2]]
    assert len(list((folder / "dead" / "told").iterdir())) == 1


class Waits(Drain):
    """An ending that notes how long it was waited for, and comes after so many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.waits: list[float] = []
        self._times = times
        self.stopping = self

    def is_set(self) -> bool:
        """Never."""
        return False

    def wait(self, seconds: float) -> None:
        """Don't."""
        self.waits.append(seconds)
        if len(self.waits) == self._times:
            self.at = 0.0


def test_tries_come_ever_later_by_chance(told, worker, left, down) -> None:
    """Twice as late each time, up to half a minute, never all at the same moment."""
    left([1])
    sink = told()
    sink.before = down
    ending = Waits(12)
    worker(sink).run(ending)
    bounds = [min(module._LONGEST_WAIT, module._FIRST_WAIT * 2**n) for n in range(12)]
    assert all(bound / 2 <= wait <= bound for wait, bound in zip(ending.waits, bounds, strict=True))
    assert len(set(ending.waits)) == 12


def test_the_time_to_end_is_kept_though_the_sink_is_down(told, worker, left, down) -> None:
    """A worker whose sink stays away ends in time, what is left stays."""
    left([1])
    sink = told()
    sink.before = down
    begun = time.monotonic()
    drain(worker(sink), 0.5)
    assert 0.4 < time.monotonic() - begun < 600
    assert sink.closed
    sink.before = lambda _: None
    assert len({segment.last for segment, _ in sink.calls}) == 1
