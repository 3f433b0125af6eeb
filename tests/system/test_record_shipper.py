"""The shipper's process, killed and ended at any moment, beside processes that write."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from customer_risk.serving.record.outbox.reader import find_files
from customer_risk.serving.record.shipper.progress import Progress
from customer_risk.serving.record.shipper.settings import ShipperConfig, ShipSettings
from customer_risk.serving.record.shipper.status import Status
from customer_risk.serving.record.sinks.parquet import Parquet
from customer_risk.serving.record.sinks.settings import FolderSettings
from tests.system.asking import PATIENCE

pytestmark = pytest.mark.system

ROUNDS = 8
SAMPLES = Path(__file__).parent.parent / "serving" / "record" / "conformance.py"
_WRITING = """
import importlib.util, itertools, sys, time
from pathlib import Path
from customer_risk.serving.record.outbox.writer import Outbox
from customer_risk.serving.record.outbox.record import encode
spec = importlib.util.spec_from_file_location("samples", sys.argv[2])
samples = importlib.util.module_from_spec(spec)
spec.loader.exec_module(samples)
outbox = Outbox(Path(sys.argv[1]), most_bytes=10**9, file_bytes=200_000)
for turn in itertools.count(int(sys.argv[3])):
    records = [samples.record(number) for number in range(turn * 10, turn * 10 + 10)]
    for each in records:
        outbox.add(encode(each), samples._NAMES, each.names)
    outbox.commit()
    print(*(each.record_id for each in records), flush=True)
    time.sleep(0.02)
"""


class Writer:
    """A process that writes records until it is killed, and the file of the ids that it committed."""

    def __init__(self, outbox: Path, log: Path, first: int) -> None:
        self._log = log
        with log.open("wb") as file:
            command = [sys.executable, "-c", _WRITING, outbox, SAMPLES, str(first)]
            self.process = subprocess.Popen(command, stdout=file)

    def kill(self) -> list[str]:
        """Kill it; return the ids that it reported as committed."""
        self.process.kill()
        self.process.wait()
        return self.committed()

    def committed(self) -> list[str]:
        """Return the ids that it has reported as committed so far."""
        return [each for line in self._log.read_text().split("\n")[:-1] for each in line.split()]


class Ship:
    """A shipper's process, started as a server starts it."""

    def __init__(self, config: ShipperConfig, log: Path) -> None:
        self.log = log
        with log.open("ab") as file:
            command = [sys.executable, "-m", "customer_risk.serving.record.shipper.main"]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=file, stdout=file)
        self.process.stdin.write(msgspec.json.encode(config) + b"\n")
        self.process.stdin.flush()

    def end(self) -> int:
        """Wait for its end; return its exit code."""
        code = self.process.wait(PATIENCE)
        self.process.stdin.close()
        return code


@pytest.fixture
def outbox(tmp_path) -> Path:
    """The outbox's folder."""
    folder = tmp_path / "outbox"
    folder.mkdir()
    return folder


@pytest.fixture
def config(outbox, tmp_path) -> ShipperConfig:
    """The configuration of a shipper to a folder."""
    ship = ShipSettings(sinks=(FolderSettings(path=str(tmp_path / "record")),), batch_records=50, batch_seconds=0.2)
    return ShipperConfig(folder=str(outbox), most_bytes=10**9, ship=ship)


@pytest.fixture
def ship(config, tmp_path):
    """Return a function that starts a shipper; those that still run at the end are killed."""
    started = []

    def start(**settings) -> Ship:
        told = msgspec.structs.replace(config, ship=msgspec.structs.replace(config.ship, **settings))
        started.append(Ship(told, tmp_path / "log"))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.end()


@pytest.fixture
def write(outbox, tmp_path):
    """Return a function that starts a writer; those that still run at the end are killed."""
    started = []

    def start() -> Writer:
        started.append(Writer(outbox, tmp_path / f"written-{len(started)}", len(started) * 100_000))
        return started[-1]

    yield start
    for each in started:
        each.kill()


def stored(tmp_path: Path) -> Counter[str]:
    """Count each record in the folder sink."""
    parquet = Parquet()
    return Counter(
        each["decision_id"]
        for path in (tmp_path / "record").glob("dt=*/*/*.parquet")
        for each in parquet.decode(path.read_bytes())
    )


def until(holds) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.2)


def test_every_record_is_stored_once_through_kills_of_the_shipper(ship, write, tmp_path) -> None:
    """Each record is stored once after kills at random moments, also of a writer."""
    chance = random.Random(5)  # noqa: S311  moments, not secrets
    writers, written = [write(), write()], []
    for turn in range(ROUNDS):
        running = ship()
        before = len(stored(tmp_path))
        if turn % 2:
            until(lambda so_far=before: len(stored(tmp_path)) > so_far)
        time.sleep(chance.uniform(0, 1))
        if turn % 3 == 2:
            written += writers.pop(0).kill()
            writers.append(write())
        running.process.kill()
        running.process.wait()
    until(lambda: len(written) + sum(len(each.committed()) for each in writers) > 1000)
    for each in writers:
        written += each.kill()
    last = ship()
    last.process.send_signal(signal.SIGTERM)
    assert last.end() in {0, -signal.SIGTERM}
    final = ship()
    until(lambda: len(stored(tmp_path)) >= len(written))
    final.process.send_signal(signal.SIGTERM)
    assert final.end() == 0, final.log.read_text()
    found = stored(tmp_path)
    assert len(written) > 1000
    assert [each for each in written if found[each] != 1] == []
    assert max(found.values()) == 1
    assert len(found) - len(written) <= 10 * (
        ROUNDS // 3 + 2
    )  # committed by a writer that was killed before it said so


def test_the_end_of_input_ends_the_shipper_once_all_is_shipped(ship, write, tmp_path) -> None:
    """At the end of its input, the shipper ships all committed records and ends."""
    writer, running = write(), ship()
    until(lambda: stored(tmp_path))
    written = writer.kill()
    running.process.stdin.close()
    assert running.process.wait(PATIENCE) == 0
    found = stored(tmp_path)
    assert all(found[each] == 1 for each in written)
    assert "nothing is left" in running.log.read_text()


def test_unshipped_records_are_reported_and_shipped_later(ship, write, outbox, tmp_path) -> None:
    """With the sink gone, the exit code is 1, the last line has the count, and nothing is lost."""
    writer = write()
    until(lambda: any(file.last() > 100 for file in find_files(outbox)))
    written = writer.kill()
    running = ship(drain_seconds=1)
    until(lambda: stored(tmp_path))
    record, aside = tmp_path / "record", tmp_path / "aside"
    record.rename(aside)
    record.write_bytes(b"")
    written += _more(write)
    time.sleep(0.5)
    running.process.terminate()
    assert running.end() == 1
    lines = running.log.read_text().splitlines()
    assert "are not in folder yet" in lines[-1]
    record.unlink()
    aside.rename(record)
    again = ship()
    until(lambda: len(stored(tmp_path)) >= len(written))
    again.process.terminate()
    assert again.end() == 0
    found = stored(tmp_path)
    assert all(found[each] == 1 for each in written)


def _more(write) -> list[str]:
    writer = write()
    until(lambda: len(writer._log.read_text()) > 1000)
    return writer.kill()


def test_an_unusable_sink_ends_the_shipper_at_once(ship, tmp_path) -> None:
    """A sink that can't work ends it with exit code 2 and a line that names the setting."""
    (tmp_path / "file").write_bytes(b"")
    running = ship(sinks=(FolderSettings(path=str(tmp_path / "file")),))
    assert running.end() == 2
    assert "record.ship.sinks" in running.log.read_text()


def test_a_second_process_takes_over_from_a_killed_one(ship, write, outbox, tmp_path) -> None:
    """A second process waits until the first is killed."""
    writer, first = write(), ship()
    until(lambda: stored(tmp_path))
    second = ship()
    time.sleep(1)
    progress = Progress(outbox)
    shipper = progress.shipper
    progress.close()
    first.process.kill()
    written = writer.kill()
    until(lambda: len(stored(tmp_path)) >= len(written))
    second.process.terminate()
    assert second.end() == 0
    found = stored(tmp_path)
    assert all(found[each] == 1 for each in written)
    assert [path.name for path in (tmp_path / "record" / "manifest").iterdir()] == [shipper]


def test_the_command_ships_by_the_servers_settings(command, write, outbox, tmp_path) -> None:
    """`customer-risk ship --config` ships by the server's settings, without reading files of Secrets."""
    config = tmp_path / "serving.yaml"
    ship = {"embedded": False, "sinks": [{"type": "folder", "path": str(tmp_path / "record")}], "batch_seconds": 0.1}
    record = {"enabled": True, "folder": str(outbox), "customer_id": "hashed", "key_file": "/absent/key", "ship": ship}
    store = {"kind": "redis", "url_file": "/absent/store-url"}
    config.write_text(json.dumps({"record": record, "store": store}))
    writer = write()
    process = subprocess.Popen([command, "ship", "--config", config], stderr=subprocess.PIPE)
    until(lambda: stored(tmp_path))
    written = writer.kill()
    until(lambda: len(stored(tmp_path)) >= len(written))
    told = subprocess.run([command, "ship", "--config", config, "--status"], capture_output=True, check=True).stdout
    status = msgspec.json.decode(told, type=Status)
    assert status.sinks["folder"].shipped > 0
    assert status.sinks["folder"].failures == 0
    process.terminate()
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    assert b"Traceback" not in errors
    assert b"leaked" not in errors
