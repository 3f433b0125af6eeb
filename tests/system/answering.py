"""A server with one fault: `python answering.py FAULT`; prints its port.

customer    each answer is about another customer
overloaded  from the 60th request on: 503, without Retry-After
later       every tenth request: 503, with Retry-After of a second
silent      the 60th request is never answered
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import uuid
from itertools import count
from typing import Any

import uvicorn

FAULT = sys.argv[1]
ASKED = count(1)
JSON = [(b"content-type", b"application/json")]


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Answer as the service does."""
    text = uuid.uuid4().hex
    return {
        "decision_id": f"{text[:8]}-{text[8:12]}-7{text[13:16]}-8{text[17:20]}-{text[20:]}",
        "customer_id": "another" if FAULT == "customer" else request["customer_id"],
        "probability": 0.1,
        "segment": "low",
        "action": "none",
        "reasons": [{"code": "A", "text": "a", "direction": "raises"}],
        "patterns": None if "features" in request else [],
        "source": "model",
        "model": {"version": "1"},
    }


def sound(request: dict[str, Any]) -> bool:
    """Whether a request of the load test is faulty."""
    rows = request.get("transactions", [])
    rows = rows if isinstance(rows, list) else []
    return request.get("profile", {}).get("is_pep") != "no" and not any(
        row["amount"] < 0 or row["currency"] != "EUR" or row["created_at"] == "yesterday" for row in rows
    )


def outcome(request: dict[str, Any]) -> dict[str, Any]:
    """Answer one of a batch."""
    if sound(request):
        return {"status": 200, "answer": answer(request)}
    return {"status": 422, "problem": {"status": 422, "errors": [{"pointer": "/"}]}}


def respond(body: bytes, number: int) -> tuple[int, dict[str, Any], bytes | None]:
    """Return a status, a document, and the seconds of Retry-After."""
    if FAULT == "overloaded" and number >= 60:
        return 503, {}, None
    if FAULT == "later" and number % 10 == 0:
        return 503, {}, b"1"
    request = json.loads(body)
    if "requests" in request:
        return 200, {"items": [outcome(each) for each in request["requests"]]}, None
    one = outcome(request)
    return one["status"], one.get("answer") or one["problem"], None


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Serve."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    number = next(ASKED)
    if FAULT == "silent" and number == 60:
        await asyncio.sleep(600)
    status, document, back = respond(body, number)
    headers = [*JSON, (b"retry-after", back)] if back else JSON
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(document).encode()})


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off")).run([listening])
