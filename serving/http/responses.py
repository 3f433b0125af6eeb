"""Whole responses, answers and refusals alike."""

from __future__ import annotations

from typing import Final, NamedTuple

from customer_risk.serving.contract.problem import MEDIA_TYPE, headers_of, problem_of
from customer_risk.serving.http.body import Send

JSON: Final = "application/json"


class Response(NamedTuple):
    """One whole response."""

    status: int
    body: bytes
    media_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


def refusal(error: Exception) -> Response:
    """Make the problem document of an error."""
    kind, document = problem_of(error)
    return Response(kind.status.value, document, MEDIA_TYPE, headers_of(error))


async def refuse(send: Send, error: Exception) -> None:
    """Send the problem document of an error."""
    await respond(send, refusal(error))


async def respond(send: Send, response: Response) -> None:
    """Send one whole response."""
    fields = [("content-type", response.media_type), ("content-length", str(len(response.body))), *response.headers]
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
