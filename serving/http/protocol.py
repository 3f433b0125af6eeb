"""HTTP connections with bounds on their number, their speed, the size of a request and the wait for a decision.

Written against uvicorn 0.54's HttpToolsProtocol, whose parser callbacks it follows; nothing else of uvicorn is touched.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn
from urllib.parse import unquote

import httptools

from customer_risk.serving.contract.problem import Kind, kind_of
from customer_risk.serving.errors import HeadTooLarge, MalformedBody, NotServed, Overloaded, RequestTooSlow
from customer_risk.serving.http.admission import overloaded
from customer_risk.serving.http.connections import Admitted
from customer_risk.serving.http.endpoints.admin import PATH as ADMIN_PATH
from customer_risk.serving.http.endpoints.metrics import PATH as METRICS_PATH
from customer_risk.serving.http.fast_path import RISK_TARGET, Direct, DirectProtocol, Finish
from customer_risk.serving.http.responses import refusal_of, respond
from customer_risk.serving.http.scoring_app import LIVE_PATH

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from customer_risk.serving.http.admission import Admission
    from customer_risk.serving.http.body import Receive, Scope, Send
    from customer_risk.serving.http.budget import Budget, Held
    from customer_risk.serving.http.connections import Connections
    from customer_risk.serving.http.responses import Response
    from customer_risk.serving.http.settings import ServerSettings

_HOST: Final = re.compile(rb"(\[[\w.~:%-]+\]|[\w.~!$&'()*+,;=%-]*)(:[0-9]*)?")  # RFC 3986, 3.2.2 and 3.2.3

_IDLE, _HEAD, _BODY, _ANSWER = range(4)  # what a connection is waiting for; idle has had an answer before

# Paths that are answered under overload: probes, metrics and administration.
_ALWAYS: Final = frozenset((LIVE_PATH, "/v2/health/live", "/v2/health/ready", METRICS_PATH))
_MOST_PIPELINED: Final = 64  # unanswered requests of one connection; each takes some kilobytes


class _Canned(NamedTuple):
    """A refusal of a connection, as a whole response. `kind` is None if nothing is to be counted."""

    kind: Kind | None
    response: bytes


def _canned(error: Exception, *headers: tuple[str, str]) -> _Canned:
    kind, response = kind_of(error), refusal_of(error)
    fields = (
        ("content-type", response.media_type),
        ("content-length", str(len(response.body))),
        *response.headers,
        *headers,
    )
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return _Canned(kind, f"HTTP/1.1 {kind.status} {kind.status.phrase}\r\n{lines}\r\n".encode() + response.body)


_CLOSE: Final = ("connection", "close")
_SILENT: Final = _Canned(None, b"")
_TOO_MANY: Final = overloaded()
_OVERLOADED: Final = _canned(_TOO_MANY)._replace(kind=None)  # counted as shed
_LAST_OVERLOADED: Final = _canned(_TOO_MANY, _CLOSE)._replace(kind=None)
_FULL: Final = _canned(Overloaded("Too many connections are open.", remedy="Close some, or try again later."), _CLOSE)
_BODIES: Final = _canned(
    Overloaded("Too many incomplete requests are open.", remedy="Send each request at once, or try again later."),
    _CLOSE,
)
_INVALID: Final = _canned(MalformedBody("This isn't HTTP.", remedy="Send HTTP/1.1."), _CLOSE)
_LATE: Final = _canned(RequestTooSlow("The request came too slowly.", remedy="Send the whole request at once."), _CLOSE)
_TOO_LARGE: Final = _canned(HeadTooLarge("The head is too large.", remedy="Send fewer header fields."), _CLOSE)
_HOSTS: Final = _canned(
    MalformedBody("The request doesn't have one valid Host header.", remedy="Send exactly one."), _CLOSE
)
_CONNECT: Final = _canned(NotServed("CONNECT isn't served.", remedy="Send the request without a tunnel."), _CLOSE)


def _ignore(_: Kind) -> None:
    """Count nothing."""


def _through_asgi(*_: object) -> None:
    """Answer no request directly."""


def _nothing(_: object) -> list[Response]:
    """Return no response, as there is no outcome."""
    return []


async def _tell_overloaded(_: Scope, __: Receive, send: Send) -> None:
    await respond(send, refusal_of(_TOO_MANY))


class Bounds(NamedTuple):
    """What bounds the connections of one worker."""

    admission: Admission
    connections: Connections
    budget: Budget
    settings: ServerSettings


def protocol_with(
    bounds: Bounds,
    direct: Direct = _through_asgi,
    finish: Finish = _nothing,
    refused: Callable[[Kind], object] = _ignore,
) -> type[GuardedProtocol]:
    """Return the protocol class of one server in one worker; uvicorn needs a class.

    `refused` is called for each request that is refused before the application gets it.
    """
    given = {"direct": staticmethod(direct), "finish": staticmethod(finish), "refused": staticmethod(refused)}
    given |= {"bounds": bounds, "settings": bounds.settings, "outgoing": []}
    return type("Protocol", (GuardedProtocol,), given)


class _Stop(Exception):
    """Raised in a callback of the parser to stop it; `send_400_response` then refuses the request."""


class GuardedProtocol(DirectProtocol):
    """The direct protocol, with bounds on what a connection may do and on how long requests wait.

    Under overload, requests are refused once their head is parsed, except those of probes, for metrics and for
    administration. An offer to upgrade the connection is ignored (RFC 9110, 7.8), and trailers are dropped (RFC 9110,
    6.5.1). The bound on a request's header fields includes its trailers.
    """

    bounds: Bounds
    settings: ServerSettings
    refused: Callable[[Kind], object]
    draining = False  # of the class: responses say that the connection closes

    def __init__(self, config: Config, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        self._stage = _HEAD
        self._since = self.loop.time()  # when the current wait began
        self._taken = 0  # bytes of this head, or of this body
        self._admitted = Admitted.ALL
        self._peer = ""
        self._held: Held | None = None  # the bytes of incomplete requests
        self._shed = False  # whether the current request is refused, and its body dropped
        self._told = False  # whether that was sent before the body had arrived
        self._turn = -1  # of the event loop, in which the last request came
        self._queues = False  # whether the current request, in a task, makes others wait
        self._queued = False
        self._answered: RequestResponseCycle | None = None  # the request that the application has, or had last
        self._fields = 0  # bytes of this request's target, header fields and trailers
        self._framing = 0  # bytes received since the last piece of this request's body
        self._hosts = 0
        self._host = b""  # the last valid value of a Host header, which needs no second check
        self._refusal = _INVALID  # the response to the request at which the parser stops
        self._stopped = False  # whether the parser has stopped: later data isn't read
        self._kept_alive = False  # whether the connection stays open if the body that a request announced comes
        self._unread_since: float | None = None  # when the client was first found to take no response

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Accept a connection, or refuse it if too many are open."""
        super().connection_made(transport)
        self._closing = self.draining
        self._peer = self.client[0] if self.client else ""
        self._admitted = self.bounds.connections.enter(self, self._peer)
        if self._admitted is Admitted.NOTHING:
            self._refuse(_FULL)
        elif self._admitted is Admitted.PROBES:  # for one request: a client that then sends slowly doesn't keep it
            self._closing = True

    def evict(self) -> None:
        """Close the connection, which waits for a request, to make room for another."""
        self._refuse(_SILENT)

    def data_received(self, data: bytes) -> None:
        """Parse received data."""
        if self.transport.is_closing() or self._stopped:
            return
        if self._stage <= _HEAD:
            self._stage = _HEAD
            self._taken += len(data)
        self._parse(data)
        self._hold()

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
        self._queues = self.url == RISK_TARGET or not _always(self.url)
        if self._queues and self._admitted is Admitted.PROBES:
            self._stop(_FULL)
        admits = not self._queues or self._admits()
        if not admits and self.expect_100_continue:  # its body isn't sent before a response
            self._stop(_LAST_OVERLOADED)
        self._stage, self._taken, self._framing = _BODY, 0, 0
        self.bounds.connections.work(self, self._peer)
        if admits:
            super().on_headers_complete()
        else:
            self._refuse_overloaded()
        if self._closing and self._parts is None and self.cycle is not None:
            self.cycle.keep_alive = False
        if self.expect_100_continue and self.cycle is not None:
            # Its body may not come after a response: the next request would be read as this one's body.
            self._kept_alive, self.cycle.keep_alive = self.cycle.keep_alive, False

    def on_body(self, body: bytes) -> None:
        """Add a part of the body."""
        self._taken += len(body)
        self._framing = 0
        self._keep_alive_with_body()
        if not self._shed:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Answer the request."""
        if self.parser.should_upgrade():  # only the head was parsed; `_parse` parses the request again
            return
        self._stage = _ANSWER
        self._keep_alive_with_body()
        if self._shed:
            self._shed = False
            if not self._told:
                self._send_overloaded()
            if self._last():
                self._stop(_SILENT)
            self._rest()
            return
        directly = self._parts is not None
        super().on_message_complete()
        if self.cycle is not None and not self.cycle.response_complete:
            if len(self.pipeline) >= _MOST_PIPELINED:
                self._stop(_BODIES)
            if not self._queued and self._queues:
                self._queued = True
                self.bounds.admission.queue()
            return
        if directly:
            self.bounds.admission.answered()
        self._rest()

    def on_response_complete(self) -> None:
        """Begin to wait for the connection's next request, if it hasn't begun."""
        super().on_response_complete()
        self._leave_queue()
        self._hold()
        if self._stage == _ANSWER and self.cycle.response_complete:  # no further request waits for its response
            self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection, its bytes, and its request from the queue."""
        self._leave_queue()
        self.bounds.connections.leave(self, self._peer)
        if self._held is not None:
            self._held.release()
        if self._answered is not None:  # uvicorn notes it at the last request only
            self._answered.disconnected = True
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
        if (self._stage == _HEAD and self._taken) or self._shed or self._kept_alive:
            self._closing = True
        else:
            super().shutdown()

    def sweep(self, now: float, halted: float = 0.0) -> None:
        """Close the connection if its client is too slow or idle for too long; `now` is the event loop's time.

        For `halted` seconds nothing was read, since this process or its machine was halted: they don't count.
        """
        self._since = min(now, self._since + halted)
        if self._unread(now, halted):
            self.transport.abort()
            return
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

    def _keep_alive_with_body(self) -> None:
        """Let the connection stay open after the response to a request with `Expect`, as its body has come."""
        if self._kept_alive:
            self._kept_alive = False
            self.cycle.keep_alive = not self._closing

    def _unread(self, now: float, halted: float) -> bool:
        """Return whether the client has read too little of the responses for too long."""
        if self.flow is None or not (self.flow.write_paused or self.transport.is_closing()):
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = now
        else:
            self._unread_since = min(now, self._unread_since + halted)
            return now - self._unread_since > self.settings.body_seconds
        return False

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

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
        if self._shed:
            return self._told
        by_task = self._stage == _BODY and self._parts is None and self.cycle is not None
        return by_task and bool(self.cycle.response_started)

    def _rest(self) -> None:
        self._stage, self._taken, self._since = _IDLE, 0, self.loop.time()
        self.bounds.connections.wait(self, self._peer)

    def _hold(self) -> None:
        """Hold the bytes of requests that aren't complete, or not taken by the application yet, within the budget."""
        size = self._taken if self._parts else 0
        if self.cycle is not None and not self.cycle.response_complete:
            size += len(self.cycle.body)
        if not size and self._held is None:
            return
        if self._held is None:
            self._held = self.bounds.budget.hold(self._peer)
        try:
            self._held.grow(size)
        except Overloaded:
            self._refusal = _BODIES
            self.send_400_response("")

    def _admits(self) -> bool:
        admission = self.bounds.admission
        again, self._turn = self._turn == admission.turns, admission.turns
        return admission.admits(again=again)

    def _refuse_overloaded(self) -> None:
        """Refuse the request whose head was parsed, and drop its body.

        The response to a small body is sent after it, since many clients read no response before they have sent a
        request, and some close the connection at an earlier one.
        """
        if not self._alone():  # the responses to earlier requests come first
            answering, self.app = self.app, _tell_overloaded
            super().on_headers_complete()
            self.app = answering
            return
        self._shed, self._told = True, not self._moderate()
        if self._told:
            self._send_overloaded()

    def _send_overloaded(self) -> None:
        self.server_state.total_requests += 1
        self.send((_LAST_OVERLOADED if self._last() else _OVERLOADED).response)

    def _last(self) -> bool:
        """Return whether the connection closes after the response to the current request."""
        return self._closing or not self.parser.should_keep_alive()

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
            self.bounds.admission.leave()


def _always(target: bytes) -> bool:
    """Return whether a request's target is answered under overload; raises HttpParserError for an invalid one."""
    path = unquote((httptools.parse_url(target).path or b"").decode("latin-1"))
    return path in _ALWAYS or path.startswith(ADMIN_PATH)
