"""The caller that a token names, and its scopes."""

from __future__ import annotations

from typing import Final, Literal, get_args

import msgspec

from customer_risk.serving.errors import Forbidden

Permission = Literal["score", "batch", "explain", "monitor", "admin"]


class Caller(msgspec.Struct, frozen=True):
    """A client with its `scopes`.

    `name` is `claim:value` of the claim that names the client, or "local" without authentication.
    """

    name: str
    scopes: frozenset[str]

    def require(self, scope: Permission) -> None:
        """Raise Forbidden unless the caller has `scope`."""
        if scope not in self.scopes:
            raise Forbidden(f"This needs the scope {scope}.", remedy="Ask the service's owners for it.")


LOCAL: Final = Caller("local", frozenset(get_args(Permission)))
