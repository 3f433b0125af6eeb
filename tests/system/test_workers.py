"""Several workers on one port: overload, slow clients and the end of processes."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import time
from pathlib import Path

import httpx2
import pytest

from tests.system.asking import PATIENCE

pytestmark = [pytest.mark.system, pytest.mark.alone]

READY = "/v2/health/ready"
DAWDLERS = 500


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def patient(tmp_path) -> tuple[str, str]:
    """Settings with which a server refuses no request, on a busy machine too."""
    (tmp_path / "serving.yaml").write_text("server: {most_wait_ms: 5000}")
    return "--config", str(tmp_path / "serving.yaml")


@pytest.fixture
def two(start, command, bundle, patient):
    """A server of two workers that is ready."""
    server = start(command, bundle, "--workers", "2", *patient)
    server.wait_for(READY)
    return server


def test_workers_share_the_port_and_their_memory(two, load, sound_request) -> None:
    """Both workers answer, and a further worker takes little memory."""
    first, second = _children(two.process.pid)
    before = [_cpu(each) for each in (first, second)]
    with load(two.port, sound_request, callers=16) as loaded:
        loaded.wait_for(1000)
    assert loaded.failures == []
    assert all(_cpu(each) > then for each, then in zip((first, second), before, strict=True))
    assert _kilobytes(second, "Private_Dirty") < 0.5 * _kilobytes(second, "Rss")


def _cpu(pid: int) -> int:
    return sum(int(each) for each in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13])


def _kilobytes(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise AssertionError(name)


def test_a_workers_death_fails_only_its_requests(two, load, sound_request) -> None:
    """If a worker is killed, at most one request of each caller fails, and another worker replaces it."""
    victim, other = _children(two.process.pid)
    with load(two.port, sound_request, callers=8) as loaded:
        loaded.wait_for(300)
        os.kill(victim, signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE
        while len(now := _children(two.process.pid)) < 2 or victim in now:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        answered = loaded.answered
        while loaded.answered < answered + 300:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert len(loaded.failures) <= 8, loaded.failures
    assert other in now
    assert f"worker {victim} ended with -9; another takes its place" in two.log.read_text()


def test_sigterm_ends_every_worker(two) -> None:
    """The parent ends last, with exit code 0."""
    workers = _children(two.process.pid)
    two.process.send_signal(signal.SIGTERM)
    assert two.process.wait(PATIENCE) == 0
    assert not any(Path(f"/proc/{each}").exists() for each in workers)


@pytest.mark.parametrize("options", [[], ["--workers", "2"]])
def test_a_bad_bundle_ends_several_workers_before_they_start(command, tmp_path, options) -> None:
    """A bad bundle gives one message and exit code 2 with several workers too."""
    import subprocess

    done = subprocess.run(
        [command, "serve", tmp_path, "--port", "0", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 2
    assert "There is no bundle at" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_end_under_load_fails_no_request_sent_while_ready(
    start, command, bundle, load, sound_request, patient, workers
) -> None:
    """While draining, the server isn't ready, and answers every request that still arrives."""
    server = start(command, bundle, "--workers", workers, "--drain", "10", *patient)
    server.wait_for(READY)
    with load(server.port, sound_request, callers=8, heeding=True) as loaded:
        loaded.wait_for(300)
        server.process.send_signal(signal.SIGTERM)
        loaded.join()
    assert loaded.failures == []
    assert server.process.wait(PATIENCE) == 0


@pytest.fixture
def many_files():
    """Let this process open a thousand connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * DAWDLERS)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
def test_slow_clients_do_not_delay_others(start, command, bundle, tmp_path, sound_request, record_property) -> None:
    """While five hundred connections send slowly, a normal caller is answered."""
    (tmp_path / "serving.yaml").write_text("server: {header_seconds: 3600, body_seconds: 3600}")
    server = start(command, bundle, "--config", str(tmp_path / "serving.yaml"))
    server.wait_for(READY)
    head = b"POST /ai/v1/risk HTTP/1.1\r\nHost: "
    whole = head + b"x\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{"
    dawdlers = []
    for i in range(DAWDLERS):
        dawdlers.append(socket.create_connection(("127.0.0.1", server.port)))
        dawdlers[-1].sendall(head if i % 2 else whole)
    slowest = 0.0
    for _ in range(100):
        for i, each in enumerate(dawdlers[: DAWDLERS // 10]):
            each.sendall(b"x" if i % 2 else b" ")
        began = time.perf_counter()
        assert server.post("/ai/v1/risk", sound_request).status_code == 200
        slowest = max(slowest, time.perf_counter() - began)
    for each in dawdlers:
        each.close()
    record_property("slowest answer, ms", round(1000 * slowest))


def test_health_is_answered_under_overload(start, command, bundle, sound_request) -> None:
    """With too many callers, some get Retry-After, and health is always answered."""
    server = start(command, bundle)
    server.wait_for(READY)
    body = json.dumps(sound_request).encode()
    head = "POST /ai/v1/risk HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
    request = f"{head}{len(body)}\r\n\r\n".encode() + body
    crowd = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(800)]
    statuses: set[bytes] = set()
    for _ in range(3):
        os.kill(server.process.pid, signal.SIGSTOP)  # so that all connections wait at once
        for each in crowd:
            each.sendall(request)
        os.kill(server.process.pid, signal.SIGCONT)
        assert server.get("/healthz").status_code == 200
        statuses |= {each.recv(65536).split(b" ")[1] for each in crowd}
    for each in crowd:
        each.close()
    assert statuses == {b"200", b"503"}


def test_workers_do_not_outlive_their_parent(start, command, bundle) -> None:
    """If the parent is killed, its workers end, and the port is free again."""
    server = start(command, bundle, "--workers", "2")
    server.wait_for("/v2/health/ready")
    server.process.kill()
    server.process.wait()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            server.get("/healthz")
        except httpx2.TransportError:
            return
        time.sleep(0.1)
    pytest.fail("workers still answer")
