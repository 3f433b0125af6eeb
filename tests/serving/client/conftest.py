"""Servers for the client: the real scoring app behind uvicorn, and one that misbehaves as it is told."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, NamedTuple, Self

import pytest
import uvicorn

from customer_risk.serving.client import Patience, RiskClient
from customer_risk.serving.exchange.exchange import Exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Seen(NamedTuple):
    """A request as it arrived."""

    line: str
    headers: dict[str, str]
    body: bytes


class Misbehaving:
    """Answers each connection's request by the next of `script`, the last one again and again; keeps what it `saw`.

    A step is bytes to send, None to hang up, or seconds to say nothing for before hanging up. All answers close.
    With `encryption` it uses TLS.
    """

    def __init__(self, *script: bytes | float | None, encryption: ssl.SSLContext | None = None) -> None:
        self._script = script
        self.saw: list[Seen] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http{'s' if encryption else ''}://127.0.0.1:{self._listening.getsockname()[1]}"
        if encryption:
            self._listening = encryption.wrap_socket(self._listening, server_side=True)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()

    def _serve(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listening.accept()
            except ssl.SSLError:  # the client doesn't trust the certificate
                continue
            except OSError:
                return
            with connection:
                step = self._script[min(len(self.saw), len(self._script) - 1)]
                self.saw.append(_read(connection))
                if isinstance(step, bytes):
                    connection.sendall(step)
                elif step is not None:
                    self._over.wait(step)


def _read(connection: socket.socket) -> Seen:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65_536)
    head, _, body = received.partition(b"\r\n\r\n")
    line, *rest = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in rest)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65_536)
    return Seen(line, headers, body)


@pytest.fixture
def misbehaving() -> type[Misbehaving]:
    """The class of servers that do as they are told."""
    return Misbehaving


@pytest.fixture
def reply() -> Callable[..., bytes]:
    """Make a whole HTTP response."""

    def made(status: int, body: bytes = b"", *headers: str) -> bytes:
        fields = "".join(f"{each}\r\n" for each in (*headers, f"content-length: {len(body)}", "connection: close"))
        return f"HTTP/1.1 {status} X\r\n{fields}\r\n".encode() + body

    return made


@pytest.fixture
def url(service) -> Iterator[str]:
    """Where the real scoring app on the small real bundle listens."""
    from customer_risk.serving.http.scoring_app import ScoringApp

    async def beyond(*_: object) -> None:
        raise AssertionError("nothing stands beyond")

    scoring_app = ScoringApp(beyond, Exchange(service))
    server = uvicorn.Server(uvicorn.Config(scoring_app, port=0, log_config=None, access_log=False, lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        while not server.started:
            time.sleep(0.005)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture
def ask() -> Iterator[Callable[..., RiskClient]]:
    """Make clients that retry soon; they are closed when the test ends."""
    made: list[RiskClient] = []

    def make(url: str, *, token: str | None = None, **patience: float) -> RiskClient:
        soon = Patience(**({"seconds": 120.0, "first": 0.01, "one": 60.0} | patience))
        made.append(RiskClient(url, token=token, patience=soon, for_files=soon))
        return made[-1]

    yield make
    for each in made:
        each.close()
