"""`/ai/v1/counters`: decisions since the start, for monitors that look several times a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from customer_risk.serving.errors import NotFound, WrongMethod
from customer_risk.serving.http.body import Receive, Scope, Send
from customer_risk.serving.http.responses import Response, respond

if TYPE_CHECKING:
    from customer_risk.serving.auth.caller import Caller
    from customer_risk.serving.telemetry.decision_counters import Counters

PATH: Final = "/ai/v1/counters"
_encode: Final = msgspec.json.Encoder().encode


class CountersEndpoint:
    """Returns the counts that `read()` returns, as JSON."""

    def __init__(self, read: Callable[[], Counters]) -> None:
        self._read = read

    async def __call__(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:  # noqa: ARG002  an endpoint's signature
        """Answer a GET or HEAD; raises NotFound and WrongMethod for other requests."""
        if scope["path"] != PATH:
            raise NotFound("This path doesn't exist.", remedy=f"GET {PATH}.")
        if scope["method"] not in {"GET", "HEAD"}:
            raise WrongMethod(f"{scope['method']} isn't allowed here.", remedy="Send GET.", allowed="GET")
        await respond(send, Response(200, _encode(self._read()), "application/json", (("cache-control", "no-store"),)))
