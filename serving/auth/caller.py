"""Who asks: the caller that a token names, and what they may do."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final, Literal, NamedTuple

import msgspec

from customer_risk.serving.contract.trace import Trace
from customer_risk.serving.errors import Forbidden

Permission = Literal["score", "batch", "explain", "admin"]


class Caller(msgspec.Struct, frozen=True):
    """A client by `name` ("local" without authentication) with its `scopes`."""

    name: str
    scopes: frozenset[str]

    def require(self, scope: Permission) -> None:
        """Raise Forbidden unless the caller has `scope`."""
        if scope not in self.scopes:
            raise Forbidden(f"This needs the scope {scope}.", remedy="Ask the service's owners for it.")


LOCAL: Final = Caller("local", frozenset(("score", "batch", "explain", "admin")))


class RequestContext(NamedTuple):
    """Which way a request came in, and its caller's trace."""

    route: str
    trace: Trace | None


current: Final[ContextVar[Caller]] = ContextVar("caller", default=LOCAL)
_NOWHERE: Final = RequestContext("", None)
whence: Final[ContextVar[RequestContext]] = ContextVar("whence", default=_NOWHERE)
