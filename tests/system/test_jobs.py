"""Jobs and idempotency keys of servers that share a store, replace each other, die and start again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import duckdb
import httpx2
import pytest

from customer_risk.serving.bulk.jobs.repository import JobRepository
from customer_risk.serving.bulk.jobs.types import Job
from customer_risk.serving.contract.identifiers import uuid7
from customer_risk.serving.store.file import FileStore
from tests.system.asking import PATIENCE, ask
from tests.system.conftest import Served
from tests.system.packages import ensure

pytestmark = pytest.mark.system

JOBS, NDJSON = "/ai/v1/risk/jobs", {"content-type": "application/x-ndjson"}
PARQUET, CSV = "application/vnd.apache.parquet", "text/csv"
KEPT = 8  # seconds
FINAL = {"done", "failed", "cancelled"}


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    """A Redis process and its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", tmp_path_factory.mktemp("redis")]
    process = subprocess.Popen([ensure("redis-server"), *arguments], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield process, f"redis://127.0.0.1:{port}/0"
    process.kill()
    process.wait()


class Turns:
    """One address of several servers: connections go to them in turn."""

    def __init__(self, ports: list[int]) -> None:
        self._next = cycle(ports)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed at the end
            while True:
                here, _ = self._listener.accept()
                threading.Thread(target=self._join, args=(here, next(self._next)), daemon=True).start()

    def _join(self, here: socket.socket, port: int) -> None:
        with here, socket.create_connection(("127.0.0.1", port)) as there:
            back = threading.Thread(target=self._pass_on, args=(there, here))
            back.start()
            self._pass_on(here, there)
            back.join()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def ask(self, method: str, path: str, **options) -> httpx2.Response:
        """Send a request on a separate connection."""
        return ask(method, self.url + path, **options)

    def close(self) -> None:
        """Accept no more connections."""
        self._listener.close()


def serve(start, command, bundle, folder: Path, **settings):
    """Start a server with these settings."""
    folder.mkdir(exist_ok=True)
    (folder / "serving.yaml").write_text(json.dumps({"run_folder": str(folder / "run")} | settings))
    return start(command, bundle, "--config", str(folder / "serving.yaml"))


@pytest.fixture(scope="module")
def pods(start, command, bundle, redis, tmp_path_factory):
    """Two servers that share a Redis, behind one address."""
    folder = tmp_path_factory.mktemp("pods")
    shared = {"store": {"kind": "redis", "url": redis[1], "timeout_seconds": 5}, "jobs": {"lease_seconds": 2}}
    servers = [serve(start, command, bundle, folder / name, **shared) for name in "ab"]
    for server in servers:
        server.wait_for("/v2/health/ready")
    turns = Turns([server.port for server in servers])
    yield turns, servers
    turns.close()


def lines(request: dict, rows: int) -> bytes:
    """Return a number of customers."""
    return b"".join(json.dumps(request | {"customer_id": f"c-{i}"}).encode() + b"\n" for i in range(rows))


def until(send, job_id: str, states: set[str]) -> dict:
    """Poll until a job is in one of the states. It can take long: workers have the lowest CPU priority."""
    deadline = time.monotonic() + 3 * PATIENCE
    while True:
        shown = send("GET", f"{JOBS}/{job_id}").json()
        if shown["state"] in states:
            return shown
        assert time.monotonic() < deadline, shown
        time.sleep(0.02)


def workers_of(server) -> list[int]:
    """The processes that work on jobs for a server."""
    found = []
    for each in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            pid = int(each.name)
            parent = int((each / "stat").read_text().rpartition(")")[2].split()[1])
            if b"customer_risk.serving.bulk.jobs" in (each / "cmdline").read_bytes() and parent == server.process.pid:
                found.append(pid)
    return found


def used(pid: int) -> tuple[int, int]:
    """Return a process's memory in kilobytes, and its number of open files."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]), len(list(Path(f"/proc/{pid}/fd").iterdir()))


@dataclass
class Heavy:
    """A server with its own job store, for tests that need much memory or time."""

    server: Served
    store: Path
    repository: JobRepository

    @property
    def size(self) -> int:
        """Return the size of the store's files in bytes."""
        return sum(path.stat().st_size for path in self.store.parent.glob(f"{self.store.name}*"))

    def send(self, method: str, path: str, **options) -> httpx2.Response:
        """Send one request."""
        return ask(method, f"http://127.0.0.1:{self.server.port}{path}", **options)

    def submit(self, content: bytes, kind: str) -> str:
        """Submit a file."""
        answer = self.send("POST", JOBS, content=content, headers={"content-type": kind})
        assert answer.status_code == 202, answer.text
        return answer.json()["job_id"]

    def put_up(self, caller: str, content: bytes) -> Callable[[], Job]:
        """Submit another client's job, as another pod with the same store does, and return how to look it up."""
        now = self.repository.clock()
        job = Job(
            job_id=uuid7(int(now * 1000)),
            caller=caller,
            explain=False,
            format="ndjson",
            pieces=1,
            rows=None,
            created=now,
            expires=now + 3600,
        )
        self.repository.put_input(job.job_id, 0, content, seconds=3600)
        self.repository.add(job)
        return lambda: self.repository.get(job.job_id)

    def pids(self) -> list[int]:
        """Return the process ids of the server and its worker."""
        return [self.server.process.pid, *workers_of(self.server)]

    @contextlib.contextmanager
    def back(self):
        """Check that memory and open files are back within a fifth afterwards, and that no process has ended."""
        pids = self.pids()
        before = [used(pid) for pid in pids]
        yield
        deadline = time.monotonic() + 30
        while any(
            now > 1.2 * then
            for pid, both in zip(pids, before, strict=True)
            for now, then in zip(used(pid), both, strict=True)
        ):
            assert time.monotonic() < deadline, (before, [used(pid) for pid in pids])
            time.sleep(0.2)
        assert self.pids() == pids


@pytest.fixture(scope="module")
def heavy(start, command, bundle, tmp_path_factory) -> Iterator[Heavy]:
    """Start a server that has read and written Parquet once, so that the libraries for it are loaded."""
    folder = tmp_path_factory.mktemp("heavy")
    store = folder / "store"
    settings = {"store": {"path": str(store)}, "jobs": {"lease_seconds": 2, "most_rows": 10_000_000}}
    shared = FileStore(str(store), timeout=PATIENCE)
    made = Heavy(serve(start, command, bundle, folder / "a", **settings), store, JobRepository(shared))
    made.server.wait_for("/v2/health/ready")
    for kind, content in (
        (PARQUET, parquet("SELECT 'c' AS customer_id, 1 AS age_years FROM range(2000)", folder)),
        (CSV, b"customer_id,age_years\nc,1\n"),
    ):
        job_id = made.submit(content, kind)
        assert until(made.send, job_id, FINAL)["state"] == "done"
        assert made.send("GET", f"{JOBS}/{job_id}/results?format=parquet").status_code == 200
    yield made
    shared.close()


def parquet(query: str, folder: Path) -> bytes:
    """Return the result of a query as one row group of Parquet."""
    path = folder / "made.parquet"
    with duckdb.connect() as base:
        base.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 10000000)")
    return path.read_bytes()


BOMB = "SELECT 'c-1' AS customer_id, 1.0 AS age_years, 2.0 AS in_sum FROM range(4000000)"


def whole(send, job_id: str, rows: int) -> bool:
    """Whether every customer has one answer, in order."""
    content = send("GET", f"{JOBS}/{job_id}/results").text
    items = [json.loads(line) for line in content.splitlines()]
    decisions = {item["answer"]["decision_id"] for item in items}
    return [item["answer"]["customer_id"] for item in items] == [f"c-{i}" for i in range(rows)] and len(
        decisions
    ) == rows


def test_a_poll_may_go_to_the_other_server(pods, sound_request) -> None:
    """Both servers return a job's state and results, whichever works on it."""
    turns, _ = pods
    job_id = turns.ask("POST", JOBS, content=lines(sound_request, 50), headers=NDJSON).json()["job_id"]
    assert until(turns.ask, job_id, FINAL)["state"] == "done"
    assert all(whole(turns.ask, job_id, 50) for _ in range(2))


def test_a_retry_may_go_to_the_other_server(pods, sound_request) -> None:
    """A key returns the same decision at the other server; with another body it is a conflict."""
    turns, _ = pods
    key = {"idempotency-key": "k-1"}
    first, again = (turns.ask("POST", "/ai/v1/risk", json=sound_request, headers=key) for _ in range(2))
    other = turns.ask("POST", "/ai/v1/risk", json=sound_request | {"customer_id": "x"}, headers=key)
    assert (first.status_code, first.content, other.status_code) == (200, again.content, 409)


def test_a_retry_of_a_batch_may_go_to_the_other_server(pods, sound_request) -> None:
    """The key of a batch returns the same decisions at the other server."""
    turns, _ = pods
    body = {"requests": [sound_request, {"customer_id": 3}]}
    first, again = (
        turns.ask("POST", "/ai/v1/risk:batch", json=body, headers={"idempotency-key": "k-2"}) for _ in range(2)
    )
    assert (first.status_code, first.content) == (200, again.content)
    assert [item["status"] for item in first.json()["items"]] == [200, 422]


def test_a_job_submitted_twice_is_one_job(pods, sound_request) -> None:
    """A job that is submitted again at the other server is the same job."""
    turns, _ = pods
    headers = NDJSON | {"idempotency-key": "k-3"}
    made = {
        turns.ask("POST", JOBS, content=lines(sound_request, 5), headers=headers).json()["job_id"] for _ in range(2)
    }
    assert len(made) == 1


def test_a_cancel_may_go_to_the_other_server(pods, sound_request) -> None:
    """A job that is cancelled at the other server stops and stays cancelled."""
    turns, _ = pods
    content = lines(sound_request, 20_000)
    job_id = turns.ask("POST", JOBS, content=content, headers=NDJSON).json()["job_id"]
    until(turns.ask, job_id, {"running"})
    turns.ask("GET", "/healthz")  # an odd number of requests, so that either server may be the one
    assert turns.ask("DELETE", f"{JOBS}/{job_id}").json()["state"] == "cancelled"
    time.sleep(0.5)
    shown = turns.ask("GET", f"{JOBS}/{job_id}").json()
    assert (shown["state"], shown["done"] < 20_000) == ("cancelled", True)


def test_a_killed_worker_is_followed_by_another(pods, sound_request) -> None:
    """After a worker is killed, every customer has one answer in the end."""
    turns, servers = pods
    content = lines(sound_request, 20_000)
    job_id = turns.ask("POST", JOBS, content=content, headers=NDJSON).json()["job_id"]
    until(turns.ask, job_id, {"running"})
    killed = [pid for server in servers for pid in workers_of(server)]
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    assert len(killed) == 2
    assert turns.ask("GET", f"{JOBS}/{job_id}").json()["state"] == "running"
    assert until(turns.ask, job_id, FINAL)["state"] == "done"
    assert whole(turns.ask, job_id, 20_000)


def test_only_requests_that_need_the_store_are_refused_without_it(pods, redis, sound_request) -> None:
    """Without the store, jobs and keys get a 503; decisions without a key continue."""
    turns, _ = pods
    redis[0].send_signal(signal.SIGSTOP)
    try:
        keyed = turns.ask("POST", "/ai/v1/risk", json=sound_request, headers={"idempotency-key": "k-4"})
        job = turns.ask("POST", JOBS, content=b"{}", headers=NDJSON)
        plain = turns.ask("POST", "/ai/v1/risk", json=sound_request)
    finally:
        redis[0].send_signal(signal.SIGCONT)
    assert [each.status_code for each in (keyed, job, plain)] == [503, 503, 200]
    assert {"retry-after"} <= set(keyed.headers) & set(job.headers)


def test_a_job_survives_the_death_of_its_server(start, command, bundle, tmp_path, sound_request) -> None:
    """A job continues after its server is killed and started again; no worker outlives its server."""
    settings = {"store": {"path": str(tmp_path / "store")}, "jobs": {"lease_seconds": 2}}
    server = serve(start, command, bundle, tmp_path / "a", **settings)
    server.wait_for("/v2/health/ready")

    def send(method: str, path: str, **options) -> httpx2.Response:
        return ask(method, f"http://127.0.0.1:{server.port}{path}", **options)

    job_id = send("POST", JOBS, content=lines(sound_request, 20_000), headers=NDJSON).json()["job_id"]
    until(send, job_id, {"running"})
    (worker,) = workers_of(server)
    server.process.kill()
    server.process.wait()
    deadline = time.monotonic() + PATIENCE
    while Path(f"/proc/{worker}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    server = serve(start, command, bundle, tmp_path / "a", **settings)
    server.wait_for("/v2/health/ready")
    assert until(send, job_id, FINAL)["state"] == "done"
    assert whole(send, job_id, 20_000)


def test_an_expired_job_is_unknown(start, command, bundle, tmp_path, sound_request) -> None:
    """An expired job is unknown; a server that is stopped ends its worker."""
    server = serve(start, command, bundle, tmp_path / "a", jobs={"keep_seconds": KEPT})
    server.wait_for("/v2/health/ready")
    url = f"http://127.0.0.1:{server.port}{JOBS}"
    job_id = ask("POST", url, content=lines(sound_request, 5), headers=NDJSON).json()["job_id"]
    deadline = time.monotonic() + PATIENCE
    while ask("GET", f"{url}/{job_id}").status_code == 200 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert [ask("GET", f"{url}/{job_id}{rest}").status_code for rest in ("", "/results")] == [404, 404]
    (worker,) = workers_of(server)
    server.process.terminate()
    assert server.process.wait(PATIENCE) == 0
    assert not Path(f"/proc/{worker}").exists()


def test_a_parquet_file_of_millions_of_rows_does_not_delay_other_clients(heavy, tmp_path, sound_request) -> None:
    """A tiny Parquet file of millions of rows neither fills the store nor blocks another client's job."""
    size = heavy.size
    with heavy.back():
        job_id = heavy.submit(parquet(BOMB, tmp_path), PARQUET)
        until(heavy.send, job_id, {"running"})
        other = heavy.put_up("other", lines(sound_request, 10))
        began = time.monotonic()
        while other().state != "done":
            assert time.monotonic() - began < PATIENCE
            time.sleep(0.02)
        shown = heavy.send("GET", f"{JOBS}/{job_id}").json()
        assert (shown["state"], shown["rows"]) == ("running", 4_000_000)
        while heavy.send("GET", f"{JOBS}/{job_id}").json()["done"] < 20_000:
            assert time.monotonic() - began < PATIENCE
            time.sleep(0.1)
        assert heavy.size < size + 30 * 2**20
        began = time.monotonic()
        assert heavy.send("DELETE", f"{JOBS}/{job_id}").json()["state"] == "cancelled"
        assert time.monotonic() - began < 60  # 0.2 s on an idle machine
        idle_again(heavy)
        assert time.monotonic() - began < PATIENCE
    shrunk(heavy, size)


def idle_again(heavy: Heavy) -> None:
    """Wait until another job is done: by then the worker has stopped work on the previous job."""
    job = heavy.put_up("another", b"{}")
    deadline = time.monotonic() + PATIENCE
    while job().state != "done":
        assert time.monotonic() < deadline
        time.sleep(0.02)


def shrunk(heavy: Heavy, size: int) -> None:
    """Wait until the store is back to its earlier size, within a few megabytes."""
    deadline = time.monotonic() + PATIENCE
    while heavy.size > size + 8 * 2**20:
        assert time.monotonic() < deadline, heavy.size
        time.sleep(0.2)


@pytest.mark.parametrize("kind", ["csv", "ndjson"])
def test_a_large_file_that_is_cancelled_leaves_no_space_taken(heavy, sound_request, kind) -> None:
    """Cancelling a large file is answered at once, and the store's file shrinks again."""
    size = heavy.size
    rows = b"customer_id,age_years\n" + b"c,1\n" * 5_000_000
    content = rows if kind == "csv" else lines(sound_request, 40_000)
    with heavy.back():
        job_id = heavy.submit(content, "text/csv" if kind == "csv" else NDJSON["content-type"])
        until(heavy.send, job_id, {"running"})
        began = time.monotonic()
        assert heavy.send("DELETE", f"{JOBS}/{job_id}").json()["state"] == "cancelled"
        assert time.monotonic() - began < 60  # 0.2 s on an idle machine
        idle_again(heavy)
        shrunk(heavy, size)


def test_results_as_parquet_are_made_in_bounded_memory(heavy, tmp_path, sound_request) -> None:
    """Results as Parquet hold every row in order, and memory stays within the bound."""
    with heavy.back():
        job_id = heavy.submit(lines(sound_request, 20_000), NDJSON["content-type"])
        assert until(heavy.send, job_id, FINAL)["state"] == "done"
        for _ in range(3):
            content = heavy.send("GET", f"{JOBS}/{job_id}/results?format=parquet").content
    (tmp_path / "r.parquet").write_bytes(content)
    with duckdb.connect() as base:
        found = base.read_parquet(str(tmp_path / "r.parquet")).project("answer.customer_id").fetchall()
    assert found == [(f"c-{place}",) for place in range(20_000)]


def test_a_line_that_is_too_long_is_refused_at_once(heavy) -> None:
    """64 MB without a line end are refused without time that grows with the square of their size."""
    with heavy.back():
        began = time.monotonic()
        answer = heavy.send("POST", JOBS, content=b"x" * 64 * 2**20, headers=NDJSON)
        assert time.monotonic() - began < 60  # well below a second on an idle machine
    assert (answer.status_code, "Line 1 has more than 8,388,608 bytes" in answer.json()["detail"]) == (413, True)


def test_a_file_that_needs_too_much_memory_fails_its_job(heavy, tmp_path) -> None:
    """A file that needs too much memory fails its job, and a job of another client in the meantime is done."""
    query = "SELECT 'c' AS customer_id, repeat('x', 7000000) AS in_sum, repeat('y', 7000000) AS in_max FROM range(300)"
    job_id = heavy.submit(parquet(query, tmp_path), PARQUET)
    other = heavy.put_up("other", b'{"customer_id":"%s"}' % (b"c" * 5_000_000))
    assert "jobs.most_memory_bytes" in until(heavy.send, job_id, FINAL)["problem"]["detail"]
    idle_again(heavy)
    assert (other().state, other().done) == ("done", 1)


def test_a_job_during_which_the_worker_is_killed_twice_is_failed(heavy, sound_request) -> None:
    """A job during which the worker is killed twice fails with that reason, and the next job is done."""
    row = sound_request | {"transactions": sound_request["transactions"] * 200}
    job = heavy.put_up("a", b"\n".join([json.dumps(row).encode()] * 200))  # 46 MB, seconds of work
    killed = set()
    deadline = time.monotonic() + PATIENCE
    while job().state != "failed":
        assert time.monotonic() < deadline, job()
        if job().attempts > len(killed):  # a worker has begun
            for pid in set(workers_of(heavy.server)) - killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
        time.sleep(0.005)
    assert len(killed) == 2
    assert "The worker ended twice while working on this job" in job().problem.detail
    idle_again(heavy)
