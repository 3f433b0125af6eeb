"""Pages that don't change while the process runs: the OpenAPI document, as JSON and as HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from customer_risk.serving.errors import NotFound, WrongMethod
from customer_risk.serving.http.body import Receive, Scope, Send
from customer_risk.serving.http.responses import Response, respond

if TYPE_CHECKING:
    from customer_risk.serving.auth.caller import Caller


class Page:
    """One page, at one path."""

    def __init__(self, path: str, body: bytes, media_type: str, *headers: tuple[str, str]) -> None:
        self._path = path
        self._response = Response(200, body, media_type, (("cache-control", "max-age=300"), *headers))

    async def __call__(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:  # noqa: ARG002  an endpoint's signature
        """Answer a GET or HEAD; raises NotFound and WrongMethod for other requests."""
        if scope["path"] != self._path:
            raise NotFound("This path doesn't exist.", remedy=f"GET {self._path}.")
        if scope["method"] not in {"GET", "HEAD"}:
            raise WrongMethod(f"{scope['method']} isn't allowed here.", remedy="Send GET.", allowed="GET")
        await respond(send, self._response)
