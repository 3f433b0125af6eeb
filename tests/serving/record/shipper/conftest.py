"""An outbox to ship, and a sink whose behaviour a test sets."""

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
    """A sink in memory. A write can be repeated with the same place, which is the number of earlier segments.

    `before` and `after` are called before and after each write; an error that they raise is raised by `write`.
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
        """Raise `fault`, if it is set."""
        if self.fault is not None:
            raise self.fault

    def place(self) -> bytes:
        """Return the number of segments."""
        return b"%d" % len(self.segments)

    def write(self, segment: Segment, place: bytes) -> bytes:
        """Store a segment, unless its place is in use."""
        self.calls.append((segment, place))
        self.before(segment)
        if int(place) == len(self.segments):
            self.segments.append(segment)
        assert self.segments[int(place)] == segment, "a repeated plan says the same"
        self.after(segment)
        return b"%d" % (int(place) + 1)

    def close(self) -> None:
        """Set `closed`."""
        self.closed = True

    @property
    def ids(self) -> list[str]:
        """The ids of the stored decisions, in order."""
        return [each["decision_id"] for segment in self.segments for each in segment.documents]


def unavailable(_: Segment) -> None:
    """Raise SinkUnavailable."""
    raise SinkUnavailable("It is down.", remedy="Wait.")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the shippers' intervals to a tenth."""
    monkeypatch.setattr(shipper, "_TICK_SECONDS", 0.1)
    monkeypatch.setattr(shipper, "_LOCK_SECONDS", 0.05)


@pytest.fixture
def down() -> Callable[[Segment], None]:
    """The function that makes a sink unavailable."""
    return unavailable


@pytest.fixture
def told() -> type[Told]:
    """The class of the sinks in memory."""
    return Told


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The outbox's folder."""
    path = tmp_path / "outbox"
    path.mkdir()
    return path


@pytest.fixture
def outbox(folder: Path) -> Iterator[Outbox]:
    """An outbox whose writer runs until the test closes it."""
    made = Outbox(folder, most_bytes=MOST, file_bytes=10**7)
    yield made
    made.close()


@pytest.fixture
def put(samples: ModuleType) -> Callable[..., list[str]]:
    """Return a function that writes records of some numbers, commits them, and returns their ids."""

    def put_all(outbox: Outbox, numbers: Iterable[int], **changes: Any) -> list[str]:
        records: list[Record] = [samples.record(number, **changes) for number in numbers]
        for each in records:
            outbox.add(encode(each), samples._NAMES, each.names)
        outbox.commit()
        return [each.record_id for each in records]

    return put_all


@pytest.fixture
def left(folder: Path, put) -> Callable[..., tuple[OutboxFile, list[str]]]:
    """Return a function that leaves a file of a dead writer, and returns the file and the ids."""

    def leave(numbers: Iterable[int], **changes: Any) -> tuple[OutboxFile, list[str]]:
        before = {each.source for each in find_files(folder)}
        outbox = Outbox(folder, most_bytes=MOST, file_bytes=10**7)
        ids = put(outbox, numbers, **changes)
        outbox.close()
        time.sleep(0.002)  # a file's name has its time in milliseconds, which must differ
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
    """Return a function that makes a sink's worker, with settings other than the defaults."""

    def make(sink: Told, damaged: Callable[[int], object] = lambda _: None, **settings: Any) -> SinkWorker:
        return SinkWorker(sink, folder, Files(folder), progress, ShipSettings(**settings), damaged)

    return make


@pytest.fixture
def make_config(folder: Path) -> Callable[..., ShipperConfig]:
    """Return a function that makes a shipper's configuration, with settings other than the defaults."""
    return lambda **settings: ShipperConfig(folder=str(folder), most_bytes=MOST, ship=ShipSettings(**settings))


@pytest.fixture
def running() -> Iterator[Callable[[Shipper], threading.Thread]]:
    """Return a function that runs a shipper in a thread; shippers that still run at the end are ended."""
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
    """Return a function that waits until a condition holds."""

    def wait(holds: Callable[[], object]) -> None:
        deadline = time.monotonic() + 600
        while not holds():
            assert time.monotonic() < deadline, "it never came about"
            time.sleep(0.01)

    return wait
