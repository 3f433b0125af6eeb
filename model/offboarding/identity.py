"""The person who runs a command: named by an OpenID Connect ID token, or by a claimed name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx2

from customer_risk.model.errors import SignOffError
from customer_risk.model.files import read_file
from customer_risk.model.offboarding.people import Person, is_name
from customer_risk.model.operator import named
from customer_risk.model.tokens.keys import MOST_BYTES, KeysUnreadable, parse
from customer_risk.model.tokens.verification import BadToken, key_id, verified_claims

if TYPE_CHECKING:
    from collections.abc import Mapping

    from customer_risk.model.config import SignOff, Token
    from customer_risk.model.tokens.keys import Key

_ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA")
_MOST_TOKEN: Final = 64 * 1024
_MOST_NAME: Final = 256
_LEEWAY: Final = 60.0  # seconds
_TIMEOUT: Final = 10.0  # seconds


def identify(rules: SignOff, *, by: str | None, token_file: Path | None) -> Person:
    """Return the person whom the token names; without a token, the claimed name `by` or the login name.

    Raises SignOffError if the token isn't valid, the run's rules name no issuer, the issuer's keys can't be read, or
    there is neither a token nor a name.
    """
    if token_file is None:
        name = named(by)
        if not name:
            raise SignOffError("This machine gives no login name.", remedy="Give your name with --by.")
        return Person(name)
    if rules.token is None:
        raise SignOffError(
            "This scoring run names no issuer of tokens, so the token of --token-file can't be checked.",
            remedy="Leave out --token-file, or score with the section sign_off.token in --config.",
        )
    person = _person(token_file, rules.token)
    if by is not None and not person.is_named(by):
        raise SignOffError(f"The token names {person.name}, but --by is {by!r}.", remedy="Leave out --by.")
    return person


def _person(path: Path, settings: Token) -> Person:
    try:
        token = read_file(path, most=_MOST_TOKEN).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SignOffError(
            f"{path} can't be read as a token: {error}.", remedy="Name a file with an ID token (JWT)."
        ) from error
    try:
        keys = parse(_key_set(settings.jwks), _ALGORITHMS)
    except (OSError, KeysUnreadable) as error:
        raise SignOffError(
            f"The issuer's keys at {settings.jwks} can't be read: {error}.",
            remedy="Check sign_off.token.jwks of the scoring run, and that this machine can reach it.",
        ) from error
    try:
        claims = _claims(token, keys, settings)
        name, subject = _name(claims, settings.name_claim), _text(claims, "sub")
    except BadToken as error:
        raise SignOffError(
            f"{path}: {error}", remedy=f"Get a new ID token from {settings.issuer} for {settings.audience}."
        ) from error
    return Person(name, verified=True, issuer=settings.issuer, subject=subject)


def _claims(token: str, keys: Mapping[str | None, Key], settings: Token) -> dict[str, Any]:
    key = keys.get(key_id(token, _ALGORITHMS))
    if key is None:
        raise BadToken("The token is signed with a key that its issuer doesn't publish.")
    return verified_claims(token, key, issuer=settings.issuer, audience=settings.audience, leeway=_LEEWAY)[0]


def _name(claims: Mapping[str, Any], claim: str) -> str:
    name = _text(claims, claim)
    if not is_name(name):
        raise BadToken(f"The token's claim {claim} isn't a person's name.")
    if claim == "email" and claims.get("email_verified") is False:
        raise BadToken("The token's issuer hasn't verified the e-mail address.")
    return " ".join(name.split())


def _text(claims: Mapping[str, Any], claim: str) -> str:
    text = claims.get(claim)
    if not isinstance(text, str) or not 0 < len(text) <= _MOST_NAME or not text.isprintable():
        raise BadToken(f"The token has no claim {claim} with a text of at most {_MOST_NAME} characters.")
    return text


def _key_set(where: str) -> bytes:
    if "://" not in where:
        return read_file(Path(where), most=MOST_BYTES)
    got = bytearray()
    try:
        with httpx2.Client(follow_redirects=False, timeout=_TIMEOUT) as client, client.stream("GET", where) as response:
            if response.status_code != httpx2.codes.OK:
                raise KeysUnreadable(f"status {response.status_code}")
            for part in response.iter_bytes():
                got += part
                if len(got) > MOST_BYTES:
                    raise KeysUnreadable(f"more than {MOST_BYTES:,} bytes")
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, ImportError) as error:
        raise KeysUnreadable(f"{type(error).__name__}: {error}") from error
    return bytes(got)
