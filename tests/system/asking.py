"""Send requests as the service's clients do: one that is refused for overload is sent again, on slow machines too."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, Any

import httpx2
import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

PATIENCE = 600  # seconds after which a test gives up, compiling from nothing on a busy machine included
ATTEMPTS = 100  # of one request, so that a test ends if the server never stops refusing
OVERLOADED = "urn:problem-type:customer-risk:overloaded"
WAITING = "More requests are waiting than can be answered in time."  # a store that doesn't answer has the same type


def come_back(status: int, headers: Mapping[str, str], content: bytes) -> float:
    """Return the seconds that the server asks to wait after a refusal for overload; 0 for every other response.

    A server refuses requests that have waited too long, so a machine that halts it for a moment causes refusals. Every
    other refusal, and one without Retry-After, is either a fault or the subject of a test.
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
    """A transport that sends a request again while the server is overloaded and sends Retry-After; `again` counts."""

    def __init__(self) -> None:
        # Load no certificates: the servers here don't use TLS, and loading takes longer than a request.
        self._under = httpx2.HTTPTransport(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        self.again = 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request, and again if it is refused for overload; return the response to the last attempt."""
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
    """Send one request on a connection of its own, and again while the server is overloaded."""
    with httpx2.Client(transport=Heeding(), timeout=PATIENCE) as client:
        return client.request(method, url, **options)
