"""An issuer: its keys, the tokens that it signs, and its key set in a file and at a URL."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest

from customer_risk.serving.auth.settings import AuthSettings

ISSUER, AUDIENCE = "https://issuer.example/", "customer-risk"


@pytest.fixture(scope="session")
def claims():
    """Make a valid token's claims; None leaves a claim out."""

    def made(**other: Any) -> dict[str, Any]:
        now = int(time.time())
        sound = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 300, "azp": "pay", "scope": "score"}
        return {name: value for name, value in {**sound, **other}.items() if value is not None}

    return made


@pytest.fixture(scope="session")
def sign(rsa_key, claims):
    """Sign a token, valid by default; `kid=None` names no key."""

    def signed(key: Any = rsa_key, algorithm: str = "RS256", kid: str | None = "rsa", **other: Any) -> str:
        payload = json.dumps(claims(**other)).encode()  # jwt.encode would refuse some of the odd ones
        return jwt.api_jws.encode(payload, key, algorithm, {"typ": "JWT"} if kid is None else {"kid": kid})

    return signed


@pytest.fixture
def settings(key_set, tmp_path) -> AuthSettings:
    """Settings with the issuer's key set in a file."""
    path = tmp_path / "jwks.json"
    path.write_bytes(key_set)
    return AuthSettings(enabled=True, issuer=ISSUER, audience=AUDIENCE, jwks=str(path))


class Issuer:
    """A real HTTP server of a key set: counts its responses, and can be changed, slowed down and stopped."""

    def __init__(self, body: bytes) -> None:
        """Listen on a free port of this machine."""
        self.body, self.status, self.headers, self.seconds, self.answers = body, 200, {}, 0.0, 0
        self._listen(0)
        self.url = f"http://127.0.0.1:{self._server.server_port}/keys"

    def go(self) -> None:
        """Stop: connections are refused."""
        self.gone.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def encrypt(self, encryption: ssl.SSLContext) -> None:
        """Use TLS from now on."""
        self._server.socket = encryption.wrap_socket(self._server.socket, server_side=True)
        self.url = self.url.replace("http:", "https:")

    def come_back(self) -> None:
        """Listen on the same port again."""
        self._listen(self._server.server_port)

    def _listen(self, port: int) -> None:
        issuer = self
        self.gone = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.answers += 1
                issuer.gone.wait(issuer.seconds)
                with contextlib.suppress(OSError):  # the reader may have had enough
                    self.send_response(issuer.status)
                    for name, value in issuer.headers.items():
                        self.send_header(name, value)
                    self.send_header("content-length", str(len(issuer.body)))
                    self.end_headers()
                    self.wfile.write(issuer.body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()


@pytest.fixture
def issuer(key_set):
    """The issuer at a URL."""
    up = Issuer(key_set)
    yield up
    up.go()


@pytest.fixture
def by_url(issuer) -> AuthSettings:
    """Settings with the issuer's key set at its URL."""
    return AuthSettings(enabled=True, issuer=ISSUER, audience=AUDIENCE, jwks=issuer.url)
