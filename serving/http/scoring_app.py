"""The outermost ASGI application: it answers the scoring paths, and passes other paths to endpoints and KServe."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import msgspec

from customer_risk.serving.auth.access import authorization_of, work_of
from customer_risk.serving.auth.caller import LOCAL, Caller, Permission
from customer_risk.serving.contract.batch import BatchAnswer, BatchItem, read_items
from customer_risk.serving.contract.trace import HEADER, Trace, trace_of
from customer_risk.serving.errors import WrongMethod
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.exchange.outcome import NotAnswered, Outcome, Refused, RequestContext, current
from customer_risk.serving.http.body import (
    MOST_BATCH_BYTES,
    ClientDisconnected,
    Message,
    Receive,
    Scope,
    Send,
    bounded,
    header,
    read_body,
    require_json,
)
from customer_risk.serving.http.budget import Budget, Held, client_of
from customer_risk.serving.http.responses import Response, respond, response_of
from customer_risk.serving.offload import MOST_ON_LOOP, Turns
from customer_risk.serving.store.idempotency import Idempotency

RISK_PATH: Final = "/ai/v1/risk"
BATCH_PATH: Final = "/ai/v1/risk:batch"
LIVE_PATH: Final = "/healthz"
MOST_DIRECT_BYTES: Final = MOST_ON_LOOP
_NOT_DIRECT: Final = frozenset((b"idempotency-key", b"content-encoding"))  # headers that only ASGI reads

_ROUTES: Final = (
    ("/ai/v1/risk/jobs", "/ai/v1/risk/jobs"),
    ("/ai/v1/admin", "/ai/v1/admin"),
    ("/ai/v1/counters", "/ai/v1/counters"),
    ("/ai/v1/", "/ai/v1/docs"),
    ("/v1/models", "/v1/models"),
    ("/v2", "/v2/models"),
)

Headers = Sequence[tuple[bytes, bytes]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
_Answer = Callable[[Scope, Receive, RequestContext, Held], Awaitable[Response]]
_encode: Final = msgspec.json.Encoder().encode


class Endpoint(Protocol):
    """An application that answers at a path."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:
        """Answer an admitted caller; a raised error becomes its problem document."""


class Mount(NamedTuple):
    """An endpoint, and the permission that its callers need; None if it is open to all."""

    endpoint: Endpoint
    permission: Permission | None


class InFlight(Protocol):
    """Counts the requests that are being answered."""

    def inc(self) -> None:
        """Count one more."""

    def dec(self) -> None:
        """Count one fewer."""


class ScoringApp:
    """Answers requests for decisions, without middleware or a router; passes other requests to `beyond`.

    `endpoints` are applications by path, each for its path and the paths below it; `keys` returns the cache of answers
    by idempotency key; `budget` bounds the bytes of unanswered bodies (None: no bound).
    """

    def __init__(
        self,
        beyond: Application,
        exchange: Exchange,
        *,
        endpoints: Mapping[str, Mount] | None = None,
        keys: Callable[[], Idempotency] | None = None,
        in_flight: InFlight | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._beyond = beyond
        self._exchange = exchange
        self._access = exchange.access
        self._endpoints = dict(endpoints or {})
        self._keys = keys
        self._in_flight = in_flight
        self._budget = budget or Budget(sys.maxsize, sys.maxsize)

    def direct(self, headers: Headers, body: bytes) -> Outcome | None:
        """Answer one request for a decision at once; return None if it must wait, which only ASGI can.

        The HTTP server calls it as soon as a body is whole, without a task or a queue. The outcome isn't final before
        `finish`.
        """
        began = time.perf_counter()
        authorization = media_type = trace = None
        for name, value in headers:
            if name == b"content-type":
                media_type = value
            elif name == b"authorization":
                authorization = authorization_of(headers)
            elif name == HEADER:
                trace = trace_of(value)
            elif name in _NOT_DIRECT:
                return None
        caller = None
        try:
            caller = self._access.admit_now(authorization, "score")
            if caller is None:
                return None
            if more := work_of(len(body)):
                self._access.count(caller, more)
            if media_type != b"application/json":
                require_json(None if media_type is None else media_type.decode("latin-1"))
        except Exception as error:  # noqa: BLE001  the caller gets a response after any error
            return self._exchange.refuse(error, RequestContext(RISK_PATH, caller, trace, began))
        return self._exchange.answer(body, RequestContext(RISK_PATH, caller, trace, began))

    def finish(self, outcomes: Sequence[Outcome]) -> list[Response]:
        """Make outcomes of `direct` final; return their responses."""
        responses = [response_of(outcome) for outcome in self._exchange.commit(outcomes)]
        for outcome, response in zip(outcomes, responses, strict=True):
            self._exchange.responded(outcome.context, response.status)
        return responses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http":
            await self._beyond(scope, receive, send)
            return
        if self._in_flight is None:
            await self._take(scope, receive, send)
            return
        self._in_flight.inc()
        try:
            await self._take(scope, receive, send)
        finally:
            self._in_flight.dec()

    async def _take(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path == RISK_PATH:
            await self._respond(scope, receive, send, self._risk)
        elif path == BATCH_PATH:
            await self._respond(scope, receive, send, self._batch)
        elif path == LIVE_PATH:
            await respond(send, Response(200, b'{"status":"alive"}'))
        elif (mount := self._mounted(path)) is not None:
            await self._enter(mount, scope, receive, send)
        elif scope["method"] == "POST":  # KServe's inference paths; its other paths need no token
            await self._enter(Mount(self._kserve, "score"), scope, receive, send)
        else:
            await self._beyond(scope, bounded(scope, receive), send)

    def _mounted(self, path: str) -> Mount | None:
        for prefix, mount in self._endpoints.items():
            if path == prefix or path.startswith(f"{prefix}/"):
                return mount
        return None

    async def _enter(self, mount: Mount, scope: Scope, receive: Receive, send: Send) -> None:
        """Admit a caller to an endpoint; an error that it raises before its response becomes the response."""
        context, status = RequestContext(_route(scope["path"]), LOCAL, _trace(scope), time.perf_counter()), 0

        async def noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            if mount.permission is not None:
                context = context._replace(caller=None)
                caller = await self._access.admit(authorization_of(scope["headers"]), mount.permission)
                context = context._replace(caller=caller)
            token = current.set(context)
            try:
                await mount.endpoint(scope, receive, noted, context.admitted)
            finally:
                current.reset(token)
        except ClientDisconnected:
            return
        except Exception as error:
            if status:  # the response has begun: the connection is closed
                raise
            response = response_of(self._exchange.refuse_now(error, context), scope["path"])
            status = response.status
            await respond(send, response)
        self._exchange.responded(context, status)

    async def _kserve(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:
        with self._budget.hold(client_of(scope, caller)) as held:
            await self._beyond(scope, self._counted(bounded(scope, receive, held=held), caller), send)

    async def _respond(self, scope: Scope, receive: Receive, send: Send, answer: _Answer) -> None:
        context = RequestContext(scope["path"], None, _trace(scope), time.perf_counter())
        try:
            if scope["method"] != "POST":
                raise WrongMethod(f"{scope['method']} isn't allowed here.", remedy="POST a JSON object.")  # noqa: TRY301  one place handles every refusal
            caller = await self._access.admit(authorization_of(scope["headers"]), "score")
            context = context._replace(caller=caller)
            self._exchange.service.model()  # refuse before reading the body if no model is ready
            require_json(header(scope, b"content-type"))
            with self._budget.hold(client_of(scope, caller)) as held:
                response = await answer(scope, receive, context, held)
        except ClientDisconnected:
            return
        except Exception as error:  # noqa: BLE001  the caller gets a response after any error
            response = response_of(self._exchange.refuse_now(error, context))
        await respond(send, response)
        self._exchange.responded(context, response.status)

    async def _risk(self, scope: Scope, receive: Receive, context: RequestContext, held: Held) -> Response:
        body = await read_body(self._counted(bounded(scope, receive, held=held), context.admitted))
        if (key := header(scope, b"idempotency-key")) is not None and self._keys is not None:

            def produce() -> bytes:
                outcome = self._exchange.commit((self._exchange.answer(body, context),))[0]
                if isinstance(outcome, Refused):
                    raise NotAnswered(outcome)
                return response_of(outcome).body

            return Response(200, await self._keys().once(context.admitted, RISK_PATH, key, body, produce))
        outcome = await self._exchange.answer_large(body, context)
        return response_of(self._exchange.commit((outcome,))[0])

    async def _batch(self, scope: Scope, receive: Receive, context: RequestContext, held: Held) -> Response:
        caller = context.admitted
        body = await read_body(self._counted(bounded(scope, receive, MOST_BATCH_BYTES, held), caller))
        items = await self._exchange.service.offload.call(len(body), read_items, body)
        self._access.count(caller, len(items) - 1)
        if (key := header(scope, b"idempotency-key")) is not None and self._keys is not None:

            def produce() -> bytes:
                outcomes = [
                    self._exchange.answer(item, context, at=f"/requests/{place}", naming=True)
                    for place, item in enumerate(items)
                ]
                return _encode(BatchAnswer([each.item() for each in self._exchange.commit_all(outcomes)]))

            return Response(200, await self._keys().once(caller, BATCH_PATH, key, body, produce))
        answers: list[BatchItem] = []
        outcomes: list[Outcome] = []
        turns = Turns()
        for place, item in enumerate(items):
            if turns.due(len(item)):
                # Commit before the wait: a failure during it would lose uncommitted records.
                answers += [each.item() for each in self._exchange.commit_all(outcomes)]
                outcomes.clear()
                await asyncio.sleep(0)
            outcomes.append(await self._exchange.answer_large(item, context, at=f"/requests/{place}", naming=True))
        answers += [each.item() for each in self._exchange.commit_all(outcomes)]
        return Response(200, _encode(BatchAnswer(answers)))

    def _counted(self, receive: Receive, caller: Caller) -> Receive:
        """Wrap `receive` so that a large body counts as several requests of the caller."""
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if not message.get("more_body", False):
                self._access.count(caller, work_of(received))
            return message

        return receive_counted


def _trace(scope: Scope) -> Trace | None:
    named = header(scope, HEADER)
    return None if named is None else trace_of(named.encode("latin-1"))


ROUTES: Final = (RISK_PATH, BATCH_PATH, *(route for _, route in _ROUTES), "other")  # all labels
ANSWERING: Final = tuple(
    route for route in ROUTES if route not in {"/ai/v1/admin", "/ai/v1/counters", "/ai/v1/docs", "other"}
)


def _route(path: str) -> str:
    """Return the label of a path in metrics, without identifiers: each would create a time series."""
    return next((route for prefix, route in _ROUTES if path.startswith(prefix)), "other")
