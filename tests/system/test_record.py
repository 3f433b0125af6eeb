"""The decision record of real servers: every entrance, kills, and full disks."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as stubs

from customer_risk.serving.record.outbox.reader import find_files
from customer_risk.serving.record.outbox.record import Record, decode
from customer_risk.serving.record.sinks.factory import open_objects
from customer_risk.serving.record.sinks.folder import LocalObjects
from customer_risk.serving.record.sinks.interface import SinkUnavailable
from customer_risk.serving.record.sinks.search import find
from customer_risk.serving.record.sinks.settings import GcsSettings
from tests.failing_disk import mounted
from tests.system.asking import PATIENCE, ask

pytestmark = pytest.mark.system

ROUNDS = 5
AWAY = 20  # seconds
FILE_BYTES = 262_144  # for tests that fill a disk: the outbox makes smaller files only for a smaller file_bytes
SMALL = {"most_bytes": 200_000, "file_bytes": 25_000, "ship": {"embedded": False}}  # and no shipper frees space


def serve(start, command, bundle, folder: Path, record: dict, **settings):
    """Start a server that records, and wait until it is ready."""
    folder.mkdir(exist_ok=True)
    given = {"record": {"enabled": True, "folder": str(folder / "outbox")} | record} | settings
    (folder / "serving.yaml").write_text(json.dumps(given))
    server = start(command, bundle, "--config", str(folder / "serving.yaml"))
    server.wait_for("/v2/health/ready")
    return server


def recorded(folder: Path) -> list[Record]:
    """Return all records of an outbox."""
    return [decode(kept.body) for file in find_files(folder / "outbox") for kept in file.read(0, 1_000_000)]


def until(holds) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def infer(port: int, request: dict) -> str:
    """Send a request by gRPC; return the decision's id."""
    asked = pb.ModelInferRequest(model_name="customer-risk")
    asked.inputs.add(name="request", datatype="BYTES", shape=[1]).contents.bytes_contents.append(
        json.dumps(request).encode()
    )
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        answered = stubs.GRPCInferenceServiceStub(channel).ModelInfer(asked)
    (answer,) = (each for each in answered.outputs if each.name == "answer")
    return json.loads(answer.contents.bytes_contents[0])["decision_id"]


def test_every_entrance_is_recorded(start, command, bundle, tmp_path, sound_request) -> None:
    """Decisions of every entrance are recorded once with route, caller and trace, refusals with their fields' names."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = serve(start, command, bundle, tmp_path, {}, server={"workers": 2}, grpc={"enabled": True, "port": port})
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    url = f"http://127.0.0.1:{server.port}"
    expected: dict[str, str] = {}

    def post(path: str, body: object, **more: str) -> dict:
        response = ask("POST", url + path, json=body, headers=headers | more)
        assert response.status_code == 200, response.text
        return response.json()

    expected[post("/ai/v1/risk", sound_request)["decision_id"]] = "/ai/v1/risk"
    keyed = [post("/ai/v1/risk", sound_request, **{"idempotency-key": "k"})["decision_id"] for _ in range(2)]
    expected[keyed[0]] = "/ai/v1/risk"
    batch = post("/ai/v1/risk:batch", {"requests": [sound_request] * 40 + [{"customer_id": 3}]})
    expected |= {item["answer"]["decision_id"]: "/ai/v1/risk:batch" for item in batch["items"][:40]}
    v1 = post("/v1/models/customer-risk:predict", {"instances": [sound_request]})
    expected[v1["predictions"][0]["decision_id"]] = "/v1"
    tensor = {"name": "request", "datatype": "BYTES", "shape": [1], "data": [json.dumps(sound_request)]}
    v2 = post("/v2/models/customer-risk/infer", {"inputs": [tensor]})
    (answers,) = (each["data"] for each in v2["outputs"] if each["name"] == "answer")
    expected[json.loads(answers[0])["decision_id"]] = "/v2"
    expected[infer(port, sound_request)] = "grpc"
    ndjson = {"content-type": "application/x-ndjson"}
    job = ask("POST", f"{url}/ai/v1/risk/jobs", content=json.dumps(sound_request), headers=ndjson).json()
    while server.get(f"/ai/v1/risk/jobs/{job['job_id']}").json()["state"] != "done":
        time.sleep(0.05)
    results = server.get(f"/ai/v1/risk/jobs/{job['job_id']}/results").json()
    expected[results["answer"]["decision_id"]] = "/ai/v1/risk/jobs"
    assert ask("POST", f"{url}/ai/v1/risk", json={"customer_id": "c", "marker": "marker"}).status_code == 422

    found = recorded(tmp_path)
    decisions = [record for record in found if record.kind == "decision"]
    assert Counter(record.record_id for record in decisions) == Counter(dict.fromkeys(expected, 1))
    assert all(record.route.startswith(expected[record.record_id]) for record in decisions)
    assert {record.trace for record in decisions if record.route not in {"/ai/v1/risk/jobs", "grpc:ModelInfer"}} == {
        trace
    }
    assert {record.caller for record in found} == {"local"}
    assert sorted(record.route for record in found if record.kind == "refusal") == ["/ai/v1/risk", "/ai/v1/risk:batch"]


@pytest.mark.parametrize("whom", ["server", "worker"])
def test_what_was_answered_survives_kills(start, command, bundle, tmp_path, sound_request, load, whom) -> None:
    """After kills at random moments under load, every answered decision is recorded once."""
    answered: list[str] = []

    def note(answer: dict) -> None:
        answered.append(answer["decision_id"])

    chance = random.Random(whom)  # noqa: S311  moments, not secrets
    workers = {"server": {"workers": 2}} if whom == "worker" else {}
    server = serve(start, command, bundle, tmp_path, {}, **workers)
    for _ in range(ROUNDS):
        with load(server.port, sound_request, check=note) as running:
            running.wait_for(50)
            time.sleep(chance.random())
            if whom == "worker":
                children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
                os.kill(int(children[0]), signal.SIGKILL)
                time.sleep(0.5)
            else:
                server.process.kill()
                server.process.wait()
        if whom == "server":
            server = serve(start, command, bundle, tmp_path, {})
        else:
            server.wait_for("/v2/health/ready")
    server.process.terminate()
    server.process.wait(PATIENCE)
    found = Counter(record.record_id for record in recorded(tmp_path))
    assert len(answered) > ROUNDS * 50
    assert [each for each in answered if found[each] != 1] == []
    assert max(found.values()) == 1


def test_a_full_outbox_refuses_decisions(start, command, bundle, tmp_path, sound_request) -> None:
    """A full outbox leads to 503 with Retry-After until it has space; the server stays alive."""
    server = serve(start, command, bundle, tmp_path, SMALL)
    refused = None
    for _ in range(300):
        response = server.post("/ai/v1/risk", sound_request)
        if response.status_code != 200:
            refused = response
            break
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert "outbox is full" in refused.json()["detail"]
    for file in find_files(tmp_path / "outbox"):
        if not file.alive:
            file.remove()
    until(lambda: server.post("/ai/v1/risk", sound_request).status_code == 200)


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A file system of 8 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted(place, "-t", "tmpfs", "-o", "size=8m", "none")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def fill(place: Path) -> Path:
    """Fill a disk to its last byte; return the file to remove."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return filler


def resident(pid: int) -> int:
    """Return a process's resident memory, in pages."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1])


def readiness(server, port: int) -> set[int | bool]:
    """Return whether the server is ready; every protocol must say the same."""
    paths = ("/v2/health/ready", "/v2/models/customer-risk/ready", "/v1/models/customer-risk")
    statuses = {server.get(path).status_code for path in paths}
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = stubs.GRPCInferenceServiceStub(channel)
        ready = {
            stub.ServerReady(pb.ServerReadyRequest()).ready,
            stub.ModelReady(pb.ModelReadyRequest(name="customer-risk")).ready,
        }
    return {status == 200 for status in statuses} | ready


def test_a_full_disk_loses_no_record(start, command, bundle, disk, sound_request) -> None:
    """On a full disk requests are refused and the server isn't ready; with room it recovers, and no record is lost."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    record = {"folder": str(disk / "outbox"), "file_bytes": FILE_BYTES, "ship": {"embedded": False}}
    more = {"grpc": {"enabled": True, "port": port}, "jobs": {"enabled": False}}  # a job worker has an outbox too
    server = serve(start, command, bundle, disk, record, **more)
    pid, answered = server.process.pid, []

    def post() -> int:
        response = server.post("/ai/v1/risk", sound_request)
        if response.status_code == 200:
            answered.append(response.json()["decision_id"])
        else:
            assert (response.status_code, response.headers["retry-after"]) == (503, "5")
            assert response.json()["type"] == "urn:problem-type:customer-risk:unavailable"
            assert "can't be recorded" in response.json()["detail"]
        return response.status_code

    def descriptors() -> int:
        return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208  names are enough

    def files() -> int:
        return len(list((disk / "outbox").iterdir()))

    for _ in range(300):
        assert post() == 200
    assert readiness(server, port) == {True}
    descriptors_before, memory_before, files_before = descriptors(), resident(pid), files()

    filler = fill(disk)
    until(lambda: 503 in [post() for _ in range(100)])  # the files that are allocated already are filled first
    files_full = files()
    assert [post() for _ in range(500)] == [503] * 500
    assert readiness(server, port) == {False}
    assert server.get("/healthz").status_code == 200
    time.sleep(3)  # the outbox tries the disk by itself meanwhile
    assert [post() for _ in range(10)] == [503] * 10
    assert descriptors() <= descriptors_before + 2  # for connections that are being closed
    assert files() <= max(files_full, files_before) + 2  # for a try that is under way

    filler.unlink()
    began = time.monotonic()
    until(lambda: readiness(server, port) == {True})
    assert post() == 200
    assert time.monotonic() - began < 60  # about two seconds on an idle machine
    for _ in range(300):
        assert post() == 200
    assert descriptors() <= descriptors_before * 1.2
    assert resident(pid) <= memory_before * 1.2
    server.process.terminate()
    assert server.process.wait(PATIENCE) == 0
    assert Counter(each.record_id for each in recorded(disk)) == Counter(answered)
    log = server.log.read_text()
    assert (log.count("decisions can't be recorded"), log.count("can be recorded in")) == (1, 1)
    assert (log.count("readiness waits for the decision record"), log.count("readiness waits for nothing")) == (1, 1)


def test_a_server_that_may_answer_unrecorded_stays_ready_on_a_full_disk(
    start, command, bundle, disk, sound_request
) -> None:
    """A server that may answer unrecorded stays ready; its metrics show the failure until recording works again."""
    record = {
        "folder": str(disk / "outbox"),
        "file_bytes": FILE_BYTES,
        "when_full": "answer_unrecorded",
        "ship": {"embedded": False},
    }
    server = serve(start, command, bundle, disk, record)

    def failing() -> float:
        lines = server.get("/metrics").text.splitlines()
        return next(float(line.split()[-1]) for line in lines if line.startswith("customer_risk_record_failing"))

    assert failing() == 0
    filler = fill(disk)

    def fails_after_more() -> bool:
        assert {server.post("/ai/v1/risk", sound_request).status_code for _ in range(100)} == {200}
        return failing() == 1

    until(fails_after_more)
    assert server.get("/v2/health/ready").status_code == 200
    filler.unlink()
    until(lambda: failing() == 0)
    kept = len(recorded(disk))
    assert server.post("/ai/v1/risk", sound_request).status_code == 200
    assert len(recorded(disk)) == kept + 1


def test_a_server_starts_on_a_full_disk_and_is_ready_once_there_is_room(start, command, bundle, disk) -> None:
    """A server starts on a full disk, so that its shipper can make room, and is ready once there is room."""
    (disk / "outbox").mkdir()
    config = disk / "serving.yaml"
    config.write_text(json.dumps({"record": {"enabled": True, "folder": str(disk / "outbox")}}))
    filler = fill(disk)
    server = start(command, bundle, "--config", str(config))
    server.wait_for("/healthz")
    until(lambda: server.log.read_text().count("readiness waits for the decision record") == 1)
    assert server.get("/v2/health/ready").status_code == 503
    filler.unlink()
    server.wait_for("/v2/health/ready")


def test_a_full_outbox_may_allow_unrecorded_decisions(start, command, bundle, tmp_path, sound_request) -> None:
    """If the settings allow it, unrecorded decisions are answered and counted."""
    server = serve(start, command, bundle, tmp_path, SMALL | {"when_full": "answer_unrecorded"})
    assert {server.post("/ai/v1/risk", sound_request).status_code for _ in range(300)} == {200}
    missing = 300 - len(recorded(tmp_path))
    assert missing > 0

    def counted() -> bool:
        lines = server.get("/metrics").text.splitlines()
        return [float(line.split()[-1]) for line in lines if line.startswith("customer_risk_unrecorded_total")] == [
            missing
        ]

    until(counted)


def test_an_unavailable_sink_gets_all_records_later(start, command, bundle, tmp_path, sound_request, load, gcs) -> None:
    """While a sink is down, no request fails; later each record is stored once."""
    gcs.make_bucket("record")
    cloud = {"type": "gcs", "bucket": "record", "endpoint": gcs.endpoint}
    sinks = [{"type": "folder", "path": str(tmp_path / "record")}, cloud]
    record = {"ship": {"sinks": sinks, "batch_seconds": 0.5, "drain_seconds": 5}}
    answered: list[str] = []

    def note(answer: dict) -> None:
        answered.append(answer["decision_id"])

    server = serve(start, command, bundle, tmp_path, record, server={"most_wait_ms": 5000})
    with load(server.port, sound_request, check=note) as running:
        running.wait_for(200)
        gcs.kill()
        time.sleep(AWAY)
        running.wait_for(200)
    assert running.failures == []
    until(lambda: sum(stored(LocalObjects(tmp_path / "record")).values()) >= len(answered))
    server.process.terminate()
    assert server.process.wait(PATIENCE) == 0
    assert "are not in gcs yet" in server.log.read_text()
    assert stored(LocalObjects(tmp_path / "record")) == Counter(dict.fromkeys(answered, 1))
    gcs.start()
    server = serve(start, command, bundle, tmp_path, record)
    bucket = open_objects(GcsSettings(bucket="record", endpoint=gcs.endpoint))
    until(lambda: sum(stored(bucket).values()) >= len(answered))
    assert stored(bucket) == Counter(dict.fromkeys(answered, 1))


def stored(objects) -> Counter:
    """Count each decision in a sink; repeat the query if a slow emulator times out."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return Counter(document["decision_id"] for document in find(objects))
        except SinkUnavailable:
            assert time.monotonic() < deadline
            time.sleep(0.5)
