"""Complete responses: answers and refusals."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from customer_risk.serving.contract.problem import MEDIA_TYPE, document_of, headers_of
from customer_risk.serving.exchange.outcome import Decided, Outcome
from customer_risk.serving.http.body import Send

JSON: Final = "application/json"
_encode: Final = msgspec.json.Encoder().encode


class Response(NamedTuple):
    """One complete response."""

    status: int
    body: bytes
    media_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


def response_of(outcome: Outcome) -> Response:
    """Return the response to a request for one decision."""
    if isinstance(outcome, Decided):
        return Response(outcome.status, _encode(outcome.shown()))
    return Response(outcome.status, _encode(outcome.problem), MEDIA_TYPE, outcome.headers)


def refusal_of(error: Exception) -> Response:
    """Return the response to a request that is refused for an error; the refusal isn't recorded."""
    kind, document = document_of(error)
    return Response(kind.status.value, _encode(document), MEDIA_TYPE, headers_of(error))


async def respond(send: Send, response: Response) -> None:
    """Send one complete response."""
    fields = [("content-type", response.media_type), ("content-length", str(len(response.body))), *response.headers]
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
