"""`customer-risk serve` as a process: readiness, answers, failed starts, an orderly end."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.system.asking import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.system

READY = "/v2/health/ready"


@pytest.fixture(scope="module")
def served(start, command, bundle, tmp_path_factory):
    """A ready server whose log has no lines for answers; by default, one answer in a hundred gets one, by chance."""
    config = tmp_path_factory.mktemp("config") / "serving.yaml"
    config.write_text("logs: {success_share: 0}\n")
    server = start(command, bundle, "--config", str(config))
    server.wait_for(READY)
    return server


@pytest.fixture
def spoil(bundle, tmp_path) -> Callable[[str, Callable[[bytes], bytes]], Path]:
    """Copy the bundle with one file changed."""

    def spoiled(name: str, change: Callable[[bytes], bytes]) -> Path:
        copied = tmp_path / "bundle"
        shutil.copytree(bundle, copied)
        (copied / name).write_bytes(change((copied / name).read_bytes()))
        return copied

    return spoiled


def _flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def test_the_reason_of_a_switch_is_one_line_of_the_log(start, command, bundle) -> None:
    """The reason that an administrator gives can't make another line in the log, or send a command to a terminal."""
    served = start(command, bundle)
    served.wait_for(READY)
    why = "a test\n2026-01-01 00:00:00,000 ERROR serving: forged\x1b[2J\u2028\u202e"
    assert served.post("/ai/v1/admin/rules", {"force": False, "why": why}).status_code == 200
    deadline = time.monotonic() + PATIENCE
    while "forged" not in (log := served.log.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (line,) = [each for each in log.splitlines() if "forged" in each]
    assert "back to the model, by local: a test\\u000a2026-01-01" in line
    assert not set(log) & set("\x1b\u2028\u202e")


def test_requests_leave_no_log_lines(served, sound_request) -> None:
    """With success_share 0, answered and refused requests of each protocol leave no log line."""
    for document in (sound_request, {"customer_id": 7}):
        served.post("/ai/v1/risk", document)
        served.post("/v1/models/customer-risk:predict", {"instances": [document]})
        served.post("/v1/models/other:predict", {})
    lines = served.log.read_text().splitlines()
    assert len(lines) == 2, lines
    assert lines[0].startswith("starting: ")
    assert f"ready: POST http://127.0.0.1:{served.port}/ai/v1/risk, bundle " in lines[1]


def test_readiness_waits_for_the_bundle(start, command, bundle, tmp_path, sound_request) -> None:
    """While the bundle lacks a file, the process is alive, isn't ready and answers 503; afterwards it is ready."""
    copied = tmp_path / "bundle"
    shutil.copytree(bundle, copied)
    content = (copied / "golden.json").read_bytes()
    (copied / "golden.json").unlink()
    server = start(command, copied, "--stay-up")
    server.wait_for("/healthz")
    assert server.get(READY).status_code == 503
    assert server.get("/v1/models/customer-risk").status_code == 503
    assert server.post("/ai/v1/risk", sound_request).status_code == 503
    (copied / "golden.json").write_bytes(content)
    server.wait_for(READY)
    assert server.get("/v1/models/customer-risk").status_code == 200
    assert server.post("/ai/v1/risk", sound_request).status_code == 200


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("trees.json", _flip, "trees.json was altered: its sha256 is"),
        (
            "manifest.json",
            lambda content: content.replace(b'"schema_version": 3', b'"schema_version": 99'),
            "schema version 99",
        ),
    ],
    ids=["one flipped byte", "another schema version"],
)
def test_a_bad_bundle_ends_the_command_with_one_message(command, spoil, name, change, said) -> None:
    """With a bad bundle, the server ends with code 2 and a message without a traceback."""
    arguments = [command, "serve", spoil(name, change), "--port", "0"]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 2
    starting, error = done.stderr.strip().splitlines()
    assert starting.startswith("starting: ")
    assert error.startswith("error: ")
    assert said in error


def test_no_bundle_at_all_ends_the_command_with_one_message(command, tmp_path) -> None:
    """A folder that isn't there is named."""
    arguments = [command, "serve", tmp_path / "nowhere", "--port", "0"]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 2
    assert f"There is no bundle at {tmp_path / 'nowhere'}" in done.stderr
    assert "Traceback" not in done.stderr


def test_with_stay_up_a_bad_bundle_is_never_ready(start, command, spoil, sound_request) -> None:
    """With `--stay-up`, the process runs, logs why it isn't ready, and answers 503."""
    server = start(command, spoil("trees.json", _flip), "--stay-up")
    server.wait_for("/healthz")
    while "not ready: " not in server.log.read_text():
        assert server.get(READY).status_code == 503
    assert "trees.json was altered" in server.log.read_text()
    assert server.get(READY).status_code == 503
    assert server.post("/ai/v1/risk", sound_request).status_code == 503
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(PATIENCE) == 0


def test_a_taken_port_ends_the_command_with_one_message(command, bundle) -> None:
    """A port in use is named with its host."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        arguments = [command, "serve", bundle, "--port", port]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 2
    assert f"error: Can't listen on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_sigterm_lets_requests_under_way_finish(start, command, bundle, sound_request) -> None:
    """After the signal, a partly sent request is answered, new connections are refused, and the exit code is 0."""
    server = start(command, bundle)
    server.wait_for(READY)
    body = json.dumps(sound_request).encode()
    head = (
        f"POST /ai/v1/risk HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        connection.sendall(head.encode() + body[:100])
        server.get("/healthz")  # answered after the half request was taken up
        server.process.send_signal(signal.SIGTERM)
        _wait_until_refused(server.port)
        connection.sendall(body[100:])
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 200 OK")
    assert json.loads(received.partition(b"\r\n\r\n")[2])["customer_id"] == "c-1"
    assert server.process.wait(PATIENCE) == 0


def _wait_until_refused(port: int) -> None:
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
        except ConnectionError:  # refused, or reset if it was waiting when the listener closed
            return
