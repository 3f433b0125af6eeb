"""A server without free descriptors refuses requests that need one with 503; only its user can read its files."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import resource
import socket
import time
from pathlib import Path

import pytest

from tests.system.asking import PATIENCE

pytestmark = pytest.mark.system

CSV = "customer_id,transactions\nc-1,3\n"
JSON = {"content-type": "application/json"}
CALLS = {
    "a switch": ("POST", "/ai/v1/admin/rules", {"force": False, "why": "a test"}, JSON),
    "a reload": ("POST", "/ai/v1/admin/reload", {"why": "a test"}, JSON),
    "an idempotency key": ("POST", "/ai/v1/risk", "REQUEST", {**JSON, "idempotency-key": "a"}),
    "a batch with a key": ("POST", "/ai/v1/risk:batch", "BATCH", {**JSON, "idempotency-key": "b"}),
    "a job": ("POST", "/ai/v1/risk/jobs", CSV, {"content-type": "text/csv"}),
    "a job of a file": ("POST", "/ai/v1/risk/jobs", "FILE", JSON),
    "a list of jobs": ("GET", "/ai/v1/risk/jobs", None, {}),
    "a decision": ("POST", "/ai/v1/risk", "REQUEST", JSON),
    "KServe's V1": ("POST", "/v1/models/customer-risk:predict", "V1", JSON),
    "metrics": ("GET", "/metrics", None, {}),
    "readiness": ("GET", "/v2/health/ready", None, {}),
}


class Server:
    """A server, with one connection for each call, opened while descriptors were free."""

    def __init__(self, served, bodies, folder: Path) -> None:
        self.served, self.folder = served, folder
        self._bodies = bodies
        self._pid = served.process.pid
        self._limits = resource.prlimit(self._pid, resource.RLIMIT_NOFILE)
        self._idle: list[socket.socket] = []
        self._connections = {name: self.connect() for name in CALLS}

    def call(self, name: str) -> http.client.HTTPResponse:
        """Send a call on its connection; return the response."""
        method, path, body, headers = CALLS[name]
        body = self._bodies.get(body, body) if isinstance(body, str) else body
        connection = self._connections[name]
        connection.request(method, path, body if isinstance(body, str) else body and json.dumps(body), headers)
        response = connection.getresponse()
        response.read()
        return response

    @contextlib.contextmanager
    def without_descriptors(self):
        """Leave the server's process without a free descriptor during the context."""
        taken = {int(name) for name in os.listdir(f"/proc/{self._pid}/fd")}  # noqa: PTH208  names are enough
        resource.prlimit(self._pid, resource.RLIMIT_NOFILE, (max(taken) + 1, self._limits[1]))
        lines = self.served.log.read_text().count("connections have to wait")
        deadline = time.monotonic() + PATIENCE
        try:
            while self.served.log.read_text().count("connections have to wait") < lines + 3:
                assert time.monotonic() < deadline
                self._idle.append(socket.create_connection(("127.0.0.1", self.served.port)))
                time.sleep(0.02)
            yield
        finally:
            resource.prlimit(self._pid, resource.RLIMIT_NOFILE, self._limits)
            while self._idle:
                self._idle.pop().close()

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections.values():
            connection.close()

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection on which one request was answered."""
        connection = http.client.HTTPConnection("127.0.0.1", self.served.port, timeout=PATIENCE)
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        return connection

    def done_job(self) -> str:
        """Return the path of a job that is done."""
        deadline = time.monotonic() + PATIENCE
        with contextlib.closing(self.connect()) as connection:
            connection.request("POST", "/ai/v1/risk/jobs", CSV, {"content-type": "text/csv"})
            job = json.loads(connection.getresponse().read())
            while job["state"] != "done":
                assert time.monotonic() < deadline, job
                time.sleep(0.1)
                connection.request("GET", f"/ai/v1/risk/jobs/{job['job_id']}")
                job = json.loads(connection.getresponse().read())
        return f"/ai/v1/risk/jobs/{job['job_id']}"


@pytest.fixture(scope="module")
def server(start, command, bundle, sound_request, tmp_path_factory):
    """A server that records, with jobs, whose settings put all its files into one folder."""
    folder = tmp_path_factory.mktemp("descriptors")
    (folder / "jobs").mkdir()
    (folder / "jobs" / "a.csv").write_text(CSV)
    settings = folder / "settings.yaml"
    settings.write_text(
        json.dumps(
            {
                "run_folder": str(folder / "run"),
                "record": {"enabled": True, "folder": str(folder / "outbox")},
                "server": {"keep_alive_seconds": 3600},
                "jobs": {"folders": [str(folder / "jobs")]},
            }
        )
    )
    served = start(command, bundle, "--config", settings)
    served.wait_for("/v2/health/ready")
    bodies = {
        "REQUEST": sound_request,
        "BATCH": {"requests": [sound_request]},
        "V1": {"instances": [sound_request]},
        "FILE": {"path": str(folder / "jobs" / "a.csv")},
    }
    made = Server(served, bodies, folder)
    yield made
    made.close()


def test_calls_that_need_a_descriptor_are_refused_with_503(server) -> None:
    """Without free descriptors, each call is answered or gets 503 with Retry-After, and later all are answered."""
    with server.without_descriptors():
        answers = {name: server.call(name) for name in CALLS}
        retries = {name: answer.headers["retry-after"] for name, answer in answers.items() if answer.status == 503}
        statuses = {name: answer.status for name, answer in answers.items()}
    assert set(statuses.values()) <= {200, 202, 503}, statuses
    assert statuses["a switch"] == 503  # the store has been open since the start
    assert None not in retries.values()
    deadline = time.monotonic() + PATIENCE
    for name in CALLS:
        while (status := server.call(name).status) not in {200, 202}:
            assert status in {429, 503}, name
            assert time.monotonic() < deadline, name
            time.sleep(0.2)
    assert " 500 " not in server.served.log.read_text()


def test_results_that_need_a_file_are_refused_with_503(server) -> None:
    """Results as Parquet, which need a file, get 503 while no file can be opened."""
    path = f"{server.done_job()}/results?format=parquet"
    with contextlib.closing(server.connect()) as connection:
        with server.without_descriptors():
            connection.request("GET", path)
            refused = connection.getresponse()
            refused.read()
        assert refused.status == 503
        assert refused.headers["retry-after"]
        connection.request("GET", path)
        answered = connection.getresponse()
        assert answered.status == 200, answered.read()
        answered.read()


def test_only_its_user_can_read_what_the_service_writes(server) -> None:
    """No other user has rights on the outbox, store, job results, metrics, locks and switches."""
    assert server.call("a switch").status == 200
    server.done_job()
    written = [path for name in ("run", "outbox") for path in (server.folder / name).rglob("*") if not path.is_socket()]
    names = {path.name for path in written}
    assert {"switches.json", "switches.lock", "customer-risk.store", "metrics", "jobs.lock"} <= names
    assert [path for path in written if path.stat().st_mode & 0o077] == []
