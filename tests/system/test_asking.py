"""Which refusals the tests' callers treat as overload."""

from __future__ import annotations

import http.server
import json
import threading
from typing import TYPE_CHECKING

import pytest

from tests.system.asking import OVERLOADED, WAITING, ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.system

BUSY = json.dumps({"type": OVERLOADED, "detail": f"{WAITING} Send it again later."}).encode()
AWAY = json.dumps({"type": OVERLOADED, "detail": "The shared store doesn't answer. Try again shortly."}).encode()
FULL = json.dumps({"type": "urn:problem-type:customer-risk:outbox-full"}).encode()
ANSWER = json.dumps({"model": {"version": "v"}}).encode()


@pytest.fixture
def serving() -> Iterator[Callable[..., int]]:
    """Start a server that sends these responses in order and then only answers; return its port."""
    started = []

    def start(*responses: tuple[int, dict[str, str], bytes]) -> int:
        left = list(responses)

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                status, headers, content = left.pop(0) if left else (200, {}, ANSWER)
                self.send_response(status)
                for name, value in (headers | {"content-length": str(len(content))}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        started.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=started[-1].serve_forever).start()
        return started[-1].server_port

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("headers", "content", "failures"),
    [
        ({"retry-after": "1"}, BUSY, 0),
        ({}, BUSY, 1),
        ({"retry-after": "1"}, AWAY, 1),
        ({"retry-after": "1"}, FULL, 1),
        ({"retry-after": "1"}, b"upstream overflow", 1),
    ],
    ids=["declared", "without Retry-After", "a store that is away", "another refusal", "not the server's"],
)
def test_only_a_declared_overload_is_retried(serving, load, headers, content, failures) -> None:
    """Load and single requests are sent again after a declared overload; every other 503 is a failure."""
    port = serving(*[(503, headers, content)] * 2)
    status = ask("POST", f"http://127.0.0.1:{port}/", json={}).status_code
    assert status == (503 if failures else 200)
    port = serving((503, headers, content))
    with load(port, {}, callers=1) as loaded:
        loaded.wait_for(3)
        while not loaded.answered:
            loaded.wait_for(0)
    assert (len(loaded.failures), loaded.again) == (failures, 1 - failures)
