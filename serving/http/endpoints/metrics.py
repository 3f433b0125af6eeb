"""`/metrics`, for Prometheus."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from customer_risk.model.errors import CustomerRiskError
from customer_risk.serving.auth.caller import LOCAL
from customer_risk.serving.errors import NotFound, WrongMethod
from customer_risk.serving.http.body import Receive, Scope, Send, header
from customer_risk.serving.http.responses import Response, refusal_of, respond

if TYPE_CHECKING:
    from customer_risk.serving.auth.caller import Caller

PATH: Final = "/metrics"
_OPEN_METRICS: Final = "application/openmetrics-text"
_FORMS: Final = (f"{_OPEN_METRICS};version=1.0.0", "text/plain;version=0.0.4")  # media types that the source makes
_SECONDS: Final = 1.0  # between two renderings of a form


class Exposition(Protocol):
    """A source of metrics."""

    def exposition(self, accept: str | None) -> tuple[str, bytes]:
        """Return the media type and the metrics in the form that the header `accept` prefers."""


class _CachedRendering:
    """The metrics in one form, rendered on a thread, at most once in _SECONDS seconds."""

    def __init__(self, form: str, source: Exposition, clock: Callable[[], float]) -> None:
        self._form = form
        self._source = source
        self._clock = clock
        self._lock = asyncio.Lock()
        self._due = clock()
        self._response = Response(200, b"")

    async def response(self) -> Response:
        """Return the last rendering, or a new one if the last is too old."""
        async with self._lock:
            if (now := self._clock()) >= self._due:
                media_type, body = await asyncio.to_thread(self._source.exposition, self._form)
                self._response, self._due = Response(200, body, media_type), now + _SECONDS
            return self._response


class MetricsEndpoint:
    """Returns all workers' metrics, as OpenMetrics or in Prometheus's text form.

    Each form is rendered at most once a second, since rendering takes tens of milliseconds.
    """

    def __init__(self, source: Exposition, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._open, self._text = (_CachedRendering(form, source, clock) for form in _FORMS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:  # noqa: ARG002  an endpoint's signature
        """Answer a GET or HEAD; raises NotFound and WrongMethod for other requests."""
        if scope["path"] != PATH:
            raise NotFound("This path doesn't exist.", remedy=f"GET {PATH}.")
        if scope["method"] not in {"GET", "HEAD"}:
            raise WrongMethod(f"{scope['method']} isn't allowed here.", remedy="Send GET.", allowed="GET")
        wanted = self._open if _OPEN_METRICS in (header(scope, b"accept") or "") else self._text
        await respond(send, await wanted.response())

    async def standalone(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an ASGI request without authentication, errors included: the application of a port for metrics."""
        try:
            await self(scope, receive, send, LOCAL)
        except CustomerRiskError as error:
            await respond(send, refusal_of(error))
