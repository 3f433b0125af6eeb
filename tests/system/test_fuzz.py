"""More than four thousand odd requests: each gets a documented response, never a 5xx."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from collections import Counter
from typing import Any

import httpx2
import msgspec
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from customer_risk.model.scoring.bundle import load_bundle
from customer_risk.serving.contract.kserve_problem import is_of_kserve
from customer_risk.serving.contract.problem import MEDIA_TYPE, Problem
from customer_risk.serving.decisions.service import Service
from customer_risk_client.answers import Answer, Item, Items
from tests.fuzz import near_valid
from tests.fuzz.judge import check_pointer, judge, read
from tests.system.asking import Heeding

pytestmark = pytest.mark.system

READY, RISK, JOBS = "/v2/health/ready", "/ai/v1/risk", "/ai/v1/risk/jobs"
PREDICT, INFER = "/v1/models/customer-risk:predict", "/v2/models/customer-risk/infer"
JSON = {"content-type": "application/json"}
LEAST_CASES = 4_000
SECONDS = 120  # at most for one answer, on slow machines too
CHECKED = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")
SLOW_TO_MAKE = re.compile(r":batch|:predict|/infer")  # operations whose bodies take schemathesis long to make up


def many(examples: int) -> settings:
    """Settings for a number of examples, the same in each run, without a deadline."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )


@pytest.fixture(scope="module")
def served(start, command, bundle):
    """A server with the default settings; at the end it still runs, with no fault in its log."""
    server = start(command, bundle)
    server.wait_for(READY)
    yield server
    assert server.process.poll() is None
    assert "Traceback" not in server.log.read_text()


@pytest.fixture(scope="module")
def hasty(start, command, bundle, tmp_path_factory):
    """A server that waits a second for a head or a body."""
    file = tmp_path_factory.mktemp("settings") / "settings.yaml"
    file.write_text("server: {header_seconds: 1, body_seconds: 1}")
    server = start(command, bundle, "--config", file)
    server.wait_for(READY)
    yield server
    assert server.process.poll() is None
    assert "Traceback" not in server.log.read_text()


@pytest.fixture(scope="module")
def service(bundle) -> Service:
    """The same bundle in this process."""
    made = Service("customer-risk")
    made.use(load_bundle(bundle, verify_golden=False))
    return made


@pytest.fixture(scope="module")
def cases() -> Counter[str]:
    """How many cases were judged, by test."""
    return Counter()


@pytest.fixture(scope="module")
def client(served):
    """A client of `served` that keeps its connection."""
    address = f"http://127.0.0.1:{served.port}"
    with httpx2.Client(base_url=address, timeout=SECONDS, transport=Heeding()) as made:
        yield made


def problem_in(response: httpx2.Response) -> Problem:
    """Return the document of a refusal, which must agree with its status."""
    form = "application/json" if is_of_kserve(response.request.url.path) else MEDIA_TYPE
    assert response.headers["content-type"] == form, response.text
    problem = msgspec.json.decode(response.content, type=Problem)
    assert problem.status == response.status_code
    assert problem.title
    assert problem.detail
    return problem


def test_each_body_is_answered_or_refused_where_it_is_wrong(service, cases) -> None:
    """In this process, rows, columns and features with odd values get answers of the declared types."""
    outcomes: Counter[str] = Counter()

    @many(1_500)
    @given(body=near_valid.bodies(service.names()))
    def answered(body: bytes) -> None:
        cases["bodies"] += 1
        outcomes[type(judge(service, body)).__name__] += 1

    answered()
    assert min(outcomes[kind] for kind in ("Answer", "InputError", "MalformedBody")) > 100, outcomes


def test_nearly_valid_requests_get_declared_responses(service, client, cases) -> None:
    """At all four paths, a request gets a decision or a problem document, never a 5xx."""

    @many(600)
    @given(body=near_valid.bodies(service.names()), way=st.sampled_from(["risk", "batch", "v1", "v2"]))
    def sent(body: bytes, way: str) -> None:
        cases["near"] += 1
        match way:
            case "risk":
                response = client.post(RISK, content=body, headers=JSON)
                check(response, Answer, body)
            case "batch":
                whole = b'{"requests":[' + body + b"," + body + b"]}"
                response = client.post(f"{RISK}:batch", content=whole, headers=JSON)
                check(response, Items, None)
            case "v1":
                whole = b'{"instances":[' + body + b"]}"
                response = client.post(PREDICT, content=whole, headers=JSON)
                check(response, dict[str, Any], whole)
            case _:
                text = body.decode(errors="replace")
                tensor = {"name": "request", "datatype": "BYTES", "shape": [1], "data": [text]}
                response = client.post(INFER, json={"inputs": [tensor]})
                check(response, dict[str, Any], None)

    def check(response: httpx2.Response, wanted: Any, whole: bytes | None) -> None:
        assert response.status_code in {200, 400, 413, 422}, response.text
        if response.status_code == 200:
            msgspec.json.decode(response.content, type=wanted)
        elif whole is not None:
            for error in problem_in(response).errors[:100]:
                check_pointer(error.pointer, read(whole)[0])
        else:
            problem_in(response)

    sent()


def test_nearly_valid_tensors_get_declared_responses(service, client, cases) -> None:
    """V2's features in JSON, with one of them in binary form, or with additional bytes, get declared responses."""
    kinds: Counter[tuple[bool, str]] = Counter()

    @many(800)
    @given(document=near_valid.tensors(service.names()), behind=st.binary(max_size=24), way=st.integers(0, 2))
    def sent(document: Any, behind: bytes, way: int) -> None:
        cases["tensors"] += 1
        inputs = document.get("inputs") if isinstance(document, dict) else None
        if way == 0 and isinstance(inputs, list) and inputs and isinstance(inputs[-1], dict):
            inputs[-1].pop("data", None)
            inputs[-1]["parameters"] = {"binary_data_size": len(behind)}
        body = near_valid.encode(document)
        length = {} if way == 2 else {"inference-header-content-length": str(len(body))}
        response = client.post(INFER, content=body if way == 2 else body + behind, headers=JSON | length)
        kinds[response.is_success, response.headers["content-type"]] += 1
        assert response.status_code in {200, 400, 413, 422}, response.text
        if response.status_code > 299:
            problem_in(response)
        else:
            written = int(response.headers.get("inference-header-content-length", len(response.content)))
            answer = json.loads(response.content[:written])
            assert all(
                isinstance(output["data" if "data" in output else "parameters"], (list, dict))
                for output in answer["outputs"]
            )

    sent()
    assert len(kinds) == 3, kinds  # answers in JSON and with bytes behind it, and problems


def test_odd_heads_get_declared_responses(client, cases, sound_request) -> None:
    """A request with any header fields is answered, or refused with a problem document."""
    body = json.dumps(sound_request).encode()
    values = st.binary(max_size=40).map(lambda raw: bytes(each for each in raw if each > 31 and each != 127).strip())
    telling = st.sampled_from([b"application/json; charset=utf-16", b"Bearer x", b"00-" + b"0" * 52, b"x" * 4000, b"0"])
    names = ["content-type", "authorization", "idempotency-key", "traceparent", "accept", "content-encoding"]
    names += ["inference-header-content-length", "x-forwarded-for", "cookie", "range", "if-none-match", "ce-id"]
    heads = st.dictionaries(st.sampled_from(names), values | telling, max_size=4)

    @many(600)
    @given(head=heads, path=st.sampled_from([RISK, f"{RISK}:batch", PREDICT, INFER, JOBS]))
    def sent(head: dict[str, bytes], path: str) -> None:
        cases["heads"] += 1
        response = client.post(path, content=body, headers=(JSON | head).items())
        assert response.status_code in {200, 202, 400, 401, 409, 415, 422}, response.text
        if response.status_code > 299:
            problem_in(response)

    sent()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_every_method_on_every_path_gets_a_declared_response(client, cases, method) -> None:
    """Known, unknown and hostile paths get declared responses."""
    paths = ["/", "/healthz", "/metrics", "/v2", READY, RISK, f"{RISK}:batch", JOBS, f"{JOBS}/x", f"{JOBS}/x/results"]
    paths += [PREDICT, INFER, "/v1/models/other:predict", "/v2/models/other/infer", "/v1/models/customer-risk:explain"]
    paths += [
        "/ai/v1/admin/state",
        "/ai/v1/admin/rules",
        "/ai/v1/openapi.json",
        "/ai/v1/docs",
        "/nowhere",
        "//",
        "/%00",
    ]
    paths += [
        f"{JOBS}/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        f"{JOBS}/%ff/results?format=%ff",
        f"{JOBS}/{'x' * 9000}",
        "/%ff",
    ]
    paths += ["/v2/models/%00/versions/%00/infer", "/v2/repository/models/customer-risk/unload"]
    for path in paths:
        cases["methods"] += 1
        response = client.request(method, path)
        assert response.status_code < 500 or response.status_code == 501, (path, response.text)
        if response.status_code > 399 and method != "HEAD":
            problem_in(response)


def test_every_response_is_declared_in_the_document(served, cases) -> None:
    """Schemathesis sends every operation what its schema allows and what it forbids; each answer is as declared."""
    load_all_checks()
    checks = CHECKS.get_by_names(list(CHECKED))
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{served.port}/ai/v1/openapi.json")
    operations = sorted((each.ok() for each in schema.get_all_operations()), key=lambda each: "/admin/" in each.label)
    assert len(operations) > 15
    with requests.Session() as session:
        for operation in operations:
            for mode in GenerationMode:

                @many(25 if SLOW_TO_MAKE.search(operation.label) else 60)
                @given(case=operation.as_strategy(generation_mode=mode))
                def sent(case: schemathesis.Case) -> None:
                    cases["schema"] += 1
                    case.validate_response(case.call(session=session, timeout=SECONDS), checks=checks)

                with contextlib.suppress(Unsatisfiable):  # an operation without parameters can't be called wrongly
                    sent()
    served.post("/ai/v1/admin/rules", {"force": False, "why": "the fuzzing is over"})


def test_a_job_of_odd_lines_ends(service, client, cases) -> None:
    """Each line of a job has its outcome, in order."""
    lines: list[bytes] = []

    @many(200)
    @given(body=near_valid.bodies(service.names()))
    def made(body: bytes) -> None:
        line = body.replace(b"\n", b" ")
        if line.strip():
            lines.append(line)

    made()
    cases["lines"] += len(lines)
    asked = client.post(JOBS, content=b"\n".join(lines), headers={"content-type": "application/x-ndjson"})
    assert asked.status_code == 202, asked.text
    path, deadline = asked.headers["location"], time.monotonic() + 600
    while client.get(path).json()["state"] != "done":
        assert time.monotonic() < deadline, client.get(path).text
        time.sleep(0.1)
    items = [msgspec.json.decode(line, type=Item) for line in client.get(f"{path}/results").content.splitlines()]
    assert len(items) == len(lines)
    assert {item.status for item in items} == {200, 400, 422}
    assert all((item.answer is None) == (item.status != 200) for item in items)


def _connect(server: Any) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS)


def _all(connection: socket.socket) -> bytes:
    """Read until the server closes or resets the connection."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while more := connection.recv(65536):
            received += more
    return received


def _is_well(server: Any, request: object) -> None:
    """Ask for health and for a decision, on connections of their own."""
    address = f"http://127.0.0.1:{server.port}"
    with httpx2.Client(base_url=address, timeout=SECONDS, transport=Heeding()) as client:
        assert client.get("/healthz").status_code == 200
        assert client.post(RISK, json=request).status_code == 200


HEAD = b"POST /ai/v1/risk HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def test_slow_clients_do_not_delay_others(hasty, sound_request) -> None:
    """While hundreds of clients send slowly, others are answered, and each slow client gets 408."""
    with contextlib.ExitStack() as stack:
        dripping = [stack.enter_context(_connect(hasty)) for _ in range(150)]
        halved = [stack.enter_context(_connect(hasty)) for _ in range(150)]
        for connection in dripping:
            connection.sendall(HEAD)
        for connection in halved:
            connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n{")
        over = threading.Event()

        def drip() -> None:
            while not over.is_set():
                for connection in dripping:
                    with contextlib.suppress(OSError):
                        connection.send(b"X")
                over.wait(0.1)

        drips = threading.Thread(target=drip)
        drips.start()
        try:
            for _ in range(20):
                _is_well(hasty, sound_request)
            ends = [_all(connection) for connection in (*dripping, *halved)]
        finally:
            over.set()
            drips.join()
    assert {end[:13] for end in ends if end} == {b"HTTP/1.1 408 "}
    assert sum(map(bool, ends)) > 150  # a drip after the end may reset a connection before it could be read
    _is_well(hasty, sound_request)


ABUSES = {
    "huge request line": (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
    "endless request line": (b"GET /" + b"a" * 5_000_000, 431),
    "huge field": (HEAD + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n", 431),
    "many fields": (HEAD + b"X: a\r\n" * 100_000 + b"\r\n", 431),
    "negative length": (HEAD + b"Content-Length: -1\r\n\r\n{}", 400),
    "two lengths": (HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
    "huge length": (HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n{}", 400),
    "length and chunks": (HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "huge chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffffff\r\n{}", 400),
    "unknown coding": (HEAD + b"Transfer-Encoding: gzip\r\n\r\n{}", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100, 400),
    "blank before a colon": (b"GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    "zero in a path": (b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "zeros": (b"\x00" * 1_000, 400),
}


@pytest.mark.parametrize(("sent", "status"), ABUSES.values(), ids=list(ABUSES))
def test_a_malformed_request_is_refused_and_its_connection_closed(hasty, cases, sound_request, sent, status) -> None:
    """A fault gets a problem document and closes its connection; the next connection is answered."""
    with _connect(hasty) as connection:
        with contextlib.suppress(ConnectionError):  # the server may close the connection before all is sent
            connection.sendall(sent)
        received = _all(connection)
    cases["sockets"] += 1
    if received or len(sent) < 100_000:  # the response may be lost: unread bytes cause a reset
        head, _, body = received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d " % status), received[:300]
        assert msgspec.json.decode(body, type=Problem).status == status
    _is_well(hasty, sound_request)


def test_garbage_behind_a_request_ends_the_connection_after_its_answer(hasty, sound_request) -> None:
    """A request before a fault is answered."""
    body = json.dumps(sound_request).encode()
    with _connect(hasty) as connection:
        connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body + b"\x00garbage\r\n\r\n")
        received = _all(connection)
    assert re.findall(rb"^HTTP/1.1 (\d+) ", received, re.MULTILINE)[0] == b"200"
    assert received.count(b"HTTP/1.1 400 Bad Request\r\n") == 1
    _is_well(hasty, sound_request)


def test_odd_bytes_on_a_socket_are_answered_or_refused(hasty, cases, sound_request) -> None:
    """Cut, repeated and changed heads and bodies end with a response or a closed connection, never a 5xx."""
    body = json.dumps(sound_request).encode()
    whole = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    sources = st.sampled_from(
        [whole, chunked, whole[: len(HEAD)], b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", whole * 3]
    )
    places = st.floats(0, 1)
    pieces = st.sampled_from([b"", b"\r\n", b"\n", b"\x00", b":", b"\xff", b" ", b"-", b"{", whole]) | st.binary(
        max_size=4
    )

    @many(400)
    @given(source=sources, cut=places, scratches=st.lists(st.tuples(places, pieces), max_size=3))
    def sent(source: bytes, cut: float, scratches: list[tuple[float, bytes]]) -> None:
        data = source if cut > 0.5 else source[: int(2 * cut * len(source))]
        for where, piece in scratches:
            place = int(where * min(len(data), 200))  # the head, mostly
            data = data[:place] + piece + data[place + 1 :]
        cases["sockets"] += 1
        with _connect(hasty) as connection, contextlib.suppress(ConnectionError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            received = _all(connection)
            statuses = {int(each) for each in re.findall(rb"^HTTP/1.1 (\d+) ", received, re.MULTILINE)}
            assert statuses <= {200, 400, 404, 405, 408, 411, 413, 415, 422, 431}, (data, received)

    sent()
    _is_well(hasty, sound_request)


def test_four_thousand_cases_were_judged(cases) -> None:
    """The tests of this module judged enough cases."""
    print(dict(cases), "cases:", cases.total())  # noqa: T201  `pytest -rP` shows it
    assert cases.total() >= LEAST_CASES, cases
