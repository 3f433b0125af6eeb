"""Access tokens: parsing, verification with a key, and the caller and scopes that they name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, get_args

from customer_risk.model.tokens import verification
from customer_risk.serving.auth.caller import Caller, Permission
from customer_risk.serving.auth.settings import AuthSettings
from customer_risk.serving.errors import Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from customer_risk.model.tokens.keys import Key

MOST_CHARACTERS: Final = 8 * 1024
_REMEDY: Final = "Send Authorization: Bearer with an access token for this service."
_BEARER: Final = re.compile(r"bearer +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)", re.IGNORECASE | re.ASCII)
_SCOPES: Final = frozenset(get_args(Permission))
_MOST_NAME: Final = 256


def refused(why: str) -> Unauthenticated:
    """Return the refusal; `why` must not repeat input."""
    return Unauthenticated(why, remedy=_REMEDY)


def bearer(authorization: str | None) -> str:
    """Return the token in an `Authorization` header; raises Unauthenticated, also for two headers joined."""
    if authorization is None:
        raise refused("The request has no token.")
    if len(authorization) > MOST_CHARACTERS:
        raise refused(f"The Authorization header is longer than {MOST_CHARACTERS:,} characters.")
    found = _BEARER.fullmatch(authorization)
    if found is None:
        raise refused("The Authorization header isn't one Bearer token in the form of a JWT.")
    return found[1]


def key_id(token: str, settings: AuthSettings) -> str | None:
    """Return the id of the key that a token names, None if it names none; raises Unauthenticated."""
    try:
        return verification.key_id(token, settings.algorithms)
    except verification.BadToken as error:
        raise refused(str(error)) from error


def verify(token: str, key: Key, settings: AuthSettings) -> tuple[Caller, float]:
    """Verify a token; return its caller, and its expiry in seconds since 1970. Raises Unauthenticated."""
    try:
        claims, expires = verification.verified_claims(
            token, key, issuer=settings.issuer, audience=settings.audience, leeway=settings.leeway_seconds
        )
    except verification.BadToken as error:
        raise refused(str(error)) from error
    return Caller(_client(claims, settings), _scopes(claims, settings)), expires


def _client(claims: Mapping[str, Any], settings: AuthSettings) -> str:
    """Return the client's name as `claim:value`, since a user's `sub` may equal another client's `azp`."""
    for claim in settings.client_claims:
        name = claims.get(claim)
        if isinstance(name, str) and 0 < len(name) <= _MOST_NAME and name.isprintable():
            return f"{claim}:{name}"
    raise refused(f"The token names no client ({', '.join(settings.client_claims)}).")


def _scopes(claims: Mapping[str, Any], settings: AuthSettings) -> frozenset[str]:
    granted: set[str] = set()
    for claim in settings.scope_claims:
        value = claims.get(claim)
        words = value.split() if isinstance(value, str) else value if isinstance(value, list) else ()
        granted.update(word for word in words if isinstance(word, str))
    prefix = settings.scope_prefix
    return frozenset(word[len(prefix) :] for word in granted if word.startswith(prefix)) & _SCOPES
