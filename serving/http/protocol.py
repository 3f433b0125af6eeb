"""HTTP connections with bounds on their number, their speed, the size of a request and the wait for a decision.

Written against uvicorn 0.54's HttpToolsProtocol, whose parser callbacks it follows; nothing else of uvicorn is touched.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

import httptools
import msgspec

from customer_risk.serving.contract.problem import MEDIA_TYPE, Kind, document_of, headers_of
from customer_risk.serving.errors import HeadTooLarge, MalformedBody, NotServed, Overloaded, RequestTooSlow
from customer_risk.serving.http.fast_path import Direct, DirectProtocol, Finish

if TYPE_CHECKING:
    from uvicorn.config import Config

    from customer_risk.serving.http.admission import Admission
    from customer_risk.serving.http.settings import ServerSettings

_SCORING: Final = (b"POST /ai/v1/risk ", b"POST /ai/v1/risk:batch ", b"POST /v1/models/", b"POST /v2/models/")
_SCORING_PATHS: Final = ("/ai/v1/risk", "/v1/models/", "/v2/models/")
_UNUSUAL: Final = (
    b"\r\ntransfer-encoding",
    b"\r\nexpect",
    b"\r\nconnection: close",
    b"\r\n ",
    b"\r\n\t",
)

_HOST: Final = re.compile(rb"(\[[\w.~:%-]+\]|[\w.~!$&'()*+,;=%-]*)(:[0-9]*)?")  # RFC 3986, 3.2.2 and 3.2.3

_IDLE, _HEAD, _BODY, _ANSWER = range(4)  # what a connection is waiting for; idle has had an answer before


class _Canned(NamedTuple):
    """A refusal of a connection, as a whole response. `kind` is None if nothing is to be counted."""

    kind: Kind | None
    response: bytes


def _canned(error: Exception, *headers: tuple[str, str]) -> _Canned:
    kind, document = document_of(error)
    body = msgspec.json.encode(document)
    fields = (("content-type", MEDIA_TYPE), ("content-length", str(len(body))), *headers_of(error), *headers)
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return _Canned(kind, f"HTTP/1.1 {kind.status} {kind.status.phrase}\r\n{lines}\r\n".encode() + body)


_CLOSE: Final = ("connection", "close")
_SILENT: Final = _Canned(None, b"")
_TOO_MANY: Final = Overloaded("More requests wait than can be answered in time.", remedy="Send it again later.")
_OVERLOADED: Final = _canned(_TOO_MANY)._replace(kind=None)  # counted as shed
_LAST_OVERLOADED: Final = _canned(_TOO_MANY, _CLOSE)._replace(kind=None)
_FULL: Final = _canned(Overloaded("Too many connections are open.", remedy="Close some, or try again later."), _CLOSE)
_INVALID: Final = _canned(MalformedBody("This isn't HTTP.", remedy="Send HTTP/1.1."), _CLOSE)
_LATE: Final = _canned(RequestTooSlow("The request came too slowly.", remedy="Send the whole request at once."), _CLOSE)
_TOO_LARGE: Final = _canned(HeadTooLarge("The head is too large.", remedy="Send fewer header fields."), _CLOSE)
_HOSTS: Final = _canned(
    MalformedBody("The request doesn't have one valid Host header.", remedy="Send exactly one."), _CLOSE
)
_CONNECT: Final = _canned(NotServed("CONNECT isn't served.", remedy="Send the request without a tunnel."), _CLOSE)


def _ignore(_: Kind) -> None:
    """Count nothing."""


def protocol_with(
    direct: Direct,
    finish: Finish,
    admission: Admission,
    settings: ServerSettings,
    refused: Callable[[Kind], object] = _ignore,
) -> type[GuardedProtocol]:
    """Make the protocol class of one worker; uvicorn takes classes. `refused` is called for each refused one."""
    given = {"direct": staticmethod(direct), "finish": staticmethod(finish), "refused": staticmethod(refused)}
    given |= {"admission": admission, "settings": settings, "outgoing": []}
    return type("Protocol", (GuardedProtocol,), given)


class _Stop(Exception):
    """Raised in a callback of the parser to stop it; `send_400_response` then refuses the request."""


class GuardedProtocol(DirectProtocol):
    """The direct protocol, with bounds on what a connection may do and on how long requests for decisions wait.

    An offer to upgrade the connection is ignored (RFC 9110, 7.8), and trailers are dropped (RFC 9110, 6.5.1). The bound
    on a request's header fields includes its trailers.
    """

    admission: Admission
    settings: ServerSettings
    refused: Callable[[Kind], object]
    draining = False  # of the class: responses say that the connection closes

    def __init__(self, config: Config, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        self._stage = _HEAD
        self._since = self.loop.time()  # when the current wait began
        self._taken = 0  # bytes of this head, or of this body
        self._passing = 0  # bytes still to come of a refused request's body, which isn't read
        self._queued = False
        self._fields = 0  # bytes of this request's target, header fields and trailers
        self._framing = 0  # bytes received since the last piece of this request's body
        self._hosts = 0
        self._host = b""  # the last valid value of a Host header, which needs no second check
        self._refusal = _INVALID  # the response to the request at which the parser stops
        self._stopped = False  # whether the parser has stopped: later data isn't read

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Accept a connection, or refuse it if too many are open."""
        super().connection_made(transport)
        self._closing = self.draining
        if len(self.connections) > self.settings.most_connections:
            self._refuse(_FULL)

    def data_received(self, data: bytes) -> None:
        """Parse received data; under overload, refuse a request for a decision before it is parsed."""
        if self.transport.is_closing() or self._stopped:
            return
        if self._passing:
            data, self._passing = data[self._passing :], max(0, self._passing - len(data))
            if not self._passing:
                self._send_overloaded()
            if not data:
                return
        if self._stage <= _HEAD and not self._taken:
            if data.startswith(_SCORING) and not self.admission.admits() and self._refuse_unread(data):
                return
            self._stage = _HEAD
        if self._stage == _HEAD:
            self._taken += len(data)
        self._parse(data)

    def on_message_begin(self) -> None:
        """Begin a request."""
        if self._stage != _HEAD:  # it follows another one in the same data
            self._stage, self._taken = _HEAD, 1
        self._since = self.loop.time()
        self._fields = self._hosts = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Add a part of the request's target; stop the parser past the bound on the head."""
        self._fields += len(url)
        if self._fields > self.settings.most_header_bytes:
            self._stop(_TOO_LARGE)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header field; count a trailer and drop it."""
        self._fields += len(name) + len(value) + 4
        if self._fields > self.settings.most_header_bytes:
            self._stop(_TOO_LARGE)
        if self._stage == _BODY:
            return
        name = name.lower()
        if name == b"host":
            self._hosts += 1
            if value != self._host:
                if not _HOST.fullmatch(value.strip(b" \t")):
                    self._stop(_HOSTS)
                self._host = value
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Check the head, and begin to read the body."""
        if self._hosts != 1 and (self._hosts or self.parser.get_http_version() != "1.0"):
            self._stop(_HOSTS)
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                self._stop(_CONNECT)
            return
        self._stage, self._taken, self._framing = _BODY, 0, 0
        super().on_headers_complete()
        if self._closing and self._parts is None:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Add a part of the body."""
        self._taken += len(body)
        self._framing = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Answer the request."""
        if self.parser.should_upgrade():  # only the head was parsed; `_parse` parses the request again
            return
        self._stage = _ANSWER
        directly = self._parts is not None
        super().on_message_complete()
        if self.cycle is not None and not self.cycle.response_complete:
            if not self._queued and self.cycle.scope["path"].startswith(_SCORING_PATHS):
                self._queued = True
                self.admission.queue()
            return
        if directly:
            self.admission.answered()
        self._rest()

    def on_response_complete(self) -> None:
        """Begin to wait for the connection's next request, if it hasn't begun."""
        super().on_response_complete()
        self._leave_queue()
        if self._stage == _ANSWER:
            self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection, and its request from the queue."""
        self._leave_queue()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  uvicorn gives it
        """Refuse the request at which the parser stopped, after the responses to earlier requests."""
        self._stopped = True
        if self._stage == _BODY and self.pipeline:

            async def refuse(*_: object) -> None:
                cycle.disconnected = True
                self._refuse(refusal)

            cycle, refusal = self.cycle, self._refusal
            self.pipeline[0] = (cycle, refuse)
        elif self._stage != _BODY and self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        else:
            self._refuse(_SILENT if self._answering() else self._refusal)

    def drain(self) -> None:
        """Close the connection with its next response, which says so."""
        self._closing = True
        if self.cycle is not None:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """Close the connection once its request, even a partly received one, is answered."""
        if (self._stage == _HEAD and self._taken) or self._passing:
            self._closing = True
        else:
            super().shutdown()

    def sweep(self, now: float, halted: float = 0.0) -> None:
        """Close the connection if its client is too slow or idle for too long; `now` is the event loop's time.

        For `halted` seconds nothing was read, since this process or its machine was halted: they don't count.
        """
        self._since = min(now, self._since + halted)
        if self.flow is None or self.flow.read_paused:  # this side delays the connection
            self._since = now
            return
        lasted = now - self._since
        if self._stage == _HEAD and lasted > self.settings.header_seconds:
            self._refuse(_LATE if self._taken else _SILENT)
        elif self._stage == _IDLE and lasted > self.settings.keep_alive_seconds:
            self._refuse(_SILENT)
        elif self._stage == _BODY:
            allowed = self.settings.body_seconds + self._taken / self.settings.least_body_rate
            if lasted > allowed:
                self._refuse(_SILENT if self._answering() else _LATE)

    def _parse(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._framing += len(data)
        try:
            while data:
                try:
                    self.parser.feed_data(data)
                    break
                except httptools.HttpParserUpgrade as offered:
                    # The parser ends a request that offers an upgrade before its body. Parse it without the offer.
                    data = self._head_without_upgrade() + data[offered.args[0] :]
                    # After the last request of a connection, the parser ignores data.
                    self.parser = httptools.HttpRequestParser(self)
                    self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            pending = self._taken if self._stage == _HEAD else self._framing if self._stage == _BODY else 0
            if pending > self.settings.most_header_bytes:
                self._stop(_TOO_LARGE)  # an incomplete head or trailer, or a long chunk extension
        except (httptools.HttpParserError, _Stop):
            self.send_400_response("")

    def _head_without_upgrade(self) -> bytes:
        line = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        fields = [b"%b: %b\r\n" % (name, value) for name, value in self.headers if name != b"upgrade"]
        return b"".join((line, *fields, b"\r\n"))

    def _stop(self, refusal: _Canned) -> NoReturn:
        """Stop the parser at the current request, whose response is `refusal`."""
        self._refusal = refusal
        raise _Stop

    def _answering(self) -> bool:
        """Return whether the response to a request with an incomplete body has begun."""
        by_task = self._stage == _BODY and self._parts is None and self.cycle is not None
        return by_task and bool(self.cycle.response_started)

    def _rest(self) -> None:
        self._stage, self._taken, self._passing, self._since = _IDLE, 0, 0, self.loop.time()

    def _refuse_unread(self, data: bytes) -> bool:
        """Refuse the request that `data` begins without its body; return False if this needs the parser."""
        end = data.find(b"\r\n\r\n")
        head = data[: end + 2].lower()
        if end < 0 or head.count(b"\r\ncontent-length:") != 1 or any(each in head for each in _UNUSUAL):
            return False
        if head.count(b"\n") != head.count(b"\r\n") or b" http/1.1\r\n" not in head:
            return False
        place = head.index(b"\r\ncontent-length:") + 17
        length = head[place : head.index(b"\r\n", place)].strip(b" ")
        if not length.isdigit() or len(length) > 9:
            return False
        rest = int(length) - (len(data) - end - 4)
        if rest < 0 or (self.cycle is not None and not self.cycle.response_complete):
            return False
        self._unset_keepalive_if_required()
        if rest:  # respond after the rest has arrived: many clients don't read before they have sent it
            self._stage, self._passing, self._since = _BODY, rest, self.loop.time()
        else:
            self._send_overloaded()
        return True

    def _send_overloaded(self) -> None:
        self.server_state.total_requests += 1
        if self._closing:
            self._refuse(_LAST_OVERLOADED)
            return
        self.send(_OVERLOADED.response)
        self._rest()  # `sweep` closes an idle connection; a timer would cost more than the rest of this method

    def _refuse(self, refusal: _Canned) -> None:
        """Send a refusal and close the connection."""
        if refusal.kind is not None:
            self.refused(refusal.kind)
        self._unset_keepalive_if_required()
        self._stage, self._since = _ANSWER, self.loop.time()
        self.flush()
        if not self.transport.is_closing():
            self.transport.write(refusal.response)
            self.transport.close()

    def _leave_queue(self) -> None:
        if self._queued:
            self._queued = False
            self.admission.leave()
