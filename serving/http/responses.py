"""Complete HTTP responses: answers and refusals."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from customer_risk.serving.contract.kserve_problem import is_of_kserve, with_error
from customer_risk.serving.contract.problem import MEDIA_TYPE, Problem, document_of, headers_of
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


def response_of(outcome: Outcome, path: str = "") -> Response:
    """Return the response to a request for one decision; a refusal is in the form of the `path`."""
    if isinstance(outcome, Decided):
        return Response(outcome.status, _encode(outcome.shown()))
    return _refusal(outcome.problem, outcome.headers, path)


def refusal_of(error: Exception, path: str = "") -> Response:
    """Return the response, in the form of the `path`, to a request that is refused for an error.

    The refusal isn't recorded.
    """
    return _refusal(document_of(error)[1], headers_of(error), path)


def _refusal(problem: Problem, headers: tuple[tuple[str, str], ...], path: str) -> Response:
    if is_of_kserve(path):
        return Response(problem.status, _encode(with_error(problem)), JSON, headers)
    return Response(problem.status, _encode(problem), MEDIA_TYPE, headers)


async def respond(send: Send, response: Response) -> None:
    """Send one complete response."""
    fields = [("content-type", response.media_type), ("content-length", str(len(response.body))), *response.headers]
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
