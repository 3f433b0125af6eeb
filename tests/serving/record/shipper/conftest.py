"""An outbox to ship, and a sink that does as it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from customer_risk.serving.record.outbox.file import OutboxFile
from customer_risk.serving.record.outbox.reader import find_files
from customer_risk.serving.record.outbox.record import encode
from customer_risk.serving.record.outbox.writer import Outbox
from customer_risk.serving.record.shipper import shipper
from customer_risk.serving.record.shipper.files import Files
from customer_risk.serving.record.shipper.progress import Progress
from customer_risk.serving.record.shipper.settings import ShipperConfig, ShipSettings
from customer_risk.serving.record.shipper.shipper import Shipper
from customer_risk.serving.record.shipper.sink_worker import SinkWorker
from customer_risk.serving.record.sinks.interface import Segment, SinkUnavailable

if TYPE_CHECKING:
    from customer_risk.serving.record.outbox.record import Record

MOST = 10**9


class Told:
    """A sink in memory: a write is repeatable by its place, which counts the segments before it.

    `before` and `after` are called at each write, before and after it has its effect; what they raise, it raises.
    """

    def __init__(self, name: str = "told") -> None:
        self.name = name
        self.segments: list[Segment] = []
        self.calls: list[tuple[Segment, bytes]] = []
        self.before: Callable[[Segment], object] = lambda _: None
        self.after: Callable[[Segment], object] = lambda _: None
        self.fault: Exception | None = None
        self.closed = False

    def check(self) -> None:
        """Fail as told."""
        if self.fault is not None:
            raise self.fault

    def place(self) -> bytes:
        """Count the segments."""
        return b"%d" % len(self.segments)

    def write(self, segment: Segment, place: bytes) -> bytes:
        """Keep a segment, unless its place is taken already."""
        self.calls.append((segment, place))
        self.before(segment)
        if int(place) == len(self.segments):
            self.segments.append(segment)
        assert self.segments[int(place)] == segment, "a repeated plan says the same"
        self.after(segment)
        return b"%d" % (int(place) + 1)

    def close(self) -> None:
        """Remember it."""
        self.closed = True

    @property
    def ids(self) -> list[str]:
        """The decisions stored, in order."""
        return [each["decision_id"] for segment in self.segments for each in segment.documents]


def unavailable(_: Segment) -> None:
    """Fail as a sink that can't be reached."""
    raise SinkUnavailable("It is down.", remedy="Wait.")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have shippers look at everything ten times as often."""
    monkeypatch.setattr(shipper, "_TICK_SECONDS", 0.1)
    monkeypatch.setattr(shipper, "_LOCK_SECONDS", 0.05)


@pytest.fixture
def down() -> Callable[[Segment], None]:
    """What a sink does that can't be reached."""
    return unavailable


@pytest.fixture
def told() -> type[Told]:
    """Sinks that do as they are told."""
    return Told


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The outbox's folder."""
    path = tmp_path / "outbox"
    path.mkdir()
    return path


@pytest.fixture
def outbox(folder: Path) -> Iterator[Outbox]:
    """An outbox whose writer is at work until the test closes it."""
    made = Outbox(folder, most_bytes=MOST, file_bytes=10**7)
    yield made
    made.close()


@pytest.fixture
def put(samples: ModuleType) -> Callable[..., list[str]]:
    """Write the records of some numbers to an outbox and commit them; gives their ids."""

    def put_all(outbox: Outbox, numbers: Iterable[int], **changes: Any) -> list[str]:
        records: list[Record] = [samples.record(number, **changes) for number in numbers]
        for each in records:
            outbox.add(encode(each), samples._NAMES, each.names)
        outbox.commit()
        return [each.record_id for each in records]

    return put_all


@pytest.fixture
def left(folder: Path, put) -> Callable[..., tuple[OutboxFile, list[str]]]:
    """Leave a file of some numbers' records, whose writer is gone; gives it and the ids."""

    def leave(numbers: Iterable[int], **changes: Any) -> tuple[OutboxFile, list[str]]:
        before = {each.source for each in find_files(folder)}
        outbox = Outbox(folder, most_bytes=MOST, file_bytes=10**7)
        ids = put(outbox, numbers, **changes)
        outbox.close()
        time.sleep(0.002)  # files are named by milliseconds
        return next(each for each in find_files(folder) if each.source not in before), ids

    return leave


@pytest.fixture
def progress(folder: Path) -> Iterator[Progress]:
    """The progress of the outbox."""
    made = Progress(folder)
    yield made
    made.close()


@pytest.fixture
def worker(folder: Path, progress: Progress) -> Callable[..., SinkWorker]:
    """Make a worker to a sink, with settings that differ from the defaults."""

    def make(sink: Told, damaged: Callable[[int], object] = lambda _: None, **settings: Any) -> SinkWorker:
        return SinkWorker(sink, folder, Files(folder), progress, ShipSettings(**settings), damaged)

    return make


@pytest.fixture
def make_config(folder: Path) -> Callable[..., ShipperConfig]:
    """Orders for the outbox, with settings that differ from the defaults."""
    return lambda **settings: ShipperConfig(folder=str(folder), most_bytes=MOST, ship=ShipSettings(**settings))


@pytest.fixture
def running() -> Iterator[Callable[[Shipper], threading.Thread]]:
    """Run shippers in threads; those that still run at the end are ended."""
    started: list[tuple[Shipper, threading.Thread]] = []

    def run(one: Shipper) -> threading.Thread:
        thread = threading.Thread(target=one.run)
        started.append((one, thread))
        thread.start()
        return thread

    yield run
    for one, thread in started:
        one.ending.begin(0)
        thread.join(600)


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    """Wait until something holds."""

    def wait(holds: Callable[[], object]) -> None:
        deadline = time.monotonic() + 600
        while not holds():
            assert time.monotonic() < deadline, "it never came about"
            time.sleep(0.01)

    return wait
