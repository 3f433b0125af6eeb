"""Direct answers over real connections: uvicorn with our protocol in a thread, and raw bytes."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time

import pytest
import uvicorn

from customer_risk.serving.errors import RecordUnavailable
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.http.fast_path import protocol_with
from customer_risk.serving.http.scoring_app import MOST_DIRECT_BYTES, ScoringApp


async def _beyond(scope, receive, send) -> None:  # noqa: ARG001  an ASGI application's signature
    await send({"type": "http.response.start", "status": 299, "headers": [(b"content-length", b"6")]})
    await send({"type": "http.response.body", "body": b"beyond"})


class _Failing:
    """A recorder whose commits fail."""

    def decided(self, *_, **__) -> None:
        """Take a decision."""

    def refused(self, *_, **__) -> None:
        """Take a refusal."""

    def commit(self) -> None:
        """Fail."""
        raise RecordUnavailable("the disk is full")


class _Ways(ScoringApp):
    """A scoring app that notes whether each answer was direct."""

    taken: list[str]

    def direct(self, headers, body):
        self.taken.append("direct")
        return super().direct(headers, body)

    def finish(self, outcomes):
        if self.failing:
            self._exchange._recorder = _Failing()
        return super().finish(outcomes)

    async def __call__(self, scope, receive, send) -> None:
        self.taken.append("task")
        await super().__call__(scope, receive, send)


@pytest.fixture
def scoring_app(service) -> _Ways:
    """The scoring app that is served."""
    made = _Ways(_beyond, Exchange(service))
    made.taken, made.failing = [], False
    return made


@pytest.fixture
def connection(scoring_app):
    """A connection to a server of the scoring app."""
    config = uvicorn.Config(
        scoring_app,
        http=protocol_with(scoring_app.direct, scoring_app.finish),
        loop="uvloop",
        log_config=None,
        lifespan="off",
        server_header=False,
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        factory = config.get_loop_factory()

        def run() -> None:
            with asyncio.Runner(loop_factory=factory) as runner:
                runner.run(server.serve(sockets=[listening]))

        thread = threading.Thread(target=run)
        thread.start()
        with socket.create_connection(listening.getsockname(), timeout=600) as connected:
            yield _Connection(connected, server)
        server.should_exit = True
        thread.join()


class _Connection:
    def __init__(self, connected: socket.socket, server: uvicorn.Server) -> None:
        self.server = server
        self._socket = connected
        self._stream = connected.makefile("rb")

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def response(self) -> tuple[int, dict[str, str], bytes]:
        status = int(self._stream.readline().split()[1])
        headers = {}
        while (line := self._stream.readline().strip()) != b"":
            name, _, value = line.decode().partition(": ")
            headers[name.lower()] = value
        return status, headers, self._stream.read(int(headers["content-length"]))

    def ended(self) -> bool:
        return self._stream.read(1) == b""


def _post(body: bytes, *headers: str, path: str = "/ai/v1/risk", version: str = "1.1") -> bytes:
    lines = [f"POST {path} HTTP/{version}", "Host: x", "Content-Type: application/json", *headers]
    if not any(line.startswith("Transfer-Encoding") for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def test_a_decision_is_answered_directly(connection, scoring_app, request_) -> None:
    """A direct answer needs no task, and has its length and the date."""
    connection.send(_post(json.dumps(request_).encode()))
    status, headers, body = connection.response()
    assert (status, headers["content-type"], json.loads(body)["customer_id"]) == (200, "application/json", "c-1")
    assert "date" in headers
    assert scoring_app.taken == ["direct"]


def test_a_connection_mixes_direct_and_asgi_answers(connection, scoring_app, request_) -> None:
    """Direct answers, other answers and refusals follow each other on one connection."""
    body = json.dumps(request_).encode()
    for sent in (_post(body), _post(body, path="/v1/x"), _post(b"{}"), _post(body)):
        connection.send(sent)
        connection.response()
    assert scoring_app.taken == ["direct", "task", "direct", "direct"]


def test_a_body_in_pieces_is_answered_whole(connection, request_) -> None:
    """A request that arrives in pieces is answered."""
    sent = _post(json.dumps(request_).encode())
    for begin in range(0, len(sent), 400):
        connection.send(sent[begin : begin + 400])
    assert connection.response()[0] == 200


def test_a_chunked_body_goes_through_asgi(connection, scoring_app, request_) -> None:
    """A chunked body goes through ASGI."""
    body = json.dumps(request_).encode()
    connection.send(_post(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body), "Transfer-Encoding: chunked"))
    assert connection.response()[0] == 200
    assert scoring_app.taken == ["task"]


def test_a_large_body_is_answered_on_a_thread(connection, scoring_app) -> None:
    """A large body is answered on a thread."""
    connection.send(_post(b" " * (MOST_DIRECT_BYTES + 1)))
    assert connection.response()[0] == 400
    assert scoring_app.taken == ["task"]


def test_a_request_that_must_wait_goes_through_asgi(connection, scoring_app, request_) -> None:
    """A request that must wait is answered by a task, with its whole body."""
    connection.send(_post(json.dumps(request_).encode(), "Idempotency-Key: k-1"))
    assert connection.response()[0] == 200
    assert scoring_app.taken == ["direct", "task"]


def test_pipelined_requests_are_answered_in_order(connection, request_) -> None:
    """Of three pipelined requests, the second goes through ASGI, and the answers keep their order."""
    first, third = (json.dumps(request_ | {"customer_id": name}).encode() for name in ("one", "three"))
    connection.send(_post(first) + _post(b"{}", path="/v1/x") + _post(third))
    answers = [connection.response() for _ in range(3)]
    assert [status for status, _, _ in answers] == [200, 299, 200]
    assert [json.loads(answers[i][2])["customer_id"] for i in (0, 2)] == ["one", "three"]


@pytest.mark.parametrize(("header", "version"), [("Connection: close", "1.1"), ("X: y", "1.0")])
def test_a_connection_closes_on_request(connection, request_, header, version) -> None:
    """The connection closes after the answer if the caller or HTTP/1.0 asks for it."""
    connection.send(_post(json.dumps(request_).encode(), header, version=version))
    assert connection.response()[0] == 200
    assert connection.ended()


def test_a_refusal_has_its_headers(connection) -> None:
    """A problem document has its media type."""
    connection.send(_post(b"{"))
    status, headers, _ = connection.response()
    assert (status, headers["content-type"]) == (400, "application/problem+json")


def test_a_request_half_sent_at_shutdown_is_answered_and_then_closed(connection, request_) -> None:
    """A shutdown waits for the rest of a body that has begun."""
    sent = _post(json.dumps(request_).encode())
    connection.send(sent[:200])
    time.sleep(0.1)
    connection.server.should_exit = True
    time.sleep(0.3)
    connection.send(sent[200:])
    assert connection.response()[0] == 200
    assert connection.ended()


def test_a_decision_that_cant_be_recorded_is_not_sent(connection, scoring_app, request_) -> None:
    """A decision whose record can't be written becomes a 503; refusals of the same turn stay unchanged."""
    scoring_app.failing = True
    connection.send(_post(json.dumps(request_).encode()) + _post(b"{}"))
    first, second = connection.response(), connection.response()
    assert (first[0], first[1]["retry-after"], json.loads(first[2])["detail"]) == (
        503,
        "5",
        "The decision can't be recorded: the disk is full. Send it again later.",
    )
    assert second[0] == 422
