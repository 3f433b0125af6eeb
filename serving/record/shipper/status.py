"""The shipper's status, in a file beside the outbox."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import msgspec

from customer_risk.model.errors import ConfigError
from customer_risk.serving.record.outbox.file import OutboxFile
from customer_risk.serving.record.outbox.record import decode
from customer_risk.serving.record.shipper.files import Files, Seen
from customer_risk.serving.record.shipper.progress import Progress
from customer_risk.serving.record.shipper.sink_worker import SinkWorker

NAME: Final = "status.json"


class SinkStatus(msgspec.Struct, kw_only=True):
    """The status of one sink.

    lag_records, lag_bytes   records that the sink doesn't have yet, and their approximate bytes
    lag_seconds              age of the oldest of these records
    shipped, failures        records shipped and writes failed, since the process began
    dead_letters             records that were refused or can't be decoded, since the process began
    error                    why the last write failed; empty if it succeeded
    """

    lag_records: int = 0
    lag_bytes: int = 0
    lag_seconds: float = 0.0
    shipped: int = 0
    failures: int = 0
    dead_letters: int = 0
    error: str = ""

    def add(self, other: SinkStatus) -> None:
        """Add the status of the same sink in another shipper of this process."""
        self.lag_seconds = max(self.lag_seconds, other.lag_seconds)
        self.error = self.error or other.error
        for name in ("lag_records", "lag_bytes", "shipped", "failures", "dead_letters"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Status(msgspec.Struct, kw_only=True):
    """The status of a shipper.

    at            time of the measurement, in seconds since 1970
    files, bytes  in the outbox folder
    quarantined   damaged records, since the process began
    adopted       outboxes of other pods in the spool that are being shipped
    """

    at: float
    files: int = 0
    bytes: int = 0
    quarantined: int = 0
    adopted: int = 0
    sinks: dict[str, SinkStatus] = {}

    def add(self, other: Status) -> None:
        """Add the status of the shipper of an adopted folder."""
        self.adopted += 1
        self.quarantined += other.quarantined
        for name, each in other.sinks.items():
            self.sinks.setdefault(name, SinkStatus()).add(each)

    def without_lag(self) -> Status:
        """Return the counts, without the lag."""
        kept = {
            name: SinkStatus(shipped=each.shipped, failures=each.failures, dead_letters=each.dead_letters)
            for name, each in self.sinks.items()
        }
        return Status(at=self.at, quarantined=self.quarantined, sinks=kept)

    def write(self, folder: Path) -> None:
        """Write the status to the outbox folder, atomically and without a sync."""
        temporary = folder / f".{NAME}.partial"
        try:
            temporary.write_bytes(msgspec.json.encode(self))
            temporary.replace(folder / NAME)
        finally:
            temporary.unlink(missing_ok=True)


def read(folder: Path) -> Status:
    """Return the last status of an outbox's shipper; raises ConfigError if it is missing."""
    try:
        return msgspec.json.decode((folder / NAME).read_bytes(), type=Status)
    except FileNotFoundError as error:
        raise ConfigError(
            f"No shipper has run in {folder}.", remedy="Start `customer-risk ship`, or the server."
        ) from error


class Measure:
    """Measures the lag of the workers."""

    def __init__(self, files: Files, progress: Progress, clock: Callable[[], float] = time.time) -> None:
        self._files = files
        self._progress = progress
        self._clock = clock
        self._ages: dict[tuple[str, int], float] = {}
        self._sizes: dict[str, int] = {}  # of files without a writer

    def take(self, workers: Iterable[SinkWorker], *, quarantined: int) -> Status:
        """Return the current status."""
        seen = [(each, self._size(each)) for each in self._files.look()]
        self._sizes = {each.file.source: size for each, size in seen if not each.alive}
        status = Status(at=self._clock(), files=len(seen), bytes=sum(size for _, size in seen), quarantined=quarantined)
        ages: dict[tuple[str, int], float] = {}
        for worker in workers:
            counts = worker.counts
            sink = status.sinks[worker.name] = SinkStatus(
                shipped=counts.shipped, failures=counts.failures, dead_letters=counts.dead_letters, error=counts.error
            )
            for each, used in seen:
                done = self._progress.cursor(worker.name, each.file.source)
                if done < each.last:
                    sink.lag_records += each.last - done
                    sink.lag_bytes += used * (each.last - done) // each.last
                    key = (each.file.source, done)
                    ages[key] = self._ages.get(key) or _moment(each.file, done, status.at)
                    sink.lag_seconds = max(sink.lag_seconds, status.at - ages[key])
        self._ages = ages
        return status

    def _size(self, seen: Seen) -> int:
        """Return the number of bytes of a file's records."""
        known = None if seen.alive else self._sizes.get(seen.file.source)
        return seen.file.used() if known is None else known


def _moment(file: OutboxFile, after: int, otherwise: float) -> float:
    """Return the time of the first record after a number, in seconds since 1970."""
    try:
        return decode(file.read(after, 1)[0].body).at / 1e6
    except Exception:  # noqa: BLE001  the workers report a record that can't be read
        return otherwise
