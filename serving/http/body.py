"""A request's body: what it may be declared as, and how large it may be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from customer_risk.serving.errors import BodyTooLarge, WrongMediaType

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MOST_BYTES: Final = 8 * 1024 * 1024  # about 35,000 transactions as rows, three times what the catalogue looks at

_MOST_DROPPED: Final = 64 * 1024 * 1024  # beyond it a caller finds the connection reset


class ClientDisconnected(Exception):
    """The caller hung up before the body was whole: nobody's error, and nobody to tell."""


def require_json(media_type: str | None) -> None:
    """Raise WrongMediaType unless a Content-Type says JSON (parameters and +json suffixes are fine)."""
    essence = (media_type or "").partition(";")[0].strip().lower()
    if essence != "application/json" and not (essence.startswith("application/") and essence.endswith("+json")):
        declared = f"declared as {essence}" if essence else "not declared"
        raise WrongMediaType(f"The body is {declared}.", remedy="Send it with Content-Type: application/json.")


def header(scope: Scope, name: bytes) -> str | None:
    """Find a request's header by its lower-case name."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


def bounded(scope: Scope, receive: Receive, most: int = MOST_BYTES) -> Receive:
    """Wrap `receive` so that it raises BodyTooLarge past `most` bytes, or before the first where more are declared.

    Of what a caller sends regardless, some is read and dropped, so that the refusal reaches a caller who only listens
    once all is sent: a connection closed on unread bytes is reset. One who waits for leave to send is told at once.
    """
    declared = header(scope, b"content-length")
    received = int(declared) if declared and declared.isdecimal() and int(declared) > most else 0

    more = received == 0 or header(scope, b"expect") is None

    async def receive_bounded() -> Message:
        nonlocal received, more
        message: Message = {}
        if received <= most:
            message = await receive()
            received += len(message.get("body", b""))
            more = message.get("more_body", False)
        if received > most:
            if more:
                await _drop(receive)
            raise _too_large(most)
        return message

    return receive_bounded


async def _drop(receive: Receive) -> None:
    left = _MOST_DROPPED
    while left > 0:
        message = await receive()
        left -= len(message.get("body", b""))
        if not message.get("more_body", False):
            return


async def read_body(receive: Receive) -> bytes:
    """Read a body to its end; raises Gone where the caller hung up before it."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(most: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"The body has more than {most:,} bytes.", remedy="Send fewer transactions or instances at a time."
    )
