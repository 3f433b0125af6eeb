"""The programs of docs/guide/other-languages.md, run against a real server."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import pytest

from tests.system.asking import PATIENCE, ask
from tests.system.issuer import Issuer

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    from tests.system.conftest import Served

ROOT: Final = Path(__file__).parent.parent.parent
DOCUMENT: Final = ROOT / "docs" / "openapi.json"
PAGE: Final = ROOT / "docs" / "guide" / "other-languages.md"
RISK: Final = "/ai/v1/risk"
# What each program of the page sends.
CUSTOMER: Final[dict[str, Any]] = {
    "customer_id": "c-1",
    "profile": {"occupation": "STUDENTS", "is_pep": False},
    "transactions": [
        {
            "id": "t-1",
            "state": "COMPLETED",
            "type": "CARDS",
            "amount": 12.5,
            "currency": "EUR",
            "direction": "OUT",
            "created_at": "2024-08-26T10:33:50.629801Z",
        }
    ],
}
# The same customer with eight transactions within an hour.
BURST: Final = CUSTOMER | {
    "transactions": [
        CUSTOMER["transactions"][0] | {"id": f"t-{place}", "created_at": f"2024-08-26T10:3{place}:00Z"}
        for place in range(8)
    ]
}
WRONG: Final[dict[str, Any]] = {"customer_id": "", "profile": {}, "transactions": []}
BATCH: Final = {"requests": [CUSTOMER, WRONG]}
_LEAST_WAIT: Final = 0.95  # of a second that Retry-After asked for, by this process's clock


def blocks(language: str) -> list[str]:
    """Return the code blocks of a language on the page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def block(language: str) -> str:
    """Return the one code block of a language on the page."""
    (found,) = blocks(language)
    return found


def run(*command: object, cwd: Path, **options: Any) -> str:
    """Return what a command prints; fails the test if it fails."""
    words = [str(each) for each in command]
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE, check=False, **options)
    if done.returncode:
        pytest.fail(f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


@dataclass(frozen=True)
class Secured:
    """A server with authentication, and the issuer of its tokens."""

    server: Served
    issuer: Issuer

    @classmethod
    def start(cls, start: Callable[..., Served], command: Path, bundle: Path, folder: Path) -> Self:
        """Start a server with settings and keys in `folder`; return once it is ready."""
        issuer, keys, settings = Issuer(), folder / "jwks.json", folder / "serving.yaml"
        keys.write_text(issuer.jwks)
        written = {"run_folder": str(folder / "run"), "auth": issuer.settings(str(keys))}
        settings.write_text(json.dumps(written))  # JSON is YAML too
        server = start(command, bundle, "--config", settings)
        server.wait_for("/v2/health/ready")
        return cls(server, issuer)

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.server.port}"

    def token(self) -> str:
        """A token with every scope."""
        return self.issuer.token("tester", "score", "explain", "batch", "admin")

    def ask(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """Send a request by plain HTTP, with a new token unless `headers` has one."""
        headers = {"authorization": f"Bearer {self.token()}"} | options.pop("headers", {})
        return ask(method, self.url + path, headers=headers, **options)


@dataclass(frozen=True)
class Program:
    """A program of the page, ready to run."""

    command: tuple[object, ...]
    folder: Path

    def lines(self, url: str, token: str) -> list[str]:
        """Run the program against a server, and return the lines that it prints."""
        environment = {"PATH": "/usr/bin:/bin", "RISK_URL": url, "RISK_TOKEN": token}
        return run(*self.command, cwd=self.folder, env=environment).splitlines()


@dataclass(frozen=True)
class Attempt:
    """A request as `Refusing` received it; `connection` is the caller's port, `at` is in seconds."""

    path: str
    key: str | None
    body: bytes
    authorization: str | None
    connection: int
    at: float


class Refusing:
    """A server in front of another one, which fails requests that have an idempotency key before it passes them on.

    The first key's request is refused with 503 and Retry-After, then its connection is closed without a response. Each
    further key's is refused with 429 and Retry-After once.
    """

    def __init__(self, behind: str) -> None:
        self.attempts: list[Attempt] = []
        self._behind = behind
        self._failures: dict[str, list[int]] = defaultdict(lambda: [429] if len(self._failures) else [503, 0])
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer._handle(self)

            do_POST = do_GET  # noqa: N815  named by the library

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def by_key(self) -> list[list[Attempt]]:
        """Return the attempts of each idempotency key, in order."""
        found: dict[str, list[Attempt]] = defaultdict(list)
        for attempt in self.attempts:
            if attempt.key is not None:
                found[attempt.key].append(attempt)
        return list(found.values())

    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        body, key = _body(request), request.headers["Idempotency-Key"]
        authorization = request.headers["Authorization"]
        self.attempts.append(
            Attempt(request.path, key, body, authorization, request.client_address[1], time.monotonic())
        )
        failures = self._failures[key] if key else []
        match failures.pop(0) if failures else None:
            case None:
                kept = {name: request.headers[name] for name in ("Content-Type", "Authorization", "Idempotency-Key")}
                headers = {name: value for name, value in kept.items() if value}
                passed = ask(request.command, self._behind + request.path, content=body, headers=headers)
                _respond(request, passed.status_code, passed.headers["content-type"], passed.content)
            case 0:
                request.close_connection = True
                request.connection.shutdown(socket.SHUT_RDWR)
            case status:
                problem = json.dumps({"type": "about:blank", "title": "later", "status": status, "detail": "later"})
                _respond(request, status, "application/problem+json", problem.encode())


def _body(request: BaseHTTPRequestHandler) -> bytes:
    if request.headers["Transfer-Encoding"] != "chunked":
        return request.rfile.read(int(request.headers["Content-Length"] or 0))
    pieces = []
    while size := int(request.rfile.readline(), 16):
        pieces.append(request.rfile.read(size))
        request.rfile.readline()
    request.rfile.readline()
    return b"".join(pieces)


def _respond(request: BaseHTTPRequestHandler, status: int, kind: str, content: bytes) -> None:
    request.send_response(status)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(content)))
    if status in (429, 503):
        request.send_header("Retry-After", "1")
    request.end_headers()
    request.wfile.write(content)


def lines_of(secured: Secured) -> list[str]:
    """Return the expected lines of a program, made from the responses to plain HTTP requests."""
    single, batch, refused = (
        secured.ask("POST", path, json=body).json()
        for path, body in ((RISK, CUSTOMER), (f"{RISK}:batch", BATCH), (RISK, WRONG))
    )
    answered, item = batch["items"]

    def line(answer: dict[str, Any]) -> str:
        codes = (each["code"] for each in (*answer["reasons"], *(answer["patterns"] or ())))
        return " ".join((answer["customer_id"], answer["segment"], answer["action"], *codes))

    first = item["problem"]["errors"][0]["pointer"]
    errors = [f"{each['pointer']}: {each['detail']}" for each in refused["errors"]]
    return [line(single), line(answered["answer"]), f"{item['status']} {first}", *errors]


def check_attempts(front: Refusing, token: str) -> None:
    """Assert that requests were repeated with their key, and no sooner than Retry-After."""
    first, *others = front.by_key()
    assert len(first) == 3
    assert others
    assert all(len(each) == 2 for each in others)
    for attempts in (first, *others):
        assert len({attempt.body for attempt in attempts}) == 1
        assert attempts[1].at - attempts[0].at > _LEAST_WAIT
    assert {attempt.authorization for attempt in front.attempts} == {f"Bearer {token}"}
    assert len({attempt.connection for attempt in front.attempts}) < len(front.attempts)
