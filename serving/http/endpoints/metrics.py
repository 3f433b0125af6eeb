"""`/metrics`, for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from customer_risk.serving.errors import NotFound, WrongMethod
from customer_risk.serving.http.body import Receive, Scope, Send, header
from customer_risk.serving.http.responses import Response, respond

if TYPE_CHECKING:
    from customer_risk.serving.auth.caller import Caller

PATH: Final = "/metrics"


class Exposition(Protocol):
    """A source of metrics."""

    def exposition(self, accept: str | None) -> tuple[str, bytes]:
        """Return the media type and the metrics in the form that `accept` asks for."""


class MetricsEndpoint:
    """Returns all workers' metrics."""

    def __init__(self, source: Exposition) -> None:
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:  # noqa: ARG002  an endpoint's signature
        """Answer a GET or HEAD; raises NotFound and WrongMethod for other requests."""
        if scope["path"] != PATH:
            raise NotFound("There is nothing at this path.", remedy=f"GET {PATH}.")
        if scope["method"] not in {"GET", "HEAD"}:
            raise WrongMethod(f"{scope['method']} isn't answered here.", remedy="Send GET.", allowed="GET")
        media_type, body = self._source.exposition(header(scope, b"accept"))
        await respond(send, Response(200, body, media_type))
