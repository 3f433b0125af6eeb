"""Real processes for the tests of this folder."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx2
import pytest

from tests import sound_request as requests
from tests.chart.helm import Helm
from tests.failing_disk import disk
from tests.system.asking import ATTEMPTS, PATIENCE, ask, come_back
from tests.system.emulators import BigQuery
from tests.system.fake_gcs import FakeGcs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from httpx2 import Response

__all__ = ["disk"]  # a fixture

ROOT = Path(__file__).parent.parent.parent


@dataclass
class Served:
    """A `customer-risk serve` process."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def get(self, path: str) -> Response:
        """GET a path."""
        return ask("GET", f"http://127.0.0.1:{self.port}{path}")

    def post(self, path: str, document: object) -> Response:
        """POST a JSON document, and again while the server is overloaded."""
        return ask("POST", f"http://127.0.0.1:{self.port}{path}", json=document)

    def wait_for(self, path: str) -> None:
        """Wait until a path answers 200."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if self.get(path).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            time.sleep(0.05)
        pytest.fail(f"{path} never answered 200:\n{self.log.read_text()}")


@dataclass
class Load:
    """Load on a server during the context: callers post `document` on keep-alive connections, one after the other.

    `heeding` callers stop once readiness is false. `check` returns what is wrong with an answer. If an overloaded
    server refuses a request with Retry-After, the caller sends it again, and `again` counts that: the number depends
    on the machine. Every other refusal is a failure.
    """

    port: int
    document: object
    callers: int = 4
    heeding: bool = False
    check: Callable[[dict[str, Any]], str | None] = lambda _: None
    answered: int = 0
    again: int = 0
    failures: list[str] = field(default_factory=list)
    versions: set[str] = field(default_factory=set)

    def __enter__(self) -> Self:
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(self.callers)]
        if self.heeding:
            self._threads.append(threading.Thread(target=self._heed))
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, more: int) -> None:
        """Wait until a number of further requests were answered, or one failed."""
        wanted, deadline = self.answered + more, time.monotonic() + PATIENCE
        while self.answered < wanted and not self.failures:
            assert time.monotonic() < deadline, self.answered
            time.sleep(0.01)

    def join(self) -> None:
        """Wait until the callers stop."""
        for thread in self._threads:
            thread.join(PATIENCE)

    def _call(self) -> None:
        body = json.dumps(self.document)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        refusals = 0
        while not self._over.is_set():
            try:
                connection.request("POST", "/ai/v1/risk", body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                content = response.read()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
                continue
            wait = come_back(response.status, response.headers, content)
            refusals = refusals + 1 if wait else 0
            if wait and refusals < ATTEMPTS:
                self.again += 1
                self._over.wait(wait)
                continue
            if response.status != 200:
                self.failures.append(f"{response.status} {content!r}")
                continue
            answer = json.loads(content)
            self.versions.add(answer["model"]["version"])
            if wrong := self.check(answer):
                self.failures.append(wrong)
            self.answered += 1
        connection.close()

    def _heed(self) -> None:
        """Poll readiness as a load balancer does; once the server isn't ready, all callers stop."""
        while not self._over.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
            connection.request("GET", "/v2/health/ready")
            if connection.getresponse().status != 200:
                self._over.set()
            connection.close()
            time.sleep(0.1)


@pytest.fixture(scope="session")
def command() -> Path:
    """The `customer-risk` of the environment that runs the tests."""
    return Path(sys.executable).with_name("customer-risk")


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Served]]:
    """Start `COMMAND serve BUNDLE OPTIONS...` on a free port; processes that still run at the end are killed."""
    started = []

    def start_one(command: Path, bundle: Path, *options: str) -> Served:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        log = tmp_path_factory.mktemp("serve") / "log"
        with log.open("wb") as file:
            arguments = [command, "serve", bundle, "--port", str(port), *options]
            process = subprocess.Popen(arguments, stdout=file, stderr=file, cwd=log.parent)
        started.append(Served(process, port, log))
        return started[-1]

    yield start_one
    for each in started:
        each.process.kill()
        each.process.wait()


@pytest.fixture(scope="session")
def bigquery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BigQuery]:
    """One BigQuery for all tests, each of which has its own dataset; restarted after a test that ended it."""
    made = BigQuery(tmp_path_factory.mktemp("bigquery"))
    made.start()
    yield made
    made.kill()


@pytest.fixture(scope="session")
def gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeGcs]:
    """One Cloud Storage for all tests, each of which has its own bucket; restarted after a test that ended it."""
    made = FakeGcs(tmp_path_factory.mktemp("gcs"))
    made.start()
    yield made
    made.kill()


@pytest.fixture(scope="session")
def helm() -> Helm:
    """The helm command; it is built with Go if the machine has none."""
    return Helm()


@pytest.fixture(scope="session")
def sound_request() -> dict[str, object]:
    """A request that is answered without a warning."""
    request = requests.sound_request(range(10))
    request["profile"] |= dict.fromkeys(
        ["phone_number_country_code", "document_issuing_country", "locale", "date_of_birth"]
    )
    del request["profile"]["gender"]
    request["transactions"][4]["completed_at"] = "2024-08-24 10:34:00.1 UTC"
    return request


@pytest.fixture(scope="session")
def load() -> type[Load]:
    """Load on a server."""
    return Load
