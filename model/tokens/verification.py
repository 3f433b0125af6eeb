"""A token's verification with its issuer's key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import jwt

if TYPE_CHECKING:
    from collections.abc import Collection

    from customer_risk.model.tokens.keys import Key

# Errors other than PyJWTError that the library raises for unusual numbers and deep nesting in a token.
_ODD: Final = (ValueError, TypeError, KeyError, OverflowError, RecursionError)


class BadToken(Exception):
    """A token that can't be accepted; the message says why, without any text of the token."""


def key_id(token: str, algorithms: Collection[str]) -> str | None:
    """Return the id of the key that a token names; None if it names no key. Raises BadToken."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, *_ODD) as error:
        raise BadToken("The token's header can't be read.") from error
    if header.get("alg") not in algorithms:
        raise BadToken("The token is signed by an algorithm that isn't accepted.")
    kid = header.get("kid")
    return kid if isinstance(kid, str) else None


def verified_claims(token: str, key: Key, *, issuer: str, audience: str, leeway: float) -> tuple[dict[str, Any], float]:
    """Verify a token; return its claims, and its expiry in seconds since 1970. Raises BadToken."""
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key.public,
            algorithms=list(key.algorithms),
            audience=audience,
            issuer=issuer,
            leeway=leeway,
            options={"require": ["exp", "iss", "aud"], "verify_sub": False, "verify_jti": False},
        )
        return claims, float(claims["exp"])
    except (jwt.PyJWTError, *_ODD) as error:
        raise BadToken(_why(error)) from error


def _why(error: Exception) -> str:
    """Return what is wrong with a token, without the library's text, which may repeat input."""
    said = {
        jwt.ExpiredSignatureError: "The token is expired.",
        jwt.InvalidAudienceError: "The token is meant for another audience.",
        jwt.InvalidIssuerError: "The token is from another issuer.",
        jwt.ImmatureSignatureError: "The token isn't valid yet.",
        jwt.InvalidSignatureError: "The token's signature is wrong.",
        jwt.MissingRequiredClaimError: "The token lacks one of the claims exp, iss and aud.",
        jwt.InvalidAlgorithmError: "The token's key doesn't fit its algorithm.",
    }
    return next((text for kind, text in said.items() if isinstance(error, kind)), "The token can't be read.")
