"""The runbooks of the decision record: each page's commands on a server, a shipper and sinks that have the fault."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from customer_risk.serving.record.outbox.record import encode
from customer_risk.serving.record.outbox.writer import Outbox
from customer_risk.serving.record.sinks.parquet import Parquet
from tests.failing_disk import full_disk
from tests.serving.record import conformance as samples
from tests.system.asking import PATIENCE, ask
from tests.system.runbook_pages import Site, commands, prometheus, variables
from tests.system.standin import free_port

pytestmark = pytest.mark.system

PAGES = (
    "CustomerRiskRecordFailing",
    "CustomerRiskUnrecorded",
    "CustomerRiskOutboxFilling",
    "CustomerRiskRecordLag",
    "CustomerRiskShipperAbsent",
    "CustomerRiskDeadLetters",
    "CustomerRiskQuarantine",
    "playbooks/sink-down",
)
MOST_BYTES, FILE_BYTES = 4_000_000, 262_144
AT_ONCE = 200  # customers of a batch, about 250 KB of records


@dataclass
class Recording(Site):
    """A release that records, as in the chart: the shipper is a process beside the server."""

    command: Path = Path()  # customer-risk
    shipper: subprocess.Popen[bytes] | None = None

    def start_shipper(self) -> None:
        """Start the shipper."""
        with self.logs["shipper"].open("ab") as log:
            self.shipper = subprocess.Popen([self.command, "ship", "--config", self.config], stdout=log, stderr=log)

    def kill_shipper(self) -> None:
        """Kill the shipper."""
        if self.shipper is not None:
            self.shipper.kill()
            self.shipper.wait()

    def decide(self, request: dict[str, object]) -> int:
        """Send a batch; return the number of its items that were answered."""
        response = ask("POST", f"{self.variables['URL']}/ai/v1/risk:batch", json={"requests": [request] * AT_ONCE})
        return sum(item["status"] == 200 for item in response.json().get("items", []))

    def decide_until_refused(self, request: dict[str, object]) -> None:
        """Send batches until the outbox is full."""
        deadline = time.monotonic() + PATIENCE
        while self.decide(request) == AT_ONCE:
            assert time.monotonic() < deadline


@contextlib.contextmanager
def release(start, command, bundle, place: Path, sinks: list[object], **record) -> Iterator[Recording]:
    """Run a server that records, its shipper, and a Prometheus that scrapes both."""
    port = free_port()
    ship = {"embedded": False, "sinks": sinks, "batch_seconds": 0.2, "keep_seconds": 0, "metrics_port": port}
    settings = {"enabled": True, "folder": str(place / "outbox"), "most_bytes": MOST_BYTES, "file_bytes": FILE_BYTES}
    settings |= {"ship": ship} | record
    config = place / "serving.yaml"
    config.write_text(json.dumps({"record": settings}))
    server = start(command, bundle, "--config", str(config))
    server.wait_for("/v2/health/ready")
    with prometheus(place / "prometheus", [f"127.0.0.1:{server.port}", f"127.0.0.1:{port}"]) as url:
        logs = {"kserve-container": server.log, "shipper": place / "shipper.log"}
        known = variables(f"http://127.0.0.1:{server.port}", url)
        running = Recording(known, config, Path(settings["folder"]), logs, command=command)
        running.start_shipper()
        try:
            running.until("customer_risk_ready and on (pod) customer_risk_record_outbox_bytes")
            yield running
        finally:
            running.kill_shipper()


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """The folder of the release."""
    return tmp_path_factory.mktemp("recording")


@pytest.fixture(scope="module")
def recording(start, command, bundle, place, gcs) -> Iterator[Recording]:
    """A release that records to a folder and to a bucket, with the chart's `when_full: refuse`."""
    gcs.make_bucket("runbooks")
    sinks = [
        {"type": "folder", "path": str(place / "record")},
        {"type": "gcs", "bucket": "runbooks", "endpoint": gcs.endpoint},
    ]
    with release(start, command, bundle, place, sinks) as running:
        yield running


def test_the_pages_of_a_sink_that_is_down(recording, gcs, sound_request) -> None:
    """While a bucket is down and the outbox is full, three alerts' pages and the playbook show it, and then its end."""
    assert recording.decide(sound_request) == AT_ONCE
    recording.over("CustomerRiskRecordLag", 1)
    with gcs.killed():
        recording.decide_until_refused(sound_request)
        for page in (
            "CustomerRiskRecordLag",
            "CustomerRiskOutboxFilling",
            "CustomerRiskRecordFailing",
            "playbooks/sink-down",
        ):
            recording.check(page)
        for each in commands("CustomerRiskRecordFailing"):
            if each.cluster:
                recording.run(each)
    recording.over("CustomerRiskRecordFailing", 1)
    recording.over("CustomerRiskRecordFailing", 3, expected="200")
    recording.over("CustomerRiskRecordLag", 1)
    assert recording.decide(sound_request) == AT_ONCE


def test_the_page_of_a_disk_that_is_full(start, command, bundle, tmp_path, disk, sound_request) -> None:
    """While the outbox's disk is full, the page shows that no sink is the cause, and the log and `df` show the disk."""
    sinks = [{"type": "folder", "path": str(tmp_path / "record")}]
    place = str(disk / "outbox")
    with release(start, command, bundle, tmp_path, sinks, folder=place, most_bytes=3_000_000) as running:
        deadline = time.monotonic() + PATIENCE
        with full_disk(disk / "outbox"):
            while True:
                running.decide_until_refused(sound_request)
                try:
                    running.check("CustomerRiskRecordFailing")
                except AssertionError:  # the shipper freed space between two commands of the page
                    if time.monotonic() > deadline:
                        raise
                else:
                    break
            log, full = (each for each in commands("CustomerRiskRecordFailing") if each.cluster)
            assert "the disk is full" in running.run(log)
            assert "100%" in running.run(full)
        running.over("CustomerRiskRecordFailing", 1)
        running.over("CustomerRiskRecordFailing", 3, expected="200")


def test_the_page_of_a_shipper_that_is_absent(recording, sound_request, tmp_path) -> None:
    """A killed shipper is found; its records are copied and can be shipped from the copy; a restart ends the fault."""
    recording.kill_shipper()
    try:
        assert recording.decide(sound_request) == AT_ONCE
        recording.check("CustomerRiskShipperAbsent")
        (copy,) = (each for each in commands("CustomerRiskShipperAbsent") if "tar -cf" in each.text)
        recording.run(copy)
    finally:
        recording.start_shipper()
    recording.over("CustomerRiskShipperAbsent", 1)
    recording.over("CustomerRiskRecordLag", 1)
    with tarfile.open(recording.config.parent / "outbox.tar") as archive:
        archive.extractall(tmp_path / "copy", filter="data")
    settings = json.loads(recording.config.read_text())
    settings["record"]["folder"] = str(tmp_path / "copy")
    settings["record"]["ship"] |= {"sinks": [{"type": "folder", "path": str(tmp_path / "shipped")}], "metrics_port": 0}
    (tmp_path / "serving.yaml").write_text(json.dumps(settings))
    with subprocess.Popen([recording.command, "ship", "--config", tmp_path / "serving.yaml"]) as shipper:
        deadline = time.monotonic() + PATIENCE
        while _stored(tmp_path / "shipped") < AT_ONCE:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        shipper.terminate()


def _stored(folder: Path) -> int:
    """Return the number of records in a folder sink."""
    return sum(len(list(Parquet().decode(each.read_bytes()))) for each in folder.glob("dt=*/*/*.parquet"))


def test_the_page_of_dead_letters(recording) -> None:
    """A record that can't be decoded is found with its reason, and the copy of the pod's files has it."""
    outbox = Outbox(recording.outbox, most_bytes=MOST_BYTES, file_bytes=FILE_BYTES)
    outbox.add(b"no record")
    outbox.commit()
    outbox.close()
    recording.check("CustomerRiskDeadLetters")
    assert _copied(recording, "CustomerRiskDeadLetters", "dead.tar")
    recording.over("CustomerRiskRecordLag", 1)


def test_the_page_of_quarantine(recording, tmp_path) -> None:
    """A damaged file of the outbox is found with its log lines, and the copy of the pod's files has it."""
    outbox = Outbox(tmp_path / "outbox", most_bytes=MOST_BYTES, file_bytes=FILE_BYTES)
    records = [encode(samples.record(number)) for number in range(1, 4)]
    for each in records:
        outbox.add(each, samples._NAMES, samples.record(1).names)
    outbox.commit()
    outbox.close()
    (file,) = (tmp_path / "outbox").glob("*.records")
    content = file.read_bytes()
    assert content.count(records[1]) == 1
    file.write_bytes(content.replace(records[1], bytes(reversed(records[1]))))
    file.rename(recording.outbox / file.name)
    recording.check("CustomerRiskQuarantine")
    assert any(file.stem in name for name in _copied(recording, "CustomerRiskQuarantine", "quarantine.tar"))
    recording.over("CustomerRiskRecordLag", 1)


def _copied(recording: Recording, page: str, archive: str) -> list[str]:
    """Run a page's command that copies files out of a pod; return the names of the files."""
    (copy,) = (each for each in commands(page) if "tar -cf" in each.text)
    recording.run(copy)
    with tarfile.open(recording.config.parent / archive) as opened:
        return opened.getnames()


def test_the_page_of_unrecorded_answers(start, command, bundle, tmp_path, sound_request) -> None:
    """With `answer_unrecorded` and no shipper, missing records are counted; once the shipper works, no more are."""
    sinks = [{"type": "folder", "path": str(tmp_path / "record")}]
    with release(start, command, bundle, tmp_path, sinks, when_full="answer_unrecorded") as running:
        running.kill_shipper()
        deadline = time.monotonic() + PATIENCE
        while not running.ask("sum(customer_risk_unrecorded_total) > 0").strip():
            assert running.decide(sound_request) == AT_ONCE
            assert time.monotonic() < deadline
        running.check("CustomerRiskUnrecorded")
        running.start_shipper()
        running.over("CustomerRiskUnrecorded", 3)
        before = running.ask("sum(customer_risk_unrecorded_total)").split()[2]
        assert running.decide(sound_request) == AT_ONCE
        running.over("CustomerRiskRecordLag", 1)
        assert running.ask("sum(customer_risk_unrecorded_total)").split()[2] == before
