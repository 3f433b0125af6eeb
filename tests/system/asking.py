"""Asking a server as its clients do, on a machine of whatever speed: refusals for overload are obeyed and counted."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, Any

import httpx2
import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

PATIENCE = 600  # seconds: a guard against what never ends; compiling from nothing on a busy machine included
ATTEMPTS = 100  # of one request: a guard against a server that refuses for good
OVERLOADED = "urn:problem-type:customer-risk:overloaded"
WAITING = "More requests wait than can be answered in time."  # a store that is away is told as overload too


def come_back(status: int, headers: Mapping[str, str], content: bytes) -> float:
    """Return the seconds after which the server wants an overloaded request again; 0 where it says no such thing.

    A server refuses by the clock: a machine that halts it for a moment suffices. Every other refusal, and one without
    Retry-After, is a fault or what a test is about.
    """
    if status != 503 or not headers.get("retry-after", "").isdigit():
        return 0.0
    try:
        problem = msgspec.json.decode(content)
    except msgspec.DecodeError:
        return 0.0
    if not isinstance(problem, dict):
        return 0.0
    declared = problem.get("type") == OVERLOADED and str(problem.get("detail")).startswith(WAITING)
    return float(headers["retry-after"]) if declared else 0.0


class Heeding(httpx2.BaseTransport):
    """A transport that sends a request again as long as the server is overloaded and says when to come back."""

    def __init__(self) -> None:
        # No certificates: the servers here speak no TLS, and reading them takes longer than a request.
        self._under = httpx2.HTTPTransport(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        self.again = 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request, again where it is refused for overload; return what the last attempt got."""
        request.read()
        for _ in range(ATTEMPTS):
            response = self._under.handle_request(request)
            if response.status_code != 503:
                break
            wait = come_back(response.status_code, response.headers, response.read())
            if not wait:
                break
            self.again += 1
            time.sleep(wait)
        return response

    def close(self) -> None:
        """Close all connections."""
        self._under.close()


def ask(method: str, url: str, **options: Any) -> httpx2.Response:
    """Send one request on a connection of its own; an overloaded server is asked again."""
    with httpx2.Client(transport=Heeding(), timeout=PATIENCE) as client:
        return client.request(method, url, **options)
