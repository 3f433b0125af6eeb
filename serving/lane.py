"""The straight way to an answer: an ASGI application that takes its own paths and leaves the rest to KServe's."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from serving.answer import render
from serving.body import Gone, Receive, Scope, Send, bounded, header, read_body, require_json
from serving.errors import WrongMethod
from serving.problem import MEDIA_TYPE, UNEXPECTED, headers_of, problem_of
from serving.service import Service

RISK_PATH: Final = "/ai/v1/risk"
LIVE_PATH: Final = "/healthz"
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_log = logging.getLogger("serving")


class Lane:
    """Stands outermost, ahead of `beyond`, so that a request for a decision passes no middleware and no router.

    With `explain`, callers see what investigators see.
    """

    def __init__(self, beyond: Application, service: Service, *, explain: bool) -> None:
        self._beyond = beyond
        self._service = service
        self._explain = explain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        path = scope["path"] if scope["type"] == "http" else None
        if path == RISK_PATH:
            await self._risk(scope, receive, send)
        elif path == LIVE_PATH:
            await respond(send, 200, b'{"status":"alive"}')
        else:
            await self._beyond(scope, bounded(scope, receive) if path else receive, send)

    async def _risk(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["method"] != "POST":
                raise WrongMethod(f"{scope['method']} isn't answered here.", remedy="POST a JSON object.")  # noqa: TRY301  one place tells every refusal
            self._service.model()
            require_json(header(scope, b"content-type"))
            body = await read_body(bounded(scope, receive))
            answered = msgspec.json.encode(render(self._service.answer(body), explain=self._explain))
        except Gone:
            return
        except Exception as error:  # noqa: BLE001  whatever fails, the caller gets an answer in the same form
            await refuse(send, error)
        else:
            await respond(send, 200, answered)


async def refuse(send: Send, error: Exception) -> None:
    """Send the problem document of an error; what nobody expected goes to the log as well."""
    kind, document = problem_of(error)
    if kind is UNEXPECTED:
        _log.error("a request failed", exc_info=error)
    await respond(send, kind.status, document, media_type=MEDIA_TYPE, headers=headers_of(error))


async def respond(
    send: Send,
    status: int,
    body: bytes,
    *,
    media_type: str = "application/json",
    headers: tuple[tuple[str, str], ...] = (),
) -> None:
    """Send one whole response."""
    fields = [("content-type", media_type), ("content-length", str(len(body))), *headers]
    await send(
        {
            "type": "http.response.start",
            "status": int(status),
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields],
        }
    )
    await send({"type": "http.response.body", "body": body})
