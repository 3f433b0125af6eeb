"""A request's body: its media type, its coding, and the bound on its size."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import TYPE_CHECKING, Any, Final

from customer_risk.serving.errors import BodyTooLarge, EncodedBody, Overloaded, WrongMediaType
from customer_risk.serving.http.budget import Held

if TYPE_CHECKING:
    from customer_risk.model.errors import CustomerRiskError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MOST_BYTES: Final = 8 * 1024 * 1024  # about 35,000 transactions as rows, three times as many as features use
MOST_BATCH_BYTES: Final = 32 * 1024 * 1024

_MOST_DROPPED: Final = 64 * 1024 * 1024  # beyond it, the connection is reset


class ClientDisconnected(Exception):
    """The client disconnected before the body was complete: no response can be sent."""


def require_json(media_type: str | None, *also: str, declared: bool = False) -> None:
    """Raise WrongMediaType unless a Content-Type is JSON; parameters and +json suffixes are allowed.

    A body without a Content-Type is taken as JSON, unless it must be `declared`. `also` are other allowed media types.
    """
    essence = (media_type or "").partition(";")[0].strip().lower()
    if essence == "application/json" or essence in also or (not essence and not declared):
        return
    if not (essence.startswith("application/") and essence.endswith("+json")):
        what = f"declared as {essence}" if essence else "not declared"
        raise WrongMediaType(f"The body is {what}.", remedy="Send it with Content-Type: application/json.")


def find_coding(headers: Iterable[tuple[bytes, bytes]]) -> EncodedBody | None:
    """Return the error for a body that a Content-Encoding says is encoded; None for one without coding.

    `headers` have lower-case names. `identity` is not a coding.
    """
    codings = b",".join(value for name, value in headers if name == b"content-encoding").lower().split(b",")
    if all(coding.strip(b" \t") in {b"", b"identity"} for coding in codings):
        return None
    return EncodedBody(
        "The body has a Content-Encoding; only bodies without one, or with identity, are accepted.",
        remedy="Send it without compression and without Content-Encoding.",
    )


def header(scope: Scope, name: bytes) -> str | None:
    """Return a request's header by its lower-case name, None if it is absent."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


def bounded(scope: Scope, receive: Receive, most: int = MOST_BYTES, held: Held | None = None) -> Receive:
    """Wrap `receive` so that it raises BodyTooLarge past `most` bytes, or at once if more are declared.

    It raises EncodedBody for a body with a content coding. With `held`, it holds the received bytes, and raises
    Overloaded past the budget.

    Before it raises, it reads and drops up to 64 MiB of the rest, so that a client that reads only after sending gets
    the refusal: closing a connection with unread bytes resets it. A client that sent `Expect` is refused at once.
    """

    def refuse(size: int, count: Callable[[Held, int], None]) -> CustomerRiskError | None:
        if size > most:
            return _too_large(most)
        try:
            if held is not None:
                count(held, size)
        except Overloaded as error:
            return error
        return None

    length = header(scope, b"content-length")
    refusal: CustomerRiskError | None = find_coding(scope["headers"])
    if refusal is None and length and length.isdecimal():
        refusal = refuse(int(length), Held.require)
    received, more = 0, header(scope, b"expect") is None

    async def receive_bounded() -> Message:
        nonlocal received, more, refusal
        message: Message = {}
        if refusal is None:
            message = await receive()
            received += len(message.get("body", b""))
            more = message.get("more_body", False)
            refusal = refuse(received, Held.grow)
        if refusal is not None:
            if more:
                await _drop(receive)
            raise refusal
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
    """Read a body to its end; raises ClientDisconnected if the client disconnects before it."""
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
