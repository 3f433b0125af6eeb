"""The shipper of one outbox folder: a worker for each sink, and the retention of the folder's files."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from customer_risk.model.errors import CustomerRiskError
from customer_risk.serving.record.outbox.reader import find_files
from customer_risk.serving.record.shipper.anchoring import Anchoring
from customer_risk.serving.record.shipper.batch import Reader
from customer_risk.serving.record.shipper.files import Files
from customer_risk.serving.record.shipper.lock import Lock
from customer_risk.serving.record.shipper.metrics import serve
from customer_risk.serving.record.shipper.progress import NAME, Progress
from customer_risk.serving.record.shipper.retention import Retention
from customer_risk.serving.record.shipper.settings import ShipperConfig
from customer_risk.serving.record.shipper.sink_worker import Drain, SinkWorker
from customer_risk.serving.record.shipper.spool import discard, has_letters, recover, spool, spooled
from customer_risk.serving.record.shipper.status import Measure, Status
from customer_risk.serving.record.sinks.factory import open_sink
from customer_risk.serving.record.sinks.interface import Sink, SinkUnavailable

_LOCK_SECONDS: Final = 0.5  # between two attempts to take the lock
_TICK_SECONDS: Final = 1.0
_ADOPT_SECONDS: Final = 10.0
_log = logging.getLogger("serving.record")
OpenSinks = Callable[[str], Sequence[Sink]]


class ProgressDamaged(CustomerRiskError):
    """The progress was damaged while the shipper ran."""


class Shipper:
    """Ships one outbox folder to the sinks that `open_sinks` makes for the folder's identity.

    An `adopted` folder is in the spool, and is removed once it is empty.
    """

    def __init__(self, config: ShipperConfig, open_sinks: OpenSinks | None = None, *, adopted: bool = False) -> None:
        self._config = config
        self._folder = Path(config.folder)
        self._spool = Path(config.ship.spool) if config.ship.spool else None
        self._open: OpenSinks = open_sinks or (lambda shipper: [open_sink(each, shipper) for each in config.ship.sinks])
        self._adopted = adopted
        self._lock = Lock(self._folder)
        self._damaged = 0
        self._orderly = True
        self._children: dict[Path, tuple[Shipper, threading.Thread]] = {}
        self._past = Status(at=0.0)  # sum of the children that have ended
        self._adopting = -_ADOPT_SECONDS
        self.status = Status(at=0.0)
        self.ending = Drain()

    def run(self) -> Status:
        """Ship until `ending`, and return the status; wait while another process ships the folder.

        Raises ConfigError if a sink can't work, ProgressDamaged if the shipper must be started again.
        """
        if not self._take():
            return self.status
        try:
            recover(self._folder, self._spool)
            self._progress = Progress(self._folder)
            if self._progress.was_damaged:
                self._note_damage(1)
            try:
                self._ship()
            finally:
                self._progress.close()
            self._leave()
        finally:
            self._lock.release()
        return self.status

    def _take(self) -> bool:
        if self._adopted:
            return self._lock.take()
        self._folder.mkdir(parents=True, exist_ok=True)
        waited = False
        while not self._lock.take():
            if not waited:
                _log.info("another process ships %s; this one waits", self._folder)
            waited = True
            if self.ending.stopping.wait(_LOCK_SECONDS):
                return False
        return True

    def _ship(self) -> None:
        sinks = self._open(self._progress.shipper)
        for sink in sinks:
            try:
                sink.check()
            except SinkUnavailable as error:
                _log.warning("%s can't be checked: %s", sink.name, error)
        ship = self._config.ship
        self._files = Files(self._folder)
        reader = Reader(keep=2 if len(sinks) > 1 else 0)
        self._workers = [
            SinkWorker(sink, self._folder, self._files, self._progress, ship, self._note_damage, reader)
            for sink in sinks
        ]
        self._measure = Measure(self._files, self._progress)
        self._retention = Retention(
            self._folder,
            self._files,
            self._progress,
            [sink.name for sink in sinks],
            most_bytes=self._config.most_bytes,
            keep_seconds=0 if self._adopted else ship.keep_seconds,
            damaged=self._note_damage,
        )
        threads = [threading.Thread(target=each.run, args=(self.ending,), daemon=True) for each in self._workers]
        self._anchoring = Anchoring(self._config, self._progress)
        anchoring = threading.Thread(target=self._anchoring.run, args=(self.ending.stopping,), daemon=True)
        for thread in (*threads, anchoring):
            thread.start()
        with self._served():
            while not self.ending.stopping.is_set() and not self._empty() and not self._progress.broken:
                self._tick()
                self.ending.stopping.wait(_TICK_SECONDS)
            if not self.ending.stopping.is_set():  # an adopted folder is empty, or the progress is damaged
                self.ending.begin(_TICK_SECONDS)
            self._end(threads)
            self._write_last_anchor(anchoring)
        if self._progress.broken:
            raise ProgressDamaged(
                f"{self._folder / NAME} is damaged.",
                remedy="Start the shipper again: it moves the file to quarantine and asks each sink for its records.",
            )

    def _end(self, threads: Sequence[threading.Thread]) -> None:
        for child, _ in self._children.values():
            child.ending.begin(self.ending.at - time.monotonic())
        for thread in (*threads, *(thread for _, thread in self._children.values())):
            while thread.is_alive() and not self.ending.over:
                thread.join(min(_TICK_SECONDS, max(0.0, self.ending.at - time.monotonic())))
                self._tick()
        self._files.look(now=True)
        self._tick()
        self._log_what_is_left()

    def _write_last_anchor(self, anchoring: threading.Thread) -> None:
        """Write a last anchor of the chains' ends, if there is time."""
        anchoring.join(max(0.0, self.ending.at - time.monotonic()))
        if not anchoring.is_alive():
            if not self.ending.over:
                self._anchoring.write()
            self._anchoring.close()

    @contextmanager
    def _served(self) -> Iterator[None]:
        ship = self._config.ship
        if self._adopted or not ship.metrics_port:
            yield
        else:
            with serve(ship.metrics_host, ship.metrics_port, lambda: self.status):
                yield

    def _tick(self) -> None:
        try:
            self._retention.run()
            self._take_over()
            status = self._measure.take(self._workers, quarantined=self._damaged + self._past.quarantined)
            for child, _ in self._children.values():
                status.add(child.status)
            for name, sink in self._past.sinks.items():
                status.sinks[name].add(sink)
            self.status = status
            status.write(self._folder)
        except (OSError, sqlite3.Error):  # such as a full disk, until the workers free space
            if self._orderly:  # log once: a line each second would hide other lines
                _log.exception("the outbox can't be cleaned or measured; the shipper tries again every second")
            self._orderly = False
        else:
            self._orderly = True

    def _take_over(self) -> None:
        """Ship the outboxes of other pods in the spool."""
        for path, (child, thread) in list(self._children.items()):
            if not thread.is_alive():
                del self._children[path]
                self._past.add(child.status.without_lag())
        if self._spool is None or self._adopted or self.ending.stopping.is_set():
            return
        if time.monotonic() - self._adopting < _ADOPT_SECONDS:
            return
        self._adopting = time.monotonic()
        for path in spooled(self._spool):
            if path not in self._children:
                config = msgspec.structs.replace(self._config, folder=str(path))
                child = Shipper(config, self._open, adopted=True)
                thread = threading.Thread(target=child.run_adopted, daemon=True)
                self._children[path] = (child, thread)
                thread.start()

    def run_adopted(self) -> None:
        """Ship an adopted folder; log errors instead of raising."""
        try:
            self.run()
        except (CustomerRiskError, OSError, sqlite3.Error):
            _log.exception("the spooled outbox %s can't be shipped now", self._folder)

    def _empty(self) -> bool:
        return self._adopted and not find_files(self._folder)

    def _note_damage(self, count: int) -> None:
        self._damaged += count

    def _log_what_is_left(self) -> None:
        left = {name: each for name, each in self.status.sinks.items() if each.lag_records}
        if not left:
            _log.info("the shipper ends; nothing is left to ship in %s", self._folder)
        for name, each in left.items():
            _log.error(
                "the shipper ends; %d records (about %d bytes) in %s are not in %s yet: %s",
                each.lag_records,
                each.lag_bytes,
                self._folder,
                name,
                each.error or "not shipped before the end",
            )

    def _leave(self) -> None:
        """Remove an adopted folder if it is empty; move an own folder with unshipped records to the spool."""
        if self._adopted:
            if self._empty():
                discard(self._folder)
            return
        unshipped = any(each.lag_records for each in self.status.sinks.values())
        if self._spool is None or not (unshipped or has_letters(self._folder)):
            return
        if any(seen.alive for seen in self._files.look()):
            _log.error("%s isn't moved to the spool, since a process still writes it", self._folder)
            return
        try:
            spool(self._folder, self._spool, self._progress.shipper)
            _log.warning("%s is moved to the spool", self._folder)
        except OSError:
            _log.exception("%s can't be moved to the spool", self._folder)


def ship(config: ShipperConfig, shipper: Shipper | None = None) -> Status:
    """Ship an outbox until the shipper's `ending`, and return the status, which says what is left.

    Raises ConfigError if a sink can't work.
    """
    config.ship.check()
    return (shipper or Shipper(config)).run()
