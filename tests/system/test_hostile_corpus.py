"""More than ten thousand hostile inputs over HTTP, gRPC and files: each is answered, or refused in a declared way."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any, Final

import grpc
import httpx2
import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

from benchmarks.serving.hostile import GRPC, RISK, corpus, wrapped
from customer_risk.model.scoring.bundle import load_bundle
from customer_risk.serving.contract.problem import KINDS, Problem
from tests.fuzz import near_valid, raw_grpc, raw_http
from tests.fuzz.files import PLACES, SECRET, changed
from tests.fuzz.loading import READERS
from tests.system.asking import PATIENCE, Heeding
from tests.system.issuer import Issuer

pytestmark = pytest.mark.system

ROOT = Path(__file__).parent.parent.parent
LEAST_INPUTS: Final = 10_000
GROWTH: Final = 1.2
HTTP_INPUTS, GRPC_CALLS, GRPC_CONNECTIONS, FILES, UPLOADS = 6_000, 4_000, 1_000, 150, 45
AT_A_TIME: Final = 16  # connections
SECONDS: Final = 120  # for an answer, on slow machines too
JOBS: Final = "/ai/v1/risk/jobs"
DECLARED: Final = {f"urn:problem-type:customer-risk:{kind.name}": kind.status.value for kind in KINDS.values()}
FAILED: Final = re.compile(rb"HTTP/1\.1 (5\d\d) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n")
CODES: Final = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}


class Server:
    """A server with tokens, gRPC and short times for heads and bodies; `inputs` counts the sent inputs by kind."""

    def __init__(self, served: Any, grpc_port: int, token: str, jobs: Path) -> None:
        self.port, self.grpc_port, self.token, self.jobs = served.port, grpc_port, token, jobs
        self.inputs: Counter[str] = Counter()
        self._pid = served.process.pid

    def exchange(self, sent: raw_http.Sent) -> bytes:
        """Send bytes on a connection of its own; return what is received until the server ends it."""
        received = b""
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS) as connection,
            contextlib.suppress(ConnectionError),
        ):
            connection.sendall(sent.data)
            if sent.end == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if sent.end in {"reset", "close"}:
                return received
            if sent.end == "half-close":
                with contextlib.suppress(OSError):  # the server has reset the connection
                    connection.shutdown(socket.SHUT_WR)
            while more := connection.recv(1 << 18):
                received += more
        return received

    def send_http2(self, data: bytes) -> None:
        """Send bytes to the gRPC port, and read until the server ends the connection."""
        with (
            socket.create_connection(("127.0.0.1", self.grpc_port), timeout=SECONDS) as connection,
            contextlib.suppress(ConnectionError),
        ):
            connection.sendall(data)
            with contextlib.suppress(OSError):  # the server has reset the connection
                connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 18):
                pass

    def client(self) -> httpx2.Client:
        """Return a client with the token, which repeats requests that are refused for overload."""
        headers = {"authorization": f"Bearer {self.token}"}
        return httpx2.Client(
            base_url=f"http://127.0.0.1:{self.port}", timeout=SECONDS, headers=headers, transport=Heeding()
        )

    def resident(self) -> int:
        """Return the process's resident memory in bytes."""
        return int(Path(f"/proc/{self._pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def descriptors(self) -> int:
        """Return how many files and connections the process has open."""
        return len(os.listdir(f"/proc/{self._pid}/fd"))  # noqa: PTH208  names are enough


@pytest.fixture(scope="module")
def features(bundle) -> tuple[str, ...]:
    """The names of the model's features."""
    return load_bundle(bundle, verify_golden=False).manifest.features


@pytest.fixture(scope="module")
def bodies(features) -> list[bytes]:
    """Nearly valid requests, and small ones that are expensive to read."""
    made = [one.body for one in corpus(2000) if one.entrance == RISK]

    @settings(
        max_examples=400,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(body=near_valid.bodies(features))
    def keep(body: bytes) -> None:
        made.append(body)

    keep()
    return made


@pytest.fixture(scope="module")
def messages(features, bodies) -> list[bytes]:
    """Nearly valid messages for `ModelInfer`: requests as text, tensors, and those that are expensive to read."""
    call = pb.ModelInferRequest(model_name="customer-risk", id="x")
    call.inputs.add(name="customer_id", datatype="BYTES", shape=[1]).contents.bytes_contents.append(b"c")
    values = [0.5] * len(features)
    call.inputs.add(name="features", datatype="FP64", shape=[1, len(values)]).contents.fp64_contents.extend(values)
    raw = pb.ModelInferRequest(model_name="customer-risk")
    raw.inputs.add(name="customer_id", datatype="BYTES", shape=[1])
    raw.inputs.add(name="features", datatype="FP64", shape=[1, len(values)])
    raw.raw_input_contents.extend([b"\x01\x00\x00\x00c", struct.pack(f"<{len(values)}d", *values)])
    known = [each.SerializeToString() for each in (call, raw)]
    return [*known * 20, *(one.body for one in corpus(2000) if one.entrance == GRPC)] + [
        wrapped(body, GRPC) for body in bodies[-200:]
    ]


@pytest.fixture(scope="module")
def server(start, command, bundle, bodies, messages, tmp_path_factory):
    """A server that has received some inputs of each kind; at the end it still runs, and its log has no traceback."""
    folder = tmp_path_factory.mktemp("corpus")
    issuer = Issuer()
    (folder / "jwks.json").write_text(issuer.jwks)
    (folder / "jobs").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        grpc_port = free.getsockname()[1]
    given = {
        "server": {"header_seconds": 1, "body_seconds": 1, "keep_alive_seconds": 2},
        "grpc": {"enabled": True, "port": grpc_port},
        "auth": issuer.settings(str(folder / "jwks.json")),
        "jobs": {"folders": [str(folder / "jobs")], "most_bytes": 16 << 20},
    }
    (folder / "serving.yaml").write_text(json.dumps(given))  # JSON is YAML too
    served = start(command, bundle, "--config", folder / "serving.yaml")
    served.wait_for("/v2/health/ready")
    made = Server(served, grpc_port, issuer.token("hostile", "score", "batch", "admin"), folder / "jobs")
    with made.client() as client:  # opens the store's files
        assert client.post(JOBS, content=b"{}", headers={"content-type": "application/x-ndjson"}).status_code == 202
    _send_http(made, raw_http.Maker(1, made.token, bodies).make(300))
    _call(made, raw_grpc.calls(1, 300, messages))
    made.inputs.clear()
    yield made
    assert served.process.poll() is None
    assert b"Traceback" not in served.log.read_bytes()


@pytest.fixture
def given_back(server):
    """Check that memory returns to within 20%, and the number of descriptors to its old value, after a test."""
    memory, files = server.resident(), server.descriptors()
    yield
    deadline = time.monotonic() + PATIENCE
    while server.resident() > GROWTH * memory or server.descriptors() > files:
        assert time.monotonic() < deadline, (memory, server.resident(), files, server.descriptors())
        time.sleep(0.2)


def undeclared(received: bytes) -> str:
    """Return the first response with an undeclared 5xx, "" if there is none.

    A 5xx is declared if its problem document is of a kind that has this status, and a 503 has Retry-After.
    """
    for found in FAILED.finditer(received):
        head = found[2].decode("latin-1").lower()
        length = re.search(r"^content-length: (\d+)", head, re.MULTILINE)
        body = received[found.end() : found.end() + int(length[1])] if length else b""
        if b"HTTP/1.1" in body[:8] or (length and len(body) < int(length[1])):
            continue  # the response to HEAD, or one that was cut off
        try:
            problem = msgspec.json.decode(body, type=Problem)
        except msgspec.DecodeError:
            return f"{found[0]!r} {body[:300]!r}"
        sound = DECLARED.get(problem.type) == problem.status == int(found[1])
        if not sound or (problem.status == 503 and not re.search(r"^retry-after: \d+", head, re.MULTILINE)):
            return f"{found[0]!r} {body[:300]!r}"
    return ""


def _send_http(server: Server, inputs: Iterable[raw_http.Sent]) -> tuple[list[str], Counter[str]]:
    """Send each input; return the undeclared results, and how often each status was received."""
    statuses: Counter[str] = Counter()

    def send(sent: raw_http.Sent) -> str:
        try:
            received = server.exchange(sent)
        except TimeoutError:
            return f"{sent.name}: no end within {SECONDS} s: {sent.data[:500]!r}"
        statuses.update(each.decode() for each in re.findall(rb"HTTP/1\.1 (\d{3}) ", received))
        wrong = undeclared(received)
        return f"{sent.name}: {sent.data[:1000]!r}: {wrong}" if wrong else ""

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        wrong = [each for each in pool.map(send, _counted(server, "HTTP", inputs)) if each]
    return wrong, statuses


def _call(server: Server, calls: Iterable[raw_grpc.Call]) -> tuple[list[str], Counter[str]]:
    """Make each call; return the undeclared results, and how often each code was received."""
    codes: Counter[str] = Counter()
    channel = grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}")

    def make(call: raw_grpc.Call) -> str:
        metadata = list(call.metadata)
        if call.authorized and not any(name == "authorization" for name, _ in metadata):
            metadata.append(("authorization", f"Bearer {server.token}"))
        method = channel.unary_unary(call.method)
        try:
            method(call.message, metadata=metadata, timeout=SECONDS, compression=call.compression)
        except grpc.RpcError as error:
            codes[error.code().name] += 1
            return "" if _is_declared(error) else f"{call.method} {call.message[:500]!r}: {error}"
        codes["OK"] += 1
        return ""

    with channel, ThreadPoolExecutor(AT_A_TIME) as pool:
        wrong = [each for each in pool.map(make, _counted(server, "gRPC", calls)) if each]
    return wrong, codes


def _is_declared(error: Any) -> bool:
    if error.code() == grpc.StatusCode.UNAVAILABLE:
        names = {name for name, _ in error.trailing_metadata() or ()}
        return "retry-after" in names and msgspec.json.decode(error.details(), type=Problem).type in DECLARED
    return error.code() in CODES


def _send_http2(server: Server, inputs: Iterable[bytes]) -> None:
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for _ in pool.map(server.send_http2, _counted(server, "HTTP/2", inputs)):
            pass


def _counted(server: Server, kind: str, inputs: Iterable[Any]) -> Iterable[Any]:
    for each in inputs:
        server.inputs[kind] += 1
        yield each


@pytest.mark.usefixtures("given_back")
def test_odd_connections_over_http(server, bodies) -> None:
    """Odd targets, heads, framing and sequences on thousands of connections cause no undeclared 5xx and no hang."""
    wrong, statuses = _send_http(server, raw_http.Maker(7, server.token, bodies).make(HTTP_INPUTS))
    print(dict(statuses))  # noqa: T201  `pytest -rP` shows it
    assert not wrong, f"{len(wrong)} of {HTTP_INPUTS}:\n" + "\n".join(wrong[:20])
    assert {"200", "400", "401", "404", "405", "422", "431"} <= statuses.keys()


@pytest.mark.usefixtures("given_back")
def test_odd_calls_over_grpc(server, messages) -> None:
    """Random protobuf, changed messages, odd methods and odd metadata get a declared code."""
    wrong, codes = _call(server, raw_grpc.calls(7, GRPC_CALLS, messages))
    print(dict(codes))  # noqa: T201  `pytest -rP` shows it
    assert not wrong, f"{len(wrong)} of {GRPC_CALLS}:\n" + "\n".join(wrong[:20])
    assert {"OK", "INVALID_ARGUMENT", "UNAUTHENTICATED", "UNIMPLEMENTED", "NOT_FOUND"} <= codes.keys()


@pytest.mark.usefixtures("given_back")
def test_odd_files_for_jobs(server, bodies, tmp_path) -> None:
    """Each uploaded file is refused, or becomes a job that ends."""
    import duckdb

    duckdb.sql("SELECT 'c' || i AS customer_id, i * 0.5 AS in_sum FROM range(50) t(i)").write_parquet(
        str(tmp_path / "p")
    )
    lines = b"\n".join(body.replace(b"\n", b" ") for body in bodies[-20:])
    valid = {
        "application/x-ndjson": lines,
        "text/csv": b"customer_id,in_sum\n" + b"c,1.5\n" * 20,
        "application/vnd.apache.parquet": (tmp_path / "p").read_bytes(),
    }
    chance, places = Random(7), []  # noqa: S311  not for secrets
    with server.client() as client:
        for number in range(UPLOADS):
            media_type = list(valid)[number % 3]
            content = changed(chance, valid[media_type])
            server.inputs["uploads"] += 1
            response = client.post(JOBS, content=content, headers={"content-type": media_type})
            assert response.status_code in {202, 400, 413, 422}, (content, response.text)
            if response.status_code == 202:
                places.append(response.headers["location"])
        assert places
        deadline = time.monotonic() + PATIENCE
        for place in places:
            while client.get(place).json()["state"] not in {"done", "failed"}:
                assert time.monotonic() < deadline, client.get(place).text
                time.sleep(0.05)
            assert client.get(f"{place}/results").status_code in {200, 409}


@pytest.mark.usefixtures("given_back")
def test_odd_places_for_jobs(server, tmp_path) -> None:
    """A job is refused for a path that isn't a regular file in its folders."""
    secret = tmp_path / "secret.csv"
    secret.write_bytes(b"customer_id,in_sum\n" + SECRET + b",1\n")
    names = [str(secret), f"{server.jobs}/../secret.csv", "/dev/zero", "/proc/self/environ", "", "\0", "x" * 5000]
    for number, make in enumerate(PLACES.values()):
        make(server.jobs / f"{number}.csv", secret)
        names.append(f"{server.jobs}/{number}.csv")
    with server.client() as client:
        for name in names:
            server.inputs["places"] += 1
            response = client.post(JOBS, json={"path": name})
            assert response.status_code in {413, 422}, (name, response.text)
            assert SECRET.decode() not in response.text


@pytest.mark.usefixtures("given_back")
def test_odd_connections_to_grpc(server, messages) -> None:
    """Garbage and odd HTTP/2 frames end with their connections, and calls are answered afterwards."""
    _send_http2(server, raw_grpc.connections(7, GRPC_CONNECTIONS, server.token, messages))
    _require_answer(server, messages)


@pytest.mark.parametrize("name", [b":path", b":authority", b"authorization", b"grpc-timeout", b"x"])
def test_calls_are_answered_after_a_call_whose_head_is_not_text(server, messages, name) -> None:
    """After a call without a valid token and with a header that isn't UTF-8, other calls are answered."""
    head = raw_grpc.headers_of(raw_grpc.INFER, "none") | {name: b"/\x80\xff"}
    server.send_http2(raw_grpc.PREFACE + raw_grpc.frame(4, 0, 0, b"") + raw_grpc.headers(1, head))
    _require_answer(server, messages)


def _require_answer(server: Server, messages: list[bytes]) -> None:
    """Require that a valid call is answered.

    It is sent again while it is refused for overload, and while gRPC ends it because too many calls are under way.
    """
    sound = raw_grpc.Call(raw_grpc.INFER, messages[0], [], authorized=True, compression=grpc.Compression.NoCompression)
    deadline = time.monotonic() + PATIENCE
    ended = _call(server, [sound])
    while ended[1].keys() & {"UNAVAILABLE", "CANCELLED"} and time.monotonic() < deadline:
        time.sleep(1)
        ended = _call(server, [sound])
    assert ended == ([], {"OK": 1})


@pytest.fixture(scope="module")
def readings(bundle, tmp_path_factory):
    """The future of each reader's run, by the reader's name; two of them run at once."""
    pool = ThreadPoolExecutor(2)
    yield {name: pool.submit(_read_odd_files, name, bundle, tmp_path_factory.mktemp(name)) for name in READERS}
    pool.shutdown(cancel_futures=True)


def _read_odd_files(name: str, bundle: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz.loading", name, bundle, folder, str(FILES)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )


@pytest.mark.parametrize("name", READERS)
def test_odd_files_are_read_or_refused(server, readings: dict[str, Future], name) -> None:
    """Changed files, FIFOs, folders, links and endless files are read, or refused by a declared error."""
    done = readings[name].result()
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    summary = json.loads(done.stdout.splitlines()[-1])
    server.inputs["files"] += sum(summary["outcomes"].values())
    assert not summary["faults"], f"{len(summary['faults'])} faults:\n" + "\n".join(summary["faults"][:20])


COMMANDS: Final = {
    "serve, its settings": ("fifo", "serve", "BUNDLE", "--config", "ODD"),
    "ship": ("fifo", "ship", "--config", "ODD"),
    "batch": ("fifo", "batch", "--config", "ODD", "--bundle", "BUNDLE"),
    "check, its mapping": ("fifo", "check", "TABLES", "--mapping", "ODD"),
    "train, its configuration": ("fifo", "train", "TABLES", "--out", "OUT", "--config", "ODD"),
    "golden, its token": ("fifo", "golden", "http://127.0.0.1:9", "--bundle", "BUNDLE", "--token-file", "ODD"),
    "golden, not UTF-8": ("latin", "golden", "http://127.0.0.1:9", "--bundle", "BUNDLE", "--token-file", "ODD"),
}


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_a_command_names_an_odd_file(server, command, bundle, synthetic, tmp_path, arguments) -> None:
    """A FIFO, or a file that isn't UTF-8, ends a command with code 2 and one error that names the file."""
    kind, *words = arguments
    odd = tmp_path / kind
    if kind == "fifo":
        os.mkfifo(odd)
    else:
        odd.write_bytes(b"a: \xe9\n")
    server.inputs["commands"] += 1
    places = {"BUNDLE": bundle, "TABLES": synthetic, "OUT": tmp_path / "out", "ODD": odd}
    started = [command, *(str(places.get(each, each)) for each in words)]
    done = subprocess.run(started, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr[-3000:]
    assert f"error: {odd}" in done.stderr


def test_ten_thousand_inputs_were_judged(server) -> None:
    """The tests of this module sent at least LEAST_INPUTS inputs."""
    print(dict(server.inputs), "inputs:", server.inputs.total())  # noqa: T201  `pytest -rP` shows it
    assert server.inputs.total() >= LEAST_INPUTS, server.inputs
