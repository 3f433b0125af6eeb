"""What a connection may do: over real sockets, against a server in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
import struct
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.http.admission import Admission
from customer_risk.serving.http.budget import Budget
from customer_risk.serving.http.connections import RESERVED, Connections
from customer_risk.serving.http.protocol import Bounds, protocol_with
from customer_risk.serving.http.server import HttpServer
from customer_risk.serving.http.settings import ServerSettings
from customer_risk.serving.kserve.application import application
from customer_risk.serving.kserve.data_plane import FixedModels, ModelDataPlane
from customer_risk.serving.kserve.model import RiskModel
from customer_risk.serving.process.listener import listener

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BODY = json.dumps({"customer_id": "c-1", "profile": {}, "transactions": [], "history_complete": True}).encode()


class Stubborn(Admission):
    """An admission whose wait a test sets."""

    full = False
    fill_after = -1  # number of requests after which it is full; never if negative

    def wait(self, *, directly: bool = False) -> float:  # noqa: ARG002  as in the class
        """Return a minute if it is full, else 0."""
        self.full = self.full or self.fill_after == 0
        self.fill_after -= 1
        return 60.0 if self.full else 0.0


class Running:
    """A server on a port, with its admission, connections and budget."""

    def __init__(self, make: Callable[[Budget], Any], settings: ServerSettings) -> None:
        self.shed = 0
        self.admission = Stubborn(0.05, shed=self._count)
        self.connections = Connections(settings.most_connections, settings.most_connections_each)
        self.budget = Budget(settings.most_body_bytes, settings.most_body_bytes_each)
        app = make(self.budget)
        bounds = Bounds(self.admission, self.connections, self.budget, settings)
        self.http = HttpServer(app, protocol_with(bounds, app.direct, app.finish), settings)
        self._listening = listener("127.0.0.1", 0)
        self.port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _count(self) -> None:
        self.shed += 1

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=self.http.config.get_loop_factory()) as runner:
            self.loop = runner.get_loop()
            runner.run(self.http.run_on(self._listening))

    def stop(self) -> None:
        """End."""
        self.http.end()
        self._thread.join()

    def connect(self) -> socket.socket:
        """Open a connection."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=600)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


@pytest.fixture
def run(service) -> Iterator[Callable[..., Running]]:
    """Start a server with some settings on the small real bundle."""
    from kserve import ModelRepository

    models = ModelRepository()
    model = RiskModel(Exchange(service), Path())
    model.ready = True
    models.update(model)

    def make(budget: Budget) -> Any:
        return application(model.exchange, ModelDataPlane(models), FixedModels(models), budget=budget)

    with contextlib.ExitStack() as stack:

        def started(*, full: bool = False, **settings: Any) -> Running:
            running = Running(make, ServerSettings(**settings))
            running.admission.full = full
            stack.callback(running.stop)
            return running

        yield started


def _post(body: bytes = BODY, *fields: str, path: str = "/ai/v1/risk") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/json", *fields]
    if not any(each.lower().startswith(("content-length", "transfer")) for each in fields):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


_OF_KSERVE = ("/v1/models/customer-risk:predict", "/v2/models/customer-risk/infer")
_BATCH = _post(b'{"requests":[' + b",".join([BODY] * 100) + b"]}", path="/ai/v1/risk:batch")


def _read(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Read one response: status, header fields, body."""
    received = b""
    while b"\r\n\r\n" not in received:  # byte by byte: another response may follow this one
        more = connection.recv(1)
        assert more, received
        received += more
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    while len(body) < int(fields.get("content-length", 0)):
        body += connection.recv(int(fields["content-length"]) - len(body))
    return int(first.split()[1]), fields, body


def _rest(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def _ask(server: Running, sent: bytes) -> tuple[int, dict[str, str], bytes]:
    """Return the response to what is sent on a new connection."""
    with server.connect() as connection:
        connection.sendall(sent)
        return _read(connection)


def _ask_last(server: Running, sent: bytes) -> tuple[int, dict[str, str], bytes]:
    """Return the response to what is sent on a new connection, which the server then closes."""
    with server.connect() as connection:
        connection.sendall(sent)
        response = _read(connection)
        assert _rest(connection) == b""
        return response


def _problem(body: bytes) -> str:
    return json.loads(body)["type"].removeprefix("urn:problem-type:customer-risk:")


def test_overload_is_a_503_with_retry_after(run) -> None:
    """A request for a decision that would wait too long gets 503, a problem document and Retry-After."""
    server = run(full=True)
    status, fields, body = _ask(server, _post())
    assert (status, fields["retry-after"], fields["content-type"]) == (503, "1", "application/problem+json")
    assert _problem(body) == "overloaded"
    assert server.shed == 1


@pytest.mark.parametrize("path", _OF_KSERVE)
@pytest.mark.parametrize("pipelined", [False, True])
def test_overload_has_kserves_form_in_its_protocols(run, path, pipelined) -> None:
    """In KServe's protocols the refusal is application/json with `error`, alone and behind another request."""
    server = run()
    with server.connect() as connection:
        if pipelined:
            server.admission.fill_after = 1
            connection.sendall(_BATCH + _post(path=path))
            assert _read(connection)[0] == 200
        else:
            server.admission.full = True
            connection.sendall(_post(path=path))
        status, fields, body = _read(connection)
    assert (status, fields["retry-after"], fields["content-type"]) == (503, "1", "application/json")
    assert json.loads(body)["error"] == json.loads(body)["detail"]


@pytest.mark.parametrize("path", _OF_KSERVE)
def test_a_bad_head_is_refused_in_the_form_of_its_path(run, path) -> None:
    """A refusal before the application gets the request has the form of its path."""
    with run().connect() as connection:
        connection.sendall(_post(BODY, "Host: y", path=path))
        status, fields, body = _read(connection)
        assert (status, fields["content-type"], _rest(connection)) == (400, "application/json", b"")
    assert "Host" in json.loads(body)["error"]


@pytest.mark.parametrize("path", ["/ai/v1/risk", "/ai/v1/risk:batch", *_OF_KSERVE])
@pytest.mark.parametrize("size", [100, 3_000_000])
@pytest.mark.parametrize("fields", [(), ("Connection: close",)])
def test_a_compressed_body_is_refused_after_it_arrived(run, path, size, fields) -> None:
    """The refusal follows the whole body, and the connection stays open unless the client asked to close it."""
    body = b"\x1f\x8b" + b"x" * size
    with run().connect() as connection:
        connection.sendall(_post(body, "Content-Encoding: gzip", *fields, path=path))
        status, answered, content = _read(connection)
        assert (status, answered["accept-encoding"]) == (415, "identity")
        assert "Content-Encoding" in json.loads(content)["detail"]
        if fields:
            assert _rest(connection) == b""
        else:
            connection.sendall(_post(BODY, "Content-Encoding: identity"))
            assert _read(connection)[0] == 200


def test_a_connection_stays_open_after_a_refusal(run) -> None:
    """The refused body is dropped, and the next request on the connection is answered."""
    server = run()
    with server.connect() as connection:
        server.admission.full = True
        connection.sendall(_post())
        assert _read(connection)[0] == 503
        server.admission.full = False
        connection.sendall(_post())
        assert _read(connection)[0] == 200


def test_a_refused_body_may_come_in_pieces(run) -> None:
    """The refusal is sent after the whole body, and data that follows in the same piece is the next request."""
    server = run()
    whole = _post()
    with server.connect() as connection:
        server.admission.full = True
        connection.sendall(whole[:-40])
        while not server.shed:
            time.sleep(0.01)
        connection.sendall(whole[-40:-20])
        time.sleep(0.1)
        assert server.shed == 1
        server.admission.full = False
        connection.sendall(whole[-20:] + whole)
        assert [_read(connection)[0], _read(connection)[0]] == [503, 200]


TARGETS = [
    "/ai/v1/risk",
    "/ai/v1/risk:batch",
    "/v1/models/customer-risk:predict",
    "/v2/models/x/infer",
    "/ai/v1/risk?",
    "/ai/v1/risk?a=b#c",
    "/ai/v1/%72isk",
    "/%61i/v1/risk%3Abatch",
    "http://x/ai/v1/risk",
    "http://x:80/v2/models/x/infer?a",
    "//ai/v1/risk",
    "/ai/v1/risk/",
    "/ai/v1/risk/jobs",
    "/ai/v1/docs",
    "/healthz/x",
    "/nothing",
]
FRAMINGS = {
    "length": (BODY, f"Content-Length: {len(BODY)}"),
    "chunked": (b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY), "Transfer-Encoding: chunked"),
    "close": (BODY, f"Content-Length: {len(BODY)}", "Connection: close"),
    "expect": (b"", f"Content-Length: {len(BODY)}", "Expect: 100-continue"),
    "large": (BODY, f"Content-Length: {10**7}"),
}


@pytest.mark.parametrize("framing", FRAMINGS)
def test_every_target_is_refused_under_overload(run, framing) -> None:
    """Under overload, a request gets 503 once its head is parsed, however its target and body are written."""
    server = run(full=True)
    for path in TARGETS:
        status, fields, _ = _ask(server, _post(*FRAMINGS[framing], path=path))
        assert (status, fields["retry-after"]) == (503, "1"), path
    assert server.shed == len(TARGETS)


def test_pipelined_requests_are_refused_in_their_order(run) -> None:
    """Under overload, requests behind an unanswered request of their connection are refused after its response."""
    server = run()
    batch = ROUTES["/ai/v1/risk:batch"]
    with server.connect() as connection:
        server.admission.fill_after = 1
        connection.sendall(_post(batch, path="/ai/v1/risk:batch") + _post() * 2)
        assert [_read(connection)[0] for _ in range(3)] == [200, 503, 503]
        server.admission.full = False
        connection.sendall(_post())
        assert _read(connection)[0] == 200


def test_a_large_refused_body_is_dropped_after_the_response(run) -> None:
    """A body of more than 64 KiB is refused before it arrives and then dropped, and the next request is answered."""
    server = run()
    body = BODY[:-1] + b" " * 1_000_000 + b"}"
    sent = _post(body)
    with server.connect() as connection:
        server.admission.full = True
        connection.sendall(sent[:500])
        assert _read(connection)[0] == 503
        connection.sendall(sent[500:])
        server.admission.full = False
        connection.sendall(_post())
        assert _read(connection)[0] == 200


@pytest.mark.parametrize("path", ["/healthz", "/v2/health/live", "/v2/health/ready", "/%68ealthz?x"])
def test_probes_are_answered_under_overload(run, path) -> None:
    """Probes are answered under overload, however their target is written."""
    assert _ask(run(full=True), f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())[0] == 200


@pytest.mark.parametrize("path", ["/metrics", "/ai/v1/counters", "/ai/v1/admin/state"])
def test_metrics_and_administration_are_answered_under_overload(run, path) -> None:
    """Requests for metrics and administration reach the application under overload, here one without these paths."""
    assert _ask(run(full=True), f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())[0] == 404


@pytest.mark.parametrize(
    "fields",
    [
        [f"Content-Length: {len(BODY)}", f"Content-Length: {len(BODY)}"],
        [f"Content-Length: +{len(BODY)}"],
        [f"Content-Length: {len(BODY)}", "Transfer-Encoding: chunked"],
    ],
)
def test_an_ambiguous_length_is_malformed_under_overload_too(run, fields) -> None:
    """Under overload, a request with an ambiguous length gets 400, and its connection is closed."""
    assert _ask_last(run(full=True), _post(BODY, *fields))[0] == 400


def test_a_slow_head_gets_408(run) -> None:
    """A head that arrives too slowly gets 408, and the connection is closed."""
    server = run(header_seconds=0.2)
    with server.connect() as connection:
        connection.sendall(b"POST /ai/v1/risk HTTP/1.1\r\n")
        status, fields, body = _read(connection)
        assert (status, fields["connection"]) == (408, "close")
        assert _problem(body) == "too-slow"
        assert _rest(connection) == b""


def test_a_silent_connection_is_closed(run) -> None:
    """A connection without data is closed without a response."""
    server = run(header_seconds=0.2)
    with server.connect() as connection:
        assert _rest(connection) == b""


@pytest.mark.parametrize("path", ["/ai/v1/risk", "/ai/v1/risk:batch"])
def test_a_missing_body_gets_408(run, path) -> None:
    """A body that doesn't arrive gets 408, directly and through ASGI."""
    assert _ask_last(run(body_seconds=0.2), _post(path=path)[:-10])[0] == 408


def test_a_missing_refused_body_gets_408(run) -> None:
    """A refused request whose body doesn't arrive gets 408."""
    assert _ask(run(full=True, body_seconds=0.2), _post()[:-10])[0] == 408


def test_a_large_body_has_more_time(run) -> None:
    """Each `least_body_rate` bytes of a body give the caller another second."""
    server = run(body_seconds=0.2, least_body_rate=10)
    body = BODY[:-1] + b" " * 200 + b"}"
    with server.connect() as connection:
        connection.sendall(_post(body)[:-5])
        time.sleep(1.2)
        connection.sendall(body[-5:])
        assert _read(connection)[0] == 200


def test_an_idle_connection_is_closed(run) -> None:
    """A connection is closed `keep_alive_seconds` after a response, also after a refusal."""
    server = run(keep_alive_seconds=1)
    for full in (False, True):
        server.admission.full = full
        with server.connect() as connection:
            connection.sendall(_post())
            _read(connection)
            assert _rest(connection) == b""


def test_a_halt_of_the_server_does_not_close_connections(run) -> None:
    """A halt of the server that exceeds a connection's time limit doesn't close the connection."""
    server = run(header_seconds=5, body_seconds=5, keep_alive_seconds=5)
    over = threading.Event()

    def halt() -> None:
        time.sleep(6)
        server.loop.call_later(0.7, over.set)  # connections are checked every half second

    request = _post()
    with contextlib.ExitStack() as stack:
        silent, head, body, idle = (stack.enter_context(server.connect()) for _ in range(4))
        head.sendall(request[:20])
        body.sendall(request[:-10])
        idle.sendall(request)
        assert _read(idle)[0] == 200
        server.loop.call_soon_threadsafe(halt)
        assert over.wait(600)
        for connection, rest in ((silent, request), (head, request[20:]), (body, request[-10:]), (idle, request)):
            connection.sendall(rest)
        for connection in (silent, head, body, idle):
            assert _read(connection)[0] == 200


def test_a_large_head_is_refused(run) -> None:
    """A large head gets 431, in one or several pieces."""
    server = run(most_header_bytes=2048)
    begins = (b"GET /healthz HTTP/1.1\r\nX: ", b"GET /", b"GET /healthz?")
    for begin, pieces in itertools.product(begins, ([b"x" * 4000], [b"x" * 1500, b"y" * 1500], [b"x" * 70_000])):
        with server.connect() as connection:
            connection.sendall(begin)
            for each in pieces:
                connection.sendall(each)
                time.sleep(0.05)
            assert _read(connection)[0] == 431


def test_the_bound_on_the_head_excludes_the_body(run) -> None:
    """The bound on the head doesn't apply to the body."""
    assert _ask(run(most_header_bytes=1024), _post(BODY[:-1] + b" " * 5000 + b"}"))[0] == 200


OFFERS = {
    "h2c": ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"),
    "websocket": (
        "Upgrade: websocket",
        "Connection: keep-alive, Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ),
    "two": ("Upgrade: h2c", "Upgrade: TLS/1.2", "connection: upgrade"),
}
ROUTES = {
    "/ai/v1/risk": BODY,
    "/ai/v1/risk:batch": b'{"requests":[%b]}' % BODY,
    "/v1/models/customer-risk:predict": b'{"instances":[%b]}' % BODY,
    "/v2/models/customer-risk/infer": json.dumps(
        {"inputs": [{"name": "request", "datatype": "BYTES", "shape": [1], "data": [BODY.decode()]}]}
    ).encode(),
}


def _framed(body: bytes, *fields: str, path: str, chunked: bool, trailers: tuple[str, ...] = ()) -> bytes:
    if not chunked:
        return _post(body, *fields, path=path)
    end = "".join(f"{each}\r\n" for each in trailers).encode()
    parts = b"".join(b"%x;a=b\r\n%b\r\n" % (len(each), each) for each in (body[:40], body[40:]))
    return _post(b"%b0\r\n%b\r\n" % (parts, end), *fields, "Transfer-Encoding: chunked", path=path)


@pytest.mark.parametrize("split", ["whole", "after the head", "bytes"])
@pytest.mark.parametrize("offer", OFFERS)
def test_an_offered_upgrade_is_ignored(run, offer, split) -> None:
    """A request that offers an upgrade is answered, and so are the requests behind it on the same connection."""
    server = run()
    behind = b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + "\r\n".join(OFFERS[offer]).encode() + b"\r\n\r\n"
    for path, chunked in itertools.product(ROUTES, [False, True]):
        sent = _framed(ROUTES[path], *OFFERS[offer], path=path, chunked=chunked)
        end = sent.index(b"\r\n\r\n") + 4
        pieces = {
            "whole": [sent + behind + sent],
            "after the head": [sent[:end], sent[end:-1], sent[-1:] + behind, sent],
            "bytes": [*(sent[place : place + 7] for place in range(0, len(sent), 7)), behind + sent],
        }[split]
        with server.connect() as connection:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(0.001 if split == "bytes" else 0.02)
            responses = [_read(connection) for _ in range(3)]
        assert [status for status, _, _ in responses] == [200] * 3, path
        assert responses[1][2] == b'{"status":"alive"}'
        assert all(b"probability" in body for _, _, body in (responses[0], responses[2]))


@pytest.mark.parametrize(
    ("version", "option", "chunked"),
    [("1.1", "close, Upgrade", False), ("1.1", "close, Upgrade", True), ("1.0", "Upgrade", False)],
)
def test_an_offered_upgrade_is_ignored_on_the_last_request_too(run, version, option, chunked) -> None:
    """An offer to upgrade on the last request of a connection is ignored."""
    server = run()
    for path, body in ROUTES.items():
        sent = _framed(body, f"Connection: {option}", "Upgrade: h2c", path=path, chunked=chunked)
        with server.connect() as connection:
            connection.sendall(sent.replace(b"HTTP/1.1", f"HTTP/{version}".encode()))
            status, fields, _ = _read(connection)
            assert (status, fields["connection"], _rest(connection)) == (200, "close", b"")


@pytest.mark.parametrize("split", [b"\r", b"\r\n", b"\r\n\r"])
@pytest.mark.parametrize("before", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_only_bytes_of_the_head_count_for_its_bound(run, split, before) -> None:
    """Only bytes of the head count for its bound, wherever a piece ends."""
    body = BODY[:-1] + b" " * 50_000 + b"}"
    sent = before + _post(body)
    at = len(before) + sent[len(before) :].index(b"\r\n\r\n") + len(split)
    with run(most_header_bytes=1024).connect() as connection:
        connection.sendall(sent[:at])
        time.sleep(0.1)
        connection.sendall(sent[at:])
        assert [_read(connection)[0] for _ in range(2 if before else 1)][-1] == 200


def test_an_offered_upgrade_is_refused_under_overload(run) -> None:
    """Under overload, a request that offers an upgrade gets Retry-After, and its connection stays open."""
    server = run(full=True)
    with server.connect() as connection:
        connection.sendall(_post(BODY, *OFFERS["h2c"]))
        assert _read(connection)[0] == 503
        server.admission.full = False
        connection.sendall(_post(BODY, *OFFERS["h2c"]))
        assert _read(connection)[0] == 200


def test_a_tunnel_is_refused(run) -> None:
    """CONNECT gets 501, and the bytes that follow it aren't read as a request."""
    with run().connect() as connection:
        connection.sendall(b"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n" + _post())
        status, _, body = _read(connection)
        assert (status, _rest(connection)) == (501, b"")
    assert _problem(body) == "not-served"


@pytest.mark.parametrize(
    ("fields", "version", "expected"),
    [
        ([], "1.1", 400),
        (["Host: x", "Host: x"], "1.1", 400),
        (["Host: x", "hOST: y"], "1.1", 400),
        (["Host: x", "Host: x"], "1.0", 400),
        (["Host: a b"], "1.1", 400),
        (["Host: x/y"], "1.1", 400),
        (["Host: x:port"], "1.1", 400),
        (["Host: x, y"], "1.1", 400),
        (["Host: x,y"], "1.1", 200),  # a comma may be part of a name
        (["Host: "], "1.1", 200),
        (["Host: [::1]:8080"], "1.1", 200),
        (["Host: [fe80::1%25eth0]:80"], "1.1", 200),
        (["Host:  x:80 \t"], "1.1", 200),
        (["Host: my_service.default.svc:80"], "1.1", 200),
        ([], "1.0", 200),
    ],
)
def test_a_request_needs_one_host_header(run, fields, version, expected) -> None:
    """HTTP/1.1 without exactly one valid Host header gets 400, and no later request on the connection is read."""
    server = run()
    for path, body in ROUTES.items():
        lines = [f"POST {path} HTTP/{version}", *fields, "Content-Type: application/json"]
        lines.append(f"Content-Length: {len(body)}")
        with server.connect() as connection:
            connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
            status, _, answered = _read(connection)
            assert status == expected, path
            if status == 400:
                assert _problem(answered) == "malformed-body"
                assert _rest(connection) == b""


@pytest.mark.parametrize("shape", ["many", "one", "extension", "slowly"])
def test_trailers_are_bounded_as_header_fields_are(run, shape) -> None:
    """A chunked body whose trailers exceed the bound on header fields gets 431, on every path."""
    server = run(most_header_bytes=4096)
    flood = {
        "many": b"X-Trailer: aaaaaaaaaaaaaaaa\r\n" * 200,
        "one": b"X-Trailer: " + b"a" * 6000,
        "extension": b"1;" + b"a" * 6000,
        "slowly": b"X-Trailer: aaaaaaaaaaaaaaaa\r\n" * 200,
    }[shape]
    step = 500 if shape == "slowly" else 3000
    for path in (*ROUTES, "/ai/v1/admin/switches", "/nothing"):
        begin = _framed(ROUTES.get(path, BODY), path=path, chunked=True)[:-2]
        if shape == "extension":
            begin = begin[: begin.rindex(b"0\r\n")]
        with server.connect() as connection:
            connection.sendall(begin)
            time.sleep(0.05)
            with contextlib.suppress(ConnectionError):
                for place in range(0, len(flood), step):
                    connection.sendall(flood[place : place + step])
                    time.sleep(0.01)
            received = b""
            with contextlib.suppress(ConnectionError):
                received = _rest(connection)
        assert received.startswith(b"HTTP/1.1 431 ") or path not in ROUTES, path
        assert received.count(b"HTTP/1.1 ") == 1, received  # a path that isn't served has its answer already


@pytest.mark.parametrize(
    "trailers",
    [
        ("Content-Type: text/plain", "Authorization: Bearer nonsense", "Idempotency-Key: a b"),
        ("Host: y", "Expect: 100-continue", "Upgrade: h2c", "Connection: upgrade"),
    ],
)
def test_trailers_are_dropped(run, trailers) -> None:
    """No trailer is read as a header field, and the next request on the connection is answered."""
    with run().connect() as connection:
        for path, body in ROUTES.items():
            connection.sendall(_framed(body, path=path, chunked=True, trailers=trailers))
            assert _read(connection)[0] == 200


def test_a_content_type_in_the_trailers_is_ignored(run) -> None:
    """A chunked body without a Content-Type header is read as JSON, even if a trailer names another type."""
    sent = _framed(BODY, path="/ai/v1/risk", chunked=True, trailers=("Content-Type: text/plain",))
    with run().connect() as connection:
        connection.sendall(sent.replace(b"Content-Type: application/json\r\n", b"", 1))
        assert _read(connection)[0] == 200


@pytest.mark.parametrize("fault", [b"X: " + b"a" * 5000 + b"\r\n\r\n", b"Content-Length: 1\r\n", b"\x00\r\n"])
def test_a_faulty_trailer_does_not_prevent_the_earlier_answer(run, fault) -> None:
    """The answer to the first of two pipelined requests comes first, then the refusal of the second."""
    server = run(most_header_bytes=4096)
    first = _post(ROUTES["/ai/v1/risk:batch"], path="/ai/v1/risk:batch")
    second = _framed(ROUTES["/ai/v1/risk:batch"], path="/ai/v1/risk:batch", chunked=True)
    with server.connect() as connection:
        connection.sendall(first + second[:-2] + fault)
        assert _read(connection)[0] == 200
        status = _read(connection)[0]
        assert (status, _rest(connection)) == (431 if fault.startswith(b"X") else 400, b"")


@pytest.mark.parametrize("path", ["/healthz", "/v2/health/live"])
@pytest.mark.parametrize(
    ("fault", "expected"),
    [(b"garbage\r\n\r\n", 400), (b"GET / HTTP/1.1\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nX: " + b"a" * 5000, 431)],
)
def test_a_malformed_second_request_is_refused(run, path, fault, expected) -> None:
    """A malformed second request on a connection gets its own refusal, and the connection is closed."""
    with run(most_header_bytes=4096).connect() as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert _read(connection)[0] == 200
        connection.sendall(fault)
        assert (_read(connection)[0], _rest(connection)) == (expected, b"")


def test_data_that_is_not_http_is_refused(run) -> None:
    """Data that isn't HTTP gets 400 with a problem document."""
    server = run()
    status, _, body = _ask(server, b"\x16\x03\x01\x02\x00\r\n\r\n")
    assert status == 400
    assert _problem(body) == "malformed-body"


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def _from(server: Running, address: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=600, source_address=(address, 0))


def _opened(server: Running, count: int) -> None:
    deadline = time.monotonic() + 600
    while len(server.connections) != count:
        assert time.monotonic() < deadline, f"{len(server.connections)} connections are open, not {count}"
        time.sleep(0.01)


# On a busy machine a test may need longer for its connections than a server waits for a request.
_LONG: Final = {"header_seconds": 600, "body_seconds": 600, "keep_alive_seconds": 600}


def _busy(server: Running, count: int) -> None:
    """Wait until `count` connections are open and none waits for a request."""
    deadline = time.monotonic() + 600
    while len(server.connections) != count or server.connections.waiting:
        assert time.monotonic() < deadline, f"{len(server.connections)} connections are open, not {count}"
        time.sleep(0.001)


def test_the_connection_that_has_waited_longest_is_closed_for_a_new_one(run) -> None:
    """At the bound, a new connection is answered, and the connection that has waited longest is closed."""
    server = run(most_connections=3, **_LONG)
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in range(3)]
        for connection in (connections[0], connections[2], connections[1], connections[0]):
            connection.sendall(_post())
            assert _read(connection)[0] == 200
        new = stack.enter_context(server.connect())
        new.sendall(_post())
        assert _read(new)[0] == 200
        assert _rest(connections[2]) == b""
        for connection in (connections[0], connections[1]):
            connection.sendall(_post())
            assert _read(connection)[0] == 200


@pytest.mark.parametrize("begun", [b"", _post()[:40]])
def test_a_peer_with_too_many_connections_loses_only_its_own(run, begun) -> None:
    """If a peer opens too many connections, its own are closed, and those of other peers stay open."""
    server = run(most_connections=20, **_LONG)
    with contextlib.ExitStack() as stack:
        honest = stack.enter_context(server.connect())
        honest.sendall(_post())
        assert _read(honest)[0] == 200
        for _ in range(60):
            stack.enter_context(_from(server, "127.0.0.2")).sendall(begun)
        _opened(server, 20)
        honest.sendall(_post())
        assert _read(honest)[0] == 200


def test_connections_of_one_peer_are_bounded(run) -> None:
    """At the bound for one peer, its connection that has waited longest is closed, or else the new one is refused."""
    server = run(most_connections_each=2, **_LONG)
    with contextlib.ExitStack() as stack:
        busy = [stack.enter_context(_from(server, "127.0.0.2")) for _ in range(2)]
        for connection in busy:
            connection.sendall(_post()[:-10])
        _busy(server, 2)
        assert _read(stack.enter_context(_from(server, "127.0.0.2")))[0] == 503
        other = stack.enter_context(server.connect())
        other.sendall(_post())
        assert _read(other)[0] == 200
        busy[0].sendall(_post()[-10:])
        assert _read(busy[0])[0] == 200
        new = stack.enter_context(_from(server, "127.0.0.2"))
        new.sendall(_post())
        assert _read(new)[0] == 200
        assert _rest(busy[0]) == b""


def test_probes_are_answered_when_no_connection_can_be_closed(run) -> None:
    """While every connection is busy, probes on a new one are answered; another request gets 503 and closes it."""
    server = run(most_connections=2, **_LONG)
    with contextlib.ExitStack() as stack:
        busy = [stack.enter_context(server.connect()) for _ in range(2)]
        for connection in busy:
            connection.sendall(_post()[:-10])
        _busy(server, 2)
        for path in ("/healthz", "/v2/health/ready"):
            probe = stack.enter_context(server.connect())
            probe.sendall(_get(path))
            assert _read(probe)[0] == 200
        other = stack.enter_context(server.connect())
        other.sendall(_post())
        status, fields, _ = _read(other)
        assert (status, fields["connection"], fields["retry-after"]) == (503, "close", "1")
        for connection in busy:
            connection.sendall(_post()[-10:])
            assert _read(connection)[0] == 200
        _until_answered(server)


def test_slow_clients_do_not_use_up_the_reserve(run) -> None:
    """Probes get responses although more slow clients than RESERVED have sent a probe with half a body."""
    server = run(most_connections=1, **_LONG)
    with contextlib.ExitStack() as stack:
        busy = stack.enter_context(server.connect())
        busy.sendall(_post()[:-10])
        _busy(server, 1)
        for _ in range(RESERVED + 5):
            slow = stack.enter_context(server.connect())
            slow.sendall(_post(path="/healthz")[:-10])
            assert _read(slow)[0] == 200


def test_a_client_that_reads_no_response_is_disconnected(run) -> None:
    """A connection is closed if its client sends requests and reads no responses."""
    server = run(keep_alive_seconds=1, body_seconds=1, header_seconds=1)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", server.port))
        connection.settimeout(0.3)
        with contextlib.suppress(OSError):
            for _ in range(4000):
                connection.sendall(_BATCH)
        _opened(server, 0)


@pytest.mark.parametrize("path", ["/ai/v1/risk", "/ai/v1/risk:batch", "/v1/models/customer-risk:predict"])
def test_the_bytes_of_unfinished_bodies_are_bounded(run, path) -> None:
    """A body beyond the budget of its client gets 503, another client is answered, and all bytes are released."""
    server = run(most_body_bytes_each=32 * 1024 * 1024)
    size = 60_000 if path == "/ai/v1/risk" else 7_000_000
    sent = _post(BODY[:-1] + b" " * size + b"}", path=path)
    before = 32 * 1024 * 1024 - 5 * size // 2
    server.budget.hold("127.0.0.2").grow(before)
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(_from(server, "127.0.0.2")).sendall(sent[:-10])
        while server.budget.held < before + 2 * size:
            time.sleep(0.01)
        refused = stack.enter_context(_from(server, "127.0.0.2"))
        refused.sendall(sent[:-10])
        if size > 64 * 1024:  # read to its end, unless the connection is closed
            refused.sendall(sent[-10:])
        status, fields, _ = _read(refused)
        assert (status, fields["retry-after"]) == (503, "1")
        other = stack.enter_context(server.connect())
        other.sendall(_post())
        assert _read(other)[0] == 200
    while server.budget.held != before:
        time.sleep(0.01)


def test_pipelined_requests_are_bounded(run) -> None:
    """If thousands of requests are pipelined on a connection, the first are answered, and then it is closed."""
    with run().connect() as connection, contextlib.suppress(ConnectionError):
        connection.sendall(_get("/v2/health/live") * 3000)
        received = _rest(connection)
        assert 1 <= received.count(b"HTTP/1.1 200 OK") <= 100


def test_a_connection_with_unanswered_requests_is_not_closed_for_a_new_one(run) -> None:
    """A connection with unanswered pipelined requests isn't closed for a new connection."""
    server = run(most_connections=1, **_LONG)
    with server.connect() as connection, contextlib.ExitStack() as stack:
        connection.sendall(_BATCH * 5)
        assert _read(connection)[0] == 200
        new = stack.enter_context(server.connect())
        new.sendall(_get("/healthz"))
        assert [_read(connection)[0] for _ in range(4)] == [200] * 4
        assert _read(new)[0] == 200


def test_a_client_may_disconnect_before_its_answers(run, caplog) -> None:
    """A client may disconnect while the first of two requests is answered: nothing is logged, nothing is held."""
    server = run()
    items = b",".join([BODY] * 300)
    with server.connect() as connection:
        connection.sendall(_post(b'{"requests":[' + items + b"]}", path="/ai/v1/risk:batch") * 2)
        while not server.budget.held:
            time.sleep(0.001)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closes by a reset
    _opened(server, 0)
    while server.http.server_state.tasks:
        time.sleep(0.01)
    assert not caplog.records
    assert server.budget.held == 0


def _until_answered(server) -> None:
    """Open new connections until a request is answered."""
    while True:
        with server.connect() as connection, contextlib.suppress(ConnectionError):
            connection.sendall(_post())
            if _read(connection)[0] == 200:
                return
            time.sleep(0.01)


@pytest.mark.parametrize("path", ["/ai/v1/risk", "/v2/health/live"])
def test_answers_while_draining_close_the_connection(run, path) -> None:
    """While draining, requests on open and new connections are answered, and the connections are closed."""
    server = run()
    request = _post() if path == "/ai/v1/risk" else f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with server.connect() as before:
        before.sendall(request)
        assert "connection" not in _read(before)[1]
        server.http.drain()
        for connection in (before, server.connect()):
            with connection:
                connection.sendall(request)
                status, fields, _ = _read(connection)
                assert (status, fields["connection"]) == (200, "close")
                assert _rest(connection) == b""


def test_a_refusal_while_draining_closes_the_connection(run) -> None:
    """A refusal while draining closes the connection."""
    server = run()
    server.http.drain()
    server.admission.full = True
    status, fields, _ = _ask(server, _post())
    assert (status, fields["connection"]) == (503, "close")


def test_a_partly_sent_request_is_answered_after_the_port_closes(run) -> None:
    """A request with half a head or half a body when the port closes is answered."""
    server = run()
    whole = _post()
    with server.connect() as head, server.connect() as body:
        head.sendall(whole[:30])
        body.sendall(whole[:-10])
        _until_answered(server)  # sent after both, so the server has read them
        server.http.end()
        time.sleep(0.3)
        head.sendall(whole[30:])
        body.sendall(whole[-10:])
        for connection in (head, body):
            status, fields, _ = _read(connection)
            assert (status, fields["connection"]) == (200, "close")


def test_a_response_before_the_body_keeps_the_connection_usable(run) -> None:
    """After a response ahead of the body, the body is dropped, and the next request is answered."""
    server = run(keep_alive_seconds=1)
    early = _post(path="/v1/models/other:predict")
    with server.connect() as connection:
        connection.sendall(early[:-10])
        assert _read(connection)[0] == 404
        connection.sendall(early[-10:] + _post())
        assert _read(connection)[0] == 200
        assert _rest(connection) == b""


@pytest.mark.parametrize(
    ("fields", "path", "expected"),
    [
        (("Content-Type: text/plain",), "/ai/v1/risk", 415),
        (("Content-Length: 99999999",), "/ai/v1/risk:batch", 413),
        ((), "/v1/models/other:predict", 404),
    ],
)
def test_a_response_instead_of_100_closes_the_connection(run, fields, path, expected) -> None:
    """A refusal instead of 100 closes the connection, since the client may not send the body."""
    with run().connect() as connection:
        head = _post(BODY, "Expect: 100-continue", *fields, path=path).removesuffix(BODY)
        if "Content-Type: text/plain" in fields:
            head = head.replace(b"Content-Type: application/json\r\n", b"")
        connection.sendall(head)
        status, answered, _ = _read(connection)
        assert (status, answered["connection"]) == (expected, "close")
        assert _rest(connection) == b""


@pytest.mark.parametrize("path", ["/ai/v1/risk", "/ai/v1/risk:batch"])
def test_a_connection_stays_open_after_100(run, path) -> None:
    """A client that gets 100 sends its body, gets the response, and may send more requests."""
    body = BODY if path == "/ai/v1/risk" else b'{"requests":[' + BODY + b"]}"
    request = _post(body, "Expect: 100-continue", path=path)
    with run().connect() as connection:
        for _ in range(2):
            connection.sendall(request.removesuffix(body))
            assert _read(connection)[0] == 100
            connection.sendall(body)
            status, fields, _ = _read(connection)
            assert (status, "connection" in fields) == (200, False)


def test_garbage_after_a_request_does_not_prevent_its_answer(run) -> None:
    """Garbage after a request doesn't prevent its answer, and closes the connection."""
    body = b'{"requests":[' + BODY + b"]}"
    head = b"POST /ai/v1/risk:batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    with run().connect() as connection:
        connection.sendall(head % len(body) + body + b"\x00garbage\r\n\r\n")
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 200 OK")
    assert received.count(b"HTTP/1.1") == 1
