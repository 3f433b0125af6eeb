"""Hostile bodies and connections against a real server: it answers, and frees the memory and descriptors they used."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import threading
import time
from pathlib import Path

import grpc
import pytest

from benchmarks.serving.hostile import GRPC, RISK, Hostile, corpus
from tests.system.asking import PATIENCE

pytestmark = pytest.mark.system

GROWTH = 1.2
REFUSED = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED}


class Server:
    """A server with gRPC, and the memory and descriptors of its process."""

    def __init__(self, served, port: int) -> None:
        self.port = served.port
        self._pid = served.process.pid
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self._infer = self._channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")

    def send(self, hostile: Hostile) -> int | grpc.StatusCode:
        """Send a body and return its outcome."""
        if hostile.entrance == GRPC:
            try:
                self._infer(hostile.body, timeout=PATIENCE)
            except grpc.RpcError as error:
                return error.code()
            return grpc.StatusCode.OK
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request("POST", hostile.entrance, hostile.body, {"content-type": "application/json"})
            return connection.getresponse().status

    def healthy(self) -> bool:
        """Whether the server reports that it is alive."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200

    def resident(self) -> int:
        """Return the process's resident memory in bytes."""
        return int(Path(f"/proc/{self._pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def descriptors(self) -> int:
        """Return how many files and connections the process has open."""
        return len(os.listdir(f"/proc/{self._pid}/fd"))  # noqa: PTH208  names are enough


@pytest.fixture(scope="module")
def server(start, command, bundle, tmp_path_factory):
    """Start a server that has answered a small version of each body and one valid request of several megabytes."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = tmp_path_factory.mktemp("hostile") / "settings.yaml"
    settings.write_text(f"grpc: {{enabled: true, port: {port}}}")
    served = start(command, bundle, "--config", settings)
    served.wait_for("/v2/health/ready")
    made = Server(served, port)
    for one in corpus(2000):
        made.send(one)
    large = next(one for one in corpus(4_000_000, {"sound rows, an unknown field"}) if one.entrance == RISK)
    assert made.send(large) == 200
    yield made
    assert served.process.poll() is None
    assert "Traceback" not in served.log.read_text()


@pytest.fixture(autouse=True)
def given_back(server):
    """Check that memory and descriptors are back within 20% some seconds after a test."""
    memory, files = server.resident(), server.descriptors()
    yield
    deadline = time.monotonic() + PATIENCE
    while server.resident() > GROWTH * memory or server.descriptors() > GROWTH * files:
        assert time.monotonic() < deadline, (memory, server.resident(), files, server.descriptors())
        time.sleep(0.2)


def test_every_body_gets_an_answer(server) -> None:
    """Every endpoint answers or refuses bodies of the greatest size as the API documents."""
    for one in corpus():
        outcome = server.send(one)
        expected = {grpc.StatusCode.OK, *REFUSED} if one.entrance == GRPC else {200, 400, 413, 422}
        assert outcome in expected, (one.name, one.entrance, outcome)


def test_a_repeated_body_takes_no_more_memory(server) -> None:
    """The memory of a refused body is free before the next body arrives."""
    for one in corpus(only={"sound rows, the last one bad"}):
        for _ in range(10):
            server.send(one)


def test_health_is_answered_during_hostile_bodies(server) -> None:
    """While several connections send hostile bodies, health is answered within a probe's timeout."""
    bodies = list(corpus(only={"empty rows", "unknown features", "bad columns"}))
    threads = [threading.Thread(target=server.send, args=(one,)) for one in bodies]
    for thread in threads:
        thread.start()
    waits = []
    while any(thread.is_alive() for thread in threads):
        began = time.monotonic()
        assert server.healthy()
        waits.append(time.monotonic() - began)
    for thread in threads:
        thread.join()
    assert max(waits) < 60  # below 0.1 s on an idle machine


def test_floods_of_trailers_take_no_memory(server) -> None:
    """Ten connections without a token that send sixty megabytes of trailers each are closed."""
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    trailers = b"X-Trailer: aaaaaaaaaaaaaaaa\r\n" * 2000

    def flood() -> None:
        with socket.create_connection(("127.0.0.1", server.port)) as connection, contextlib.suppress(ConnectionError):
            connection.sendall(head % RISK.encode() + b"2\r\n{}\r\n0\r\n")
            for _ in range(60_000_000 // len(trailers)):
                connection.sendall(trailers)

    threads = [threading.Thread(target=flood) for _ in range(10)]
    for thread in threads:
        thread.start()
    most = server.resident()
    while any(thread.is_alive() for thread in threads):
        most = max(most, server.resident())
        time.sleep(0.01)
    for thread in threads:
        thread.join()
    assert server.healthy()
    assert most < 700e6
