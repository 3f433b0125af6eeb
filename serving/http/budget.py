"""Bounds the bytes of request bodies that a worker holds, in total and for each client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from customer_risk.serving.auth.caller import LOCAL, Caller
from customer_risk.serving.errors import Overloaded

if TYPE_CHECKING:
    from types import TracebackType


def client_of(scope: Mapping[str, Any], caller: Caller) -> str:
    """Return the client of an ASGI request: its name, or without authentication its IP address."""
    address = scope.get("client")
    return caller.name if caller is not LOCAL or address is None else str(address[0])


class Budget:
    """Bounds the bytes of unanswered requests' bodies: `most` in total, `most_each` for one client.

    A client is identified by its name, or by its IP address until the name is known.
    """

    def __init__(self, most: int, most_each: int) -> None:
        self._most = most
        self._most_each = most_each
        self._clients: dict[str, int] = {}
        self.held = 0

    def hold(self, client: str) -> Held:
        """Return an object that holds bytes for one request of a client; at first it holds none."""
        return Held(self, client)

    def require(self, client: str, size: int) -> None:
        """Raise Overloaded if `size` more bytes of a client exceed a bound."""
        if self._clients.get(client, 0) + size > self._most_each:
            raise Overloaded(
                f"The bodies of this client's unanswered requests would exceed {self._most_each:,} bytes.",
                remedy="Send fewer large requests at a time.",
            )
        if self.held + size > self._most:
            raise Overloaded(
                f"The bodies of all unanswered requests would exceed {self._most:,} bytes.",
                remedy="Send the request again later.",
            )

    def add(self, client: str, size: int) -> None:
        """Add `size` bytes to those of a client; a negative size releases bytes."""
        self.held += size
        held = self._clients.get(client, 0) + size
        if held:
            self._clients[client] = held
        else:
            self._clients.pop(client, None)


class Held:
    """The bytes held for one request's body; as a context manager, it releases them at its end."""

    __slots__ = ("_budget", "_client", "_size")

    def __init__(self, budget: Budget, client: str) -> None:
        self._budget = budget
        self._client = client
        self._size = 0

    def require(self, size: int) -> None:
        """Raise Overloaded if a body of `size` bytes would exceed the budget."""
        self._budget.require(self._client, size - self._size)

    def grow(self, size: int) -> None:
        """Hold `size` bytes in total; raises Overloaded, and changes nothing, if that exceeds the budget."""
        if size > self._size:
            self.require(size)
        self._budget.add(self._client, size - self._size)
        self._size = size

    def release(self) -> None:
        """Release all bytes."""
        self.grow(0)

    def __enter__(self) -> Self:
        """Return this object."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release all bytes."""
        self.release()
