"""The straight way to an answer: it takes the scoring paths and leaves the rest to KServe's application."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import msgspec

from customer_risk.serving.auth.access import AccessControl, authorization_of, work_of
from customer_risk.serving.auth.caller import LOCAL, Caller, Permission, RequestContext, current, whence
from customer_risk.serving.contract.answer import Answer, render
from customer_risk.serving.contract.batch import BatchAnswer, BatchItem, read_items
from customer_risk.serving.contract.problem import document_of
from customer_risk.serving.contract.trace import HEADER, Trace, trace_of
from customer_risk.serving.decisions.service import Service
from customer_risk.serving.errors import Later, WrongMethod
from customer_risk.serving.exchange.observer import Observer
from customer_risk.serving.http.body import (
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
from customer_risk.serving.http.responses import Response, refusal, respond
from customer_risk.serving.offload import MOST_ON_LOOP, Turns
from customer_risk.serving.store.idempotency import Idempotency

RISK_PATH: Final = "/ai/v1/risk"
BATCH_PATH: Final = "/ai/v1/risk:batch"
LIVE_PATH: Final = "/healthz"
MOST_BATCH_BYTES: Final = 32 * 1024 * 1024
MOST_DIRECT_BYTES: Final = MOST_ON_LOOP

_ROUTES: Final = (
    ("/ai/v1/risk/jobs", "/ai/v1/risk/jobs"),
    ("/ai/v1/admin", "/ai/v1/admin"),
    ("/ai/v1/", "/ai/v1/docs"),
    ("/v1/models", "/v1/models"),
    ("/v2", "/v2/models"),
)

Headers = Sequence[tuple[bytes, bytes]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
_encode: Final = msgspec.json.Encoder().encode


class Endpoint(Protocol):
    """An application that stands under a path of its own, for callers who are in."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:
        """Answer; a raised error becomes its problem document."""


class Mount(NamedTuple):
    """A room with the scope that it asks of callers, None where it is open to all."""

    room: Endpoint
    permission: Permission | None


class ScoringApp:
    """Stands outermost, ahead of `beyond`, so that a request for a decision passes no middleware and no router.

    Callers come in through `gate`; `observer` hears of every answer; `rooms` are applications by path, each for that
    path and all beneath it; `keys` gives what keeps answers under idempotency keys.
    """

    def __init__(
        self,
        beyond: Application,
        service: Service,
        *,
        gate: AccessControl,
        observer: Observer,
        rooms: Mapping[str, Mount] | None = None,
        keys: Callable[[], Idempotency] | None = None,
    ) -> None:
        self._beyond = beyond
        self._service = service
        self._gate = gate
        self._observer = observer
        self._rooms = dict(rooms or {})
        self._keys = keys

    def direct(self, headers: Headers, body: bytes) -> Response | None:
        """Answer one request for a decision at once; None where that takes waiting, for the slow way to see to.

        Serving calls it as soon as a body is whole, without a task or a queue between.
        """
        began = time.perf_counter()
        authorization = media_type = trace = caller = answer = None
        for name, value in headers:
            if name == b"content-type":
                media_type = value
            elif name == b"authorization":
                authorization = authorization_of(headers)
            elif name == HEADER:
                trace = trace_of(value)
            elif name == b"idempotency-key":
                return None
        try:
            caller = self._gate.pass_now(authorization, "score")
            if caller is None:
                return None
            if more := work_of(len(body)):
                self._gate.count(caller, more)
            if media_type != b"application/json":
                require_json(None if media_type is None else media_type.decode("latin-1"))
            answer = self._service.answer(body)
            response = self._shown(answer, caller, trace, began)
        except Exception as error:  # noqa: BLE001  whatever fails, the caller gets an answer in the same form
            response = refusal(error)
            self._observer.refused(error, route=RISK_PATH, trace=trace, caller=caller)
        took = time.perf_counter() - began
        self._observer.responded(RISK_PATH, response.status, took, trace=trace, answer=answer, caller=caller)
        return response

    def settle(self) -> None:
        """See to it that what `direct` has decided is kept, before the answers leave; raises what they get instead."""
        self._observer.settle()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] != "http":
            await self._beyond(scope, receive, send)
            return
        self._observer.entered()
        try:
            await self._take(scope, receive, send)
        finally:
            self._observer.left()

    async def _take(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path == RISK_PATH:
            await self._respond(scope, receive, send, self._risk)
        elif path == BATCH_PATH:
            await self._respond(scope, receive, send, self._batch)
        elif path == LIVE_PATH:
            await respond(send, Response(200, b'{"status":"alive"}'))
        elif (mounted := self._mounted(path)) is not None:
            await self._enter(mounted, scope, receive, send)
        elif scope["method"] == "POST":  # KServe's ways to an answer; all else that it offers is open
            await self._enter(Mount(self._kserve, "score"), scope, receive, send)
        else:
            await self._beyond(scope, bounded(scope, receive), send)

    def _mounted(self, path: str) -> Mount | None:
        for prefix, mounted in self._rooms.items():
            if path == prefix or path.startswith(f"{prefix}/"):
                return mounted
        return None

    async def _enter(self, mounted: Mount, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a caller into a room; an error that it raises before its answer becomes the answer."""
        began, status, caller = time.perf_counter(), 0, LOCAL

        async def noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            if mounted.permission is not None:
                caller = await self._gate.pass_in(authorization_of(scope["headers"]), mounted.permission)
            await mounted.room(scope, receive, noted, caller)
        except ClientDisconnected:
            return
        except Exception as error:
            if status:  # too late for another answer: the connection breaks
                raise
            self._observer.refused(error, route=_route(scope["path"]), trace=_trace(scope), caller=caller)
            self._settle_refusals()
            response = refusal(error)
            status = response.status
            await respond(send, response)
        took = time.perf_counter() - began
        self._observer.responded(_route(scope["path"]), status, took, trace=_trace(scope), caller=caller)

    async def _kserve(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:
        who, where = current.set(caller), whence.set(RequestContext(_route(scope["path"]), _trace(scope)))
        try:
            await self._beyond(scope, self._counted(bounded(scope, receive), caller), send)
        finally:
            current.reset(who)
            whence.reset(where)

    async def _respond(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        answer: Callable[[Scope, Receive, Caller], Awaitable[Response]],
    ) -> None:
        began, caller = time.perf_counter(), None
        try:
            if scope["method"] != "POST":
                raise WrongMethod(f"{scope['method']} isn't answered here.", remedy="POST a JSON object.")  # noqa: TRY301  one place tells every refusal
            caller = await self._gate.pass_in(authorization_of(scope["headers"]), "score")
            self._service.model()  # refuse before a body is read where nothing can be answered
            require_json(header(scope, b"content-type"))
            response = await answer(scope, receive, caller)
        except ClientDisconnected:
            return
        except Exception as error:  # noqa: BLE001  whatever fails, the caller gets an answer in the same form
            response = refusal(error)
            self._observer.refused(error, route=scope["path"], trace=_trace(scope), caller=caller)
            self._settle_refusals()
        await respond(send, response)
        took = time.perf_counter() - began
        self._observer.responded(scope["path"], response.status, took, trace=_trace(scope), caller=caller)

    async def _risk(self, scope: Scope, receive: Receive, caller: Caller) -> Response:
        body, trace = await read_body(self._counted(bounded(scope, receive), caller)), _trace(scope)
        if (key := header(scope, b"idempotency-key")) is not None and self._keys is not None:

            def produce() -> bytes:
                return self._answered(body, caller, trace).body

            return Response(200, await self._keys().once(caller, RISK_PATH, key, body, produce))
        began = time.perf_counter()
        answer = await self._service.offload.call(len(body), self._service.answer, body)
        return self._kept(answer, caller, trace, began)

    async def _batch(self, scope: Scope, receive: Receive, caller: Caller) -> Response:
        body = await read_body(self._counted(bounded(scope, receive, MOST_BATCH_BYTES), caller))
        items, trace = await self._service.offload.call(len(body), read_items, body), _trace(scope)
        self._gate.count(caller, len(items) - 1)
        if (key := header(scope, b"idempotency-key")) is not None and self._keys is not None:

            def produce() -> bytes:
                answers = [self._item(item, f"/requests/{i}", caller, trace) for i, item in enumerate(items)]
                made = _encode(BatchAnswer(answers))
                self._observer.settle()
                return made

            return Response(200, await self._keys().once(caller, BATCH_PATH, key, body, produce))
        answers, turns = [], Turns()
        for place, item in enumerate(items):
            if turns.due(len(item)):
                self._observer.settle()  # commit first: a failure during the wait would lose uncommitted records
                await asyncio.sleep(0)
            at = f"/requests/{place}"
            if len(item) > MOST_ON_LOOP:
                answers.append(await self._large_item(item, at, caller, trace))
            else:
                answers.append(self._item(item, at, caller, trace))
        self._observer.settle()
        return Response(200, _encode(BatchAnswer(answers)))

    def _item(self, item: bytes, at: str, caller: Caller, trace: Trace | None) -> BatchItem:
        began = time.perf_counter()
        try:
            answer = self._service.answer(item, at=at)
        except Exception as error:  # noqa: BLE001  a bad item gets its problem; the other items are answered
            return self._refused_item(error, caller, trace)
        return self._decided_item(answer, caller, trace, began)

    async def _large_item(self, item: bytes, at: str, caller: Caller, trace: Trace | None) -> BatchItem:
        began = time.perf_counter()
        try:
            answer = await self._service.offload.call(len(item), self._service.answer, item, at=at)
        except Exception as error:  # noqa: BLE001  a bad item gets its problem; the other items are answered
            return self._refused_item(error, caller, trace)
        return self._decided_item(answer, caller, trace, began)

    def _decided_item(self, answer: Answer, caller: Caller, trace: Trace | None, began: float) -> BatchItem:
        self._observer.decided(answer, caller, route=BATCH_PATH, trace=trace, took=time.perf_counter() - began)
        return BatchItem(status=200, answer=render(answer, explain="explain" in caller.scopes))

    def _refused_item(self, error: Exception, caller: Caller, trace: Trace | None) -> BatchItem:
        kind, problem = document_of(error)
        self._observer.refused(error, route=BATCH_PATH, trace=trace, caller=caller)
        return BatchItem(status=kind.status.value, problem=problem)

    def _settle_refusals(self) -> None:
        with contextlib.suppress(Later):  # a refusal that can't be recorded is one all the same
            self._observer.settle()

    def _counted(self, receive: Receive, caller: Caller) -> Receive:
        """Wrap `receive` so that a large body counts as several requests of the caller."""
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if not message.get("more_body", False):
                self._gate.count(caller, work_of(received))
            return message

        return receive_counted

    def _answered(self, body: bytes, caller: Caller, trace: Trace | None) -> Response:
        began = time.perf_counter()
        return self._kept(self._service.answer(body), caller, trace, began)

    def _kept(self, answer: Answer, caller: Caller, trace: Trace | None, began: float) -> Response:
        response = self._shown(answer, caller, trace, began)
        self._observer.settle()
        return response

    def _shown(self, answer: Answer, caller: Caller, trace: Trace | None, began: float) -> Response:
        self._observer.decided(answer, caller, route=RISK_PATH, trace=trace, took=time.perf_counter() - began)
        return Response(200, _encode(render(answer, explain="explain" in caller.scopes)))


def _trace(scope: Scope) -> Trace | None:
    named = header(scope, HEADER)
    return None if named is None else trace_of(named.encode("latin-1"))


def _route(path: str) -> str:
    """Name a path for a metric: identifiers and names within it would be a series each."""
    return next((route for prefix, route in _ROUTES if path.startswith(prefix)), "other")
