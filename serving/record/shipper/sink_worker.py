"""Ships the record to one sink: each plan is stored, then carried out, then marked as done."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from customer_risk.serving.backoff import Backoff
from customer_risk.serving.record.shipper.batch import Batch, Reader, gather
from customer_risk.serving.record.shipper.dead_letters import bury
from customer_risk.serving.record.shipper.files import Files, Seen
from customer_risk.serving.record.shipper.progress import Plan, Progress
from customer_risk.serving.record.shipper.settings import ShipSettings
from customer_risk.serving.record.sinks.batch import RecordBatch
from customer_risk.serving.record.sinks.interface import RecordRefused, Segment, Sink, SinkUnavailable
from customer_risk.serving.record.sinks.recovery import KeptFile, Recoverable, Recovered

_IDLE_SECONDS: Final = (0.05, 0.5)  # bounds of the wait for records, which is a quarter of `batch_seconds`
_READ_AT_ONCE: Final = 1000  # records
_FIRST_WAIT: Final = 0.25
_LONGEST_WAIT: Final = 30.0
_LONGEST_WAIT_ENDING: Final = 1.0  # during the drain, so that a sink that recovers still gets records
_log = logging.getLogger("serving.record")


@dataclass
class Counts:
    """A worker's counts since the process began; `error` is why the last write failed, else empty."""

    shipped: int = 0
    failures: int = 0
    dead_letters: int = 0
    error: str = ""


class Drain:
    """When to end: once all is shipped after `stopping` is set, at the latest at `at` (time.monotonic())."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.at = float("inf")

    def begin(self, seconds: float) -> None:
        """Begin to ship the remaining records, for at most `seconds`."""
        self.at = time.monotonic() + seconds
        self.stopping.set()

    @property
    def over(self) -> bool:
        """Whether the time `at` is reached."""
        return time.monotonic() >= self.at


class SinkWorker:
    """Ships every record of an outbox to one sink, exactly once; call `run` in a thread of its own.

    `damaged(count)` is called with the number of newly found damaged records. Workers share a `reader`.
    """

    def __init__(
        self,
        sink: Sink,
        folder: Path,
        files: Files,
        progress: Progress,
        settings: ShipSettings,
        damaged: Callable[[int], object] = lambda _: None,
        reader: Reader | None = None,
    ) -> None:
        self.name = sink.name
        self.counts = Counts()
        self._sink = sink
        self._folder = folder
        self._files = files
        self._progress = progress
        self._settings = settings
        self._damaged = damaged
        self._reader = reader or Reader()
        self._kept: tuple[Plan, Batch] | None = None  # so that a repeated write doesn't read the file again
        self._waiting: dict[str, tuple[int, float]] = {}
        self._turn = ""  # the file whose batch was planned last
        self._lost = isinstance(sink, Recoverable) and progress.lost(sink.name)
        self._idle = min(max(settings.batch_seconds / 4, _IDLE_SECONDS[0]), _IDLE_SECONDS[1])

    def run(self, ending: Drain) -> None:
        """Ship until all is shipped after `ending` has begun, or until its time is over."""
        failures, backoff = 0, Backoff(_FIRST_WAIT, _LONGEST_WAIT, jitter=True)
        while not ending.over:
            try:
                moved = self.step(hurry=ending.stopping.is_set())
            except Exception as error:  # noqa: BLE001  the next attempt may succeed, and other sinks go on
                failures += 1
                self._fail(error, failures)
                self._wait_to_retry(backoff, ending)
                continue
            failures, self.counts.error = 0, ""
            backoff.reset()
            if moved:
                continue
            if ending.stopping.is_set():
                if not self._left():
                    break
                time.sleep(_IDLE_SECONDS[0])
            else:
                ending.stopping.wait(self._idle)
        self._sink.close()

    def step(self, *, hurry: bool = False) -> bool:
        """Execute one plan; return whether there was one. With `hurry`, records don't wait for a full batch.

        Raises the errors of the sink and of the disk; the next step tries again.
        """
        if self._lost:
            self._recover()
        plan = self._progress.plan(self.name)
        if plan is None:
            plan = self._next(hurry=hurry)
            if plan is None:
                return False
        batch = self._batch(plan)
        if batch is not None:
            self._ship(plan, batch)
        return True

    def _recover(self) -> None:
        """Store which records of the outbox the sink has, after the progress was lost."""
        seen = [each for each in self._files.look() if each.last]
        if seen and isinstance(self._sink, Recoverable):
            found = self._sink.recover(KeptFile(each.file.source, partial(_batches, each)) for each in seen)
            self._progress.found(self.name, found)
            if known := sum(found.cursors.values()):
                _log.warning(
                    "%s: the progress was lost; the sink already has %d records of the outbox", self.name, known
                )
        else:
            self._progress.found(self.name, Recovered())
        self._lost = False

    def _ship(self, plan: Plan, batch: Batch) -> None:
        numbers, records = batch.without(frozenset(plan.left_out))
        place = plan.place
        if numbers:
            whole = len(numbers) == plan.last - plan.first + 1
            segment = Segment(plan.source, plan.first, plan.last, records, () if whole else tuple(numbers))
            try:
                place = self._sink.write(segment, plan.place)
            except RecordRefused as error:
                self._refuse(plan, batch, {seq: why for seq, why in error.refused.items() if seq in set(numbers)})
                return
        self._progress.settle(self.name, plan, place)
        self._kept = None
        self.counts.shipped += len(numbers)

    def _refuse(self, plan: Plan, batch: Batch, refused: dict[int, str]) -> None:
        """Remove refused records from a plan of which nothing was written."""
        if not refused:
            raise SinkUnavailable(f"{self.name} refuses records without naming them.", remedy="It is tried again.")
        self._bury(plan.source, {seq: (why, batch.document(seq)) for seq, why in refused.items()})
        plan = plan._replace(left_out=tuple(sorted({*plan.left_out, *refused})))
        self._progress.intend(self.name, plan)
        self._kept = (plan, batch)

    def _bury(self, source: str, letters: dict[int, tuple[str, object]]) -> None:
        bury(self._folder, self.name, source, letters)
        self.counts.dead_letters += len(letters)
        _log.error("%s: %d records are dead letters, the first: %s", self.name, len(letters), letters[min(letters)][0])

    def _next(self, *, hurry: bool) -> Plan | None:
        """Return the plan of the next write, or None if nothing is due; files take turns."""
        seen = self._files.look()
        place = sum(each.file.source <= self._turn for each in seen)
        for each in (*seen[place:], *seen[:place]):
            done = self._progress.cursor(self.name, each.file.source)
            if done < each.last and (hurry or self._due(each, done)):
                return self._plan(each, done)
        return None

    def _due(self, seen: Seen, done: int) -> bool:
        """Return whether a file's records are to be shipped now: a full batch, or one that waited long enough."""
        if not seen.alive or seen.last - done >= self._settings.batch_records:
            return True
        now = time.monotonic()
        cursor, since = self._waiting.get(seen.file.source, (-1, now))
        if cursor != done:
            self._waiting[seen.file.source] = (done, now)
            since = now
        return now - since >= self._settings.batch_seconds

    def _plan(self, seen: Seen, done: int) -> Plan:
        last = min(seen.last, done + self._settings.batch_records)
        batch = self._reader.next(seen.file, done + 1, last, most_bytes=self._settings.batch_bytes)
        source = seen.file.source
        self._note(source, batch)
        place = self._progress.place(self.name) or self._sink.place()
        plan = Plan(source, batch.first, batch.last, batch.left_out(), place)
        self._progress.intend(self.name, plan)
        self._kept, self._turn = (plan, batch), source
        return plan

    def _batch(self, plan: Plan) -> Batch | None:
        """Return a plan's records, read again after a restart; if their file is gone, drop the plan and return None."""
        if self._kept is not None and self._kept[0] == plan:
            return self._kept[1]
        file = next((each.file for each in self._files.look() if each.file.source == plan.source), None)
        if file is None:
            if any(path.name.startswith(f"{plan.source}.") for path in self._folder.iterdir()):
                raise SinkUnavailable(f"The outbox file {plan.source} can't be read now.", remedy="It is tried again.")
            _log.error("%s: records %d to %d of %s are gone", self.name, plan.first, plan.last, plan.source)
            self._progress.give_up(self.name)
            return None
        batch = gather(file, plan.first, plan.last)
        self._note(plan.source, batch)
        self._kept = (plan, batch)
        return batch

    def _note(self, source: str, batch: Batch) -> None:
        if batch.unreadable:
            self._bury(source, batch.unreadable)
        if batch.damaged and (new := self._progress.damage(source, batch.damaged)):
            _log.error("%d records of the outbox file %s can't be read", new, source)
            self._damaged(new)

    def _left(self) -> bool:
        """Return whether a file still has a writer, or records that aren't shipped."""
        return any(
            seen.alive or self._progress.cursor(self.name, seen.file.source) < seen.last
            for seen in self._files.look(now=True)  # include the latest records
        )

    def _fail(self, error: Exception, failures: int) -> None:
        self.counts.failures += 1
        self.counts.error = str(error) or repr(error)
        unexpected = not isinstance(error, SinkUnavailable | OSError)
        if failures == 1 or unexpected:
            _log.warning("%s can't be written to: %s", self.name, error, exc_info=error if unexpected else None)

    @staticmethod
    def _wait_to_retry(backoff: Backoff, ending: Drain) -> None:
        if not ending.stopping.is_set():
            ending.stopping.wait(backoff.next())
        else:
            time.sleep(max(0.0, min(backoff.next(most=_LONGEST_WAIT_ENDING), ending.at - time.monotonic())))


def _batches(seen: Seen) -> Iterator[tuple[Sequence[int], RecordBatch]]:
    """Yield all records of an outbox file in batches, with their numbers."""
    for first in range(1, seen.last + 1, _READ_AT_ONCE):
        batch = gather(seen.file, first, min(seen.last, first + _READ_AT_ONCE - 1))
        if batch.numbers:
            yield batch.numbers, batch.records
