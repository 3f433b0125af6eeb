"""Authentication and rate limits of every scoring route."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from customer_risk.serving.auth.caller import LOCAL, Caller, Permission
from customer_risk.serving.offload import MOST_ON_LOOP

if TYPE_CHECKING:
    from collections.abc import Sequence


def work_of(size: int) -> int:
    """Return how many requests a body of `size` bytes counts as, beyond the first."""
    return max(0, size - 1) // MOST_ON_LOOP


class Authenticates(Protocol):
    """Verifies `Authorization` headers; `authenticator.Authenticator` implements it."""

    def cached(self, authorization: str | None) -> Caller | None:
        """Return the caller if the token was verified before and is cached, else None."""

    async def authenticate(self, authorization: str | None) -> Caller:
        """Verify the token and return its caller; raises Unauthenticated."""


class Limits(Protocol):
    """Rate limits; `rate_limits.Limiter` implements it."""

    def take(self, caller_name: str) -> None:
        """Count a request of a caller; raises TooManyRequests past the caller's share."""

    def owe(self, caller_name: str, cost: float) -> None:
        """Count `cost` more requests of a caller whose request was taken."""


class AccessControl:
    """Admits callers by `authenticator` (None: every caller is LOCAL) and `limiter` (None: no limit)."""

    def __init__(self, authenticator: Authenticates | None = None, limiter: Limits | None = None) -> None:
        self._authenticator = authenticator
        self._limiter = limiter

    def admit_now(self, authorization: str | None, scope: Permission) -> Caller | None:
        """Admit a caller for one request if the token is cached; return None if it must be verified.

        Raises Forbidden without the scope and TooManyRequests past the caller's share.
        """
        if self._authenticator is None:
            return LOCAL if self._limiter is None else self._admitted(LOCAL, scope)
        caller = self._authenticator.cached(authorization)
        return None if caller is None else self._admitted(caller, scope)

    async def admit(self, authorization: str | None, scope: Permission) -> Caller:
        """Admit a caller for one request; raises as `admit_now` does, and as the authenticator does."""
        if self._authenticator is None:
            return self._admitted(LOCAL, scope)
        return self._admitted(await self._authenticator.authenticate(authorization), scope)

    def count(self, caller: Caller, more: int) -> None:
        """Count further work of an admitted caller, in requests: a batch's items, or a large body."""
        if self._limiter is not None:
            self._limiter.owe(caller.name, more)

    def _admitted(self, caller: Caller, scope: Permission) -> Caller:
        caller.require(scope)
        if self._limiter is not None:
            self._limiter.take(caller.name)
        return caller


def authorization_of(headers: Sequence[tuple[bytes, bytes]]) -> str | None:
    """Return the `Authorization` header; two are joined, which no authenticator accepts."""
    found = [value for name, value in headers if name == b"authorization"]
    return b", ".join(found).decode("latin-1") if found else None
