"""HTTP connections that answer a request for a decision as soon as its body is complete.

ASGI's scope, task, event and four coroutines take a third of the time of an answer. Therefore the parser passes such
requests directly to the scoring application. Other requests, and those that must wait, go through ASGI.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from customer_risk.serving.exchange.outcome import Outcome
from customer_risk.serving.http.responses import Response
from customer_risk.serving.http.scoring_app import MOST_DIRECT_BYTES, RISK_PATH

if TYPE_CHECKING:
    from uvicorn.config import Config

    from customer_risk.serving.http.scoring_app import Headers

Direct = Callable[["Headers", bytes], Outcome | None]
Finish = Callable[[Sequence[Outcome]], list[Response]]

RISK_TARGET: Final = RISK_PATH.encode()
_STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_OK: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"


def protocol_with(direct: Direct, finish: Finish) -> type[DirectProtocol]:
    """Return the protocol class that answers with `direct` and `finish`; uvicorn needs a class."""
    given = {"direct": staticmethod(direct), "finish": staticmethod(finish), "outgoing": []}
    return type("Protocol", (DirectProtocol,), given)


class DirectProtocol(HttpToolsProtocol):
    """Uvicorn's protocol, except that `POST /ai/v1/risk` doesn't go through ASGI.

    The responses of one turn of the event loop are sent together at its end. Sending wakes a client, which takes a
    sender on the same machine a third of the time of an answer.
    """

    direct: Direct
    finish: Finish  # makes the outcomes of this turn final
    # On the class: what to send at the end of this turn, and whether the connection closes afterwards
    outgoing: list[tuple[asyncio.Transport, Outcome | bytes, bool]]

    def __init__(self, config: Config, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        self._parts: list[bytes] | None = None  # of a body that will be answered directly
        self._closing = False

    def on_message_begin(self) -> None:
        """Begin a request; uvicorn's scope is created only for requests that need it."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._parts = None

    def on_headers_complete(self) -> None:
        """Choose the direct path for a decision whose body has a known, moderate length, else ASGI."""
        if self.url == RISK_TARGET and self._alone() and self.parser.get_method() == b"POST" and self._moderate():
            self._parts = []
        else:
            self._begin()

    def on_body(self, body: bytes) -> None:
        """Add a part of the body."""
        if self._parts is None:
            super().on_body(body)
        else:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        """Answer the request."""
        if self._parts is None:
            super().on_message_complete()
            return
        body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        outcome = self.direct(self.headers, body)
        if outcome is None:
            self._begin()
            super().on_body(body)
            super().on_message_complete()
        else:
            self._write(outcome)
        self._parts = None

    def shutdown(self) -> None:
        """Close the connection once the current request is answered."""
        self.flush()
        if self._parts is None:
            super().shutdown()
        else:
            self._closing = True

    def _begin(self) -> None:
        """Pass the request, whose head is complete, to uvicorn."""
        url, headers, expected, self._parts = self.url, self.headers, self.expect_100_continue, None
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expected
        self.headers += headers
        super().on_headers_complete()

    def _alone(self) -> bool:
        """Return whether this connection has no unanswered request and no unsent data."""
        return (self.cycle is None or self.cycle.response_complete) and not self.flow.write_paused

    def _moderate(self) -> bool:
        length = b""
        for name, value in self.headers:
            if name == b"content-length":
                length = value
            elif name in {b"transfer-encoding", b"expect"}:
                return False
        return length.isdigit() and int(length) <= MOST_DIRECT_BYTES

    def _write(self, outcome: Outcome) -> None:
        closing = self._closing or not self.parser.should_keep_alive()
        self.send(outcome, closing=closing)
        self.server_state.total_requests += 1
        if closing:
            self.flush()
            self.transport.close()

    def _whole(self, response: Response, *, closing: bool) -> bytes:
        if response.status == 200:
            head = [_OK % len(response.body)]
        else:
            fields = (("content-type", response.media_type), ("content-length", len(response.body)), *response.headers)
            head = [_STATUS_LINES[response.status], *[f"{name}: {value}\r\n".encode() for name, value in fields]]
        head += [b"%b: %b\r\n" % field for field in self.server_state.default_headers]
        head.append(b"connection: close\r\n\r\n" if closing else b"\r\n")
        return b"".join((*head, response.body))

    def send(self, content: Outcome | bytes, *, closing: bool = False) -> None:
        """Send an outcome, once final, or a complete response at the end of this turn of the event loop."""
        if not self.outgoing:
            self.loop.call_soon(self.flush)
        self.outgoing.append((self.transport, content, closing))

    def flush(self) -> None:
        """Make the outcomes of this turn so far final, then send the responses, on all connections."""
        if not self.outgoing:
            return
        outgoing = self.outgoing.copy()
        self.outgoing.clear()
        outcomes = [content for _, content, _ in outgoing if not isinstance(content, bytes)]
        responses = iter(self.finish(outcomes) if outcomes else ())
        for transport, content, closing in outgoing:
            transport.write(content if isinstance(content, bytes) else self._whole(next(responses), closing=closing))
