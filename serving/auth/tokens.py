"""Access tokens: parsing, verification with a key, and the caller and scopes that they name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, get_args

import jwt

from customer_risk.serving.auth.caller import Caller, Permission
from customer_risk.serving.auth.settings import AuthSettings
from customer_risk.serving.errors import Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from customer_risk.serving.auth.jwks import Key

MOST_CHARACTERS: Final = 8 * 1024
_REMEDY: Final = "Send Authorization: Bearer with an access token for this service."
_BEARER: Final = re.compile(r"bearer +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)", re.IGNORECASE | re.ASCII)
_SCOPES: Final = frozenset(get_args(Permission))
_MOST_NAME: Final = 256
# Errors besides its own that the library raises for odd numbers and deep nesting in a token.
_ODD: Final = (ValueError, TypeError, KeyError, OverflowError, RecursionError)


def refused(why: str) -> Unauthenticated:
    """Return the refusal; `why` must not repeat input."""
    return Unauthenticated(why, remedy=_REMEDY)


def bearer(authorization: str | None) -> str:
    """Return the token in an `Authorization` header; raises Unauthenticated, also for two headers joined."""
    if authorization is None:
        raise refused("There is no token.")
    if len(authorization) > MOST_CHARACTERS:
        raise refused(f"The Authorization header is longer than {MOST_CHARACTERS:,} characters.")
    found = _BEARER.fullmatch(authorization)
    if found is None:
        raise refused("The Authorization header isn't one Bearer token in the form of a JWT.")
    return found[1]


def key_id(token: str, settings: AuthSettings) -> str | None:
    """Return the id of the key that a token names, None if it names none; raises Unauthenticated."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, *_ODD) as error:
        raise refused("The token's header can't be read.") from error
    if header.get("alg") not in settings.algorithms:
        raise refused("The token is signed by an algorithm that isn't accepted.")
    kid = header.get("kid")
    return kid if isinstance(kid, str) else None


def verify(token: str, key: Key, settings: AuthSettings) -> tuple[Caller, float]:
    """Verify a token; return its caller, and its expiry in seconds since 1970. Raises Unauthenticated."""
    try:
        claims = jwt.decode(
            token,
            key.public,
            algorithms=list(key.algorithms),
            audience=settings.audience,
            issuer=settings.issuer,
            leeway=settings.leeway_seconds,
            options={"require": ["exp", "iss", "aud"], "verify_sub": False, "verify_jti": False},
        )
        expires = float(claims["exp"])
    except (jwt.PyJWTError, *_ODD) as error:
        raise refused(_why(error)) from error
    return Caller(_client(claims, settings), _scopes(claims, settings)), expires


def _why(error: Exception) -> str:
    """Return what is wrong with a token, without the library's text, which may repeat input."""
    said = {
        jwt.ExpiredSignatureError: "The token is expired.",
        jwt.InvalidAudienceError: "The token is meant for another audience.",
        jwt.InvalidIssuerError: "The token is from another issuer.",
        jwt.ImmatureSignatureError: "The token isn't valid yet.",
        jwt.InvalidSignatureError: "The token's signature is wrong.",
        jwt.MissingRequiredClaimError: "The token lacks one of the claims exp, iss and aud.",
        jwt.InvalidAlgorithmError: "The token's key isn't one for its algorithm.",
    }
    return next((text for kind, text in said.items() if isinstance(error, kind)), "The token can't be read.")


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
