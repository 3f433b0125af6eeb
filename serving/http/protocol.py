"""HTTP connections with bounds on their number, their speed, the size of a request and the wait for a decision.

It follows the parser callbacks of HttpToolsProtocol in uvicorn 0.54, and changes nothing else of uvicorn.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn
from urllib.parse import unquote

import httptools

from customer_risk.serving.contract.kserve_problem import is_of_kserve
from customer_risk.serving.contract.problem import Kind, kind_of
from customer_risk.serving.errors import HeadTooLarge, MalformedBody, NotServed, Overloaded, RequestTooSlow
from customer_risk.serving.http.admission import overloaded
from customer_risk.serving.http.connections import Admitted
from customer_risk.serving.http.endpoints.admin import PATH as ADMIN_PATH
from customer_risk.serving.http.endpoints.counters import PATH as COUNTERS_PATH
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

_IDLE, _HEAD, _BODY, _ANSWER = range(4)  # what a connection waits for; an idle one has had a response

# Paths that admission never refuses: probes, metrics and counters. The paths of administration begin with ADMIN_PATH.
_EXEMPT_PATHS: Final = frozenset((LIVE_PATH, "/v2/health/live", "/v2/health/ready", METRICS_PATH, COUNTERS_PATH))
_MOST_PIPELINED: Final = 64  # waiting requests of one connection; each takes some kilobytes


class _Canned(NamedTuple):
    """A refusal of a connection, as a complete response. `kind` is None if it isn't counted.

    `of_kserve` is the response to requests of KServe's protocols.
    """

    kind: Kind | None
    response: bytes
    of_kserve: bytes

    def at(self, target: bytes | None) -> bytes:
        """Return the response to a request with this target; None or empty if the target isn't known."""
        if not target or target == RISK_TARGET:
            return self.response
        try:
            return self.of_kserve if is_of_kserve(_path_of(target)) else self.response
        except httptools.HttpParserError:
            return self.response


def _canned(error: Exception, *headers: tuple[str, str]) -> _Canned:
    kind = kind_of(error)
    return _Canned(kind, _whole(kind, refusal_of(error), headers), _whole(kind, refusal_of(error, "/v2"), headers))


def _whole(kind: Kind, response: Response, headers: tuple[tuple[str, str], ...]) -> bytes:
    fields = (
        ("content-type", response.media_type),
        ("content-length", str(len(response.body))),
        *response.headers,
        *headers,
    )
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"HTTP/1.1 {kind.status} {kind.status.phrase}\r\n{lines}\r\n".encode() + response.body


_CLOSE: Final = ("connection", "close")
_SILENT: Final = _Canned(None, b"", b"")
_TOO_MANY: Final = overloaded()
_OVERLOADED: Final = _canned(_TOO_MANY)._replace(kind=None)  # counted as shed
_LAST_OVERLOADED: Final = _canned(_TOO_MANY, _CLOSE)._replace(kind=None)
_FULL: Final = _canned(Overloaded("Too many connections are open.", remedy="Close some, or try again later."), _CLOSE)
_UNANSWERED: Final = _canned(
    Overloaded("Too many requests are incomplete or unanswered.", remedy="Send fewer at a time, or try again later."),
    _CLOSE,
)
_INVALID: Final = _canned(MalformedBody("This isn't HTTP.", remedy="Send HTTP/1.1."), _CLOSE)
_LATE: Final = _canned(
    RequestTooSlow("The request arrived too slowly.", remedy="Send the whole request at once."), _CLOSE
)
_TOO_LARGE: Final = _canned(HeadTooLarge("The header is too large.", remedy="Send fewer header fields."), _CLOSE)
_HOSTS: Final = _canned(
    MalformedBody("The request doesn't have one valid Host header.", remedy="Send exactly one."), _CLOSE
)
_CONNECT: Final = _canned(NotServed("CONNECT isn't served.", remedy="Send the request without a tunnel."), _CLOSE)


def _ignore(_: Kind) -> None:
    """Count nothing."""


def _never_directly(*_: object) -> None:
    """Return None, so that every request goes through ASGI."""


def _no_responses(_: object) -> list[Response]:
    """Return an empty list: without direct answers there are no outcomes."""
    return []


async def _respond_overloaded(scope: Scope, _: Receive, send: Send) -> None:
    await respond(send, refusal_of(_TOO_MANY, scope["path"]))


class Bounds(NamedTuple):
    """The bounds on the connections of one server in one worker."""

    admission: Admission
    connections: Connections
    budget: Budget
    settings: ServerSettings


def protocol_with(
    bounds: Bounds,
    direct: Direct = _never_directly,
    finish: Finish = _no_responses,
    refused: Callable[[Kind], object] = _ignore,
) -> type[GuardedProtocol]:
    """Return the protocol class of one server in one worker; uvicorn needs a class.

    `direct` and `finish` answer decisions without ASGI. `refused` is called with the kind of each refusal that closes
    the connection before the application gets the request.
    """
    given = {"direct": staticmethod(direct), "finish": staticmethod(finish), "refused": staticmethod(refused)}
    given |= {"bounds": bounds, "settings": bounds.settings, "outgoing": []}
    return type("Protocol", (GuardedProtocol,), given)


class _Stop(Exception):
    """Raised in a callback of the parser to stop it; `send_400_response` then refuses the request."""


class GuardedProtocol(DirectProtocol):
    """The direct protocol, with bounds on what a connection may do and on how long requests wait.

    Under overload, a request is refused once its head is parsed, except probes, metrics and administration. An offer to
    upgrade the connection is ignored (RFC 9110, 7.8), and trailers are dropped (RFC 9110, 6.5.1). The bound on a
    request's header fields includes its trailers.
    """

    bounds: Bounds
    settings: ServerSettings
    refused: Callable[[Kind], object]
    draining = False  # set on the class: responses announce that the connection closes

    def __init__(self, config: Config, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        self.url = b""  # uvicorn sets it at the first byte of a request
        self._stage = _HEAD
        self._since = self.loop.time()  # when the current wait began
        self._taken = 0  # received bytes of the head, or of the body
        self._admitted = Admitted.ALL
        self._peer = ""
        self._held: Held | None = None  # the bytes that this connection holds of its worker's budget
        self._shed = False  # whether the current request is refused for overload, and its body dropped
        self._refusal_sent = False  # whether its refusal was sent before its body had arrived
        self._turn = -1  # the turn of the event loop in which the last request came
        self._sheddable = False  # whether admission may refuse the current request, and counts it
        self._queued = False
        self._answered: RequestResponseCycle | None = None  # the request that the application has, or had last
        self._fields = 0  # bytes of this request's target, header fields and trailers
        self._framing = 0  # bytes received since the last piece of this request's body
        self._hosts = 0
        self._host = b""  # the last valid value of a Host header, which needs no second check
        self._refusal = _INVALID  # the response to the request at which the parser stops
        self._stopped = False  # whether the parser has stopped: later data isn't read
        self._kept_alive = False  # whether the connection stays open if the body of a request with `Expect` arrives
        self._unread_since: float | None = None  # when the client was first found not to read a response

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Accept a connection, or refuse it if too many are open."""
        super().connection_made(transport)
        self._closing = self.draining
        self._peer = self.client[0] if self.client else ""
        self._admitted = self.bounds.connections.add(self, self._peer)
        if self._admitted is Admitted.NOTHING:
            self._refuse(_FULL)
        elif self._admitted is Admitted.PROBES:  # for one request: a slow client can't keep it
            self._closing = True

    def evict(self) -> None:
        """Close the connection, which waits for a request, so that another one can be opened."""
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
        self._sheddable = self.url == RISK_TARGET or not _is_exempt(self.url)
        if self._sheddable and self._admitted is Admitted.PROBES:
            self._stop(_FULL)
        admits = not self._sheddable or self._admits()
        if not admits and self.expect_100_continue:  # the client sends no body before it gets a response
            self._stop(_LAST_OVERLOADED)
        self._stage, self._taken, self._framing = _BODY, 0, 0
        self.bounds.connections.mark_busy(self, self._peer)
        if admits:
            super().on_headers_complete()
        else:
            self._refuse_overloaded()
        if self._closing and self._parts is None and self.cycle is not None:
            self.cycle.keep_alive = False
        if self.expect_100_continue and self.cycle is not None:
            # The client may send no body after a response. The next request would then be read as this body.
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
            if not self._refusal_sent:
                self._send_overloaded()
            if self._closes_afterwards():
                self._stop(_SILENT)
            self._rest()
            return
        directly = self._parts is not None
        super().on_message_complete()
        if self.cycle is not None and not self.cycle.response_complete:
            if len(self.pipeline) >= _MOST_PIPELINED:
                self._stop(_UNANSWERED)
            if not self._queued and self._sheddable:
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
        """Remove the connection and its queued request, and release its bytes."""
        self._leave_queue()
        self.bounds.connections.remove(self, self._peer)
        if self._held is not None:
            self._held.release()
        if self._answered is not None:  # uvicorn notes it only at the last request
            self._answered.disconnected = True
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  uvicorn passes it
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
        """Close the connection after its next response, which announces it."""
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

        `halted` seconds don't count: this process or its machine was halted, and read nothing.
        """
        self._since = min(now, self._since + halted)
        if self._unread(now, halted):
            self.transport.abort()
            return
        if self.flow is None or self.flow.read_paused:  # this server delays the connection
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
        """Keep the connection open after the response to a request with `Expect`, since its body has arrived."""
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
            return self._refusal_sent
        by_task = self._stage == _BODY and self._parts is None and self.cycle is not None
        return by_task and bool(self.cycle.response_started)

    def _rest(self) -> None:
        self._stage, self._taken, self._since = _IDLE, 0, self.loop.time()
        self.bounds.connections.mark_waiting(self, self._peer)

    def _hold(self) -> None:
        """Hold the bytes of bodies that the application hasn't received yet; refuse the request beyond the budget."""
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
            self._refusal = _UNANSWERED
            self.send_400_response("")

    def _admits(self) -> bool:
        """Return whether admission admits the current request."""
        admission = self.bounds.admission
        again, self._turn = self._turn == admission.turns, admission.turns
        return admission.admits(directly=self.url == RISK_TARGET, again=again)

    def _refuse_overloaded(self) -> None:
        """Refuse the request whose head was parsed, and drop its body.

        If the body is small, the response is sent after the body has arrived: many clients read no response until they
        have sent the whole request, and some close the connection if a response arrives earlier.
        """
        if not self._alone():  # send the responses to earlier requests first
            answering, self.app = self.app, _respond_overloaded
            super().on_headers_complete()
            self.app = answering
            return
        self._shed, self._refusal_sent = True, not self._moderate()
        if self._refusal_sent:
            self._send_overloaded()

    def _send_overloaded(self) -> None:
        self.server_state.total_requests += 1
        self.send((_LAST_OVERLOADED if self._closes_afterwards() else _OVERLOADED).at(self.url))

    def _closes_afterwards(self) -> bool:
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
            self.transport.write(refusal.at(self.url))
            self.transport.close()

    def _leave_queue(self) -> None:
        if self._queued:
            self._queued = False
            self.bounds.admission.leave()


def _is_exempt(target: bytes) -> bool:
    """Return whether admission never refuses a request with this target; raises HttpParserError if it is invalid."""
    path = _path_of(target)
    return path in _EXEMPT_PATHS or path.startswith(ADMIN_PATH)


def _path_of(target: bytes) -> str:
    """Return the path of a request's target; raises HttpParserError if the target is invalid."""
    return unquote((httptools.parse_url(target).path or b"").decode("latin-1"))
