"""An issuer's public keys: a JWK set (RFC 7517), by the keys' ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import jwt
import msgspec
from jwt.algorithms import AllowedPublicKeys

from customer_risk.model.files import parse_json
from customer_risk.model.tokens.algorithms import ASYMMETRIC

MOST_BYTES: Final = 1024 * 1024
_LEAST_RSA_BITS: Final = 2048
_BY_TYPE: Final = {"RSA": ("RS", "PS"), "EC": ("ES",), "OKP": ("EdDSA",)}
_BY_CURVE: Final = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}


class KeysUnreadable(Exception):
    """The issuer's keys can't be read; the message says why."""


class Key(msgspec.Struct, frozen=True):
    """A public key with the algorithms that it may verify."""

    public: AllowedPublicKeys
    algorithms: tuple[str, ...]


def parse(document: bytes, algorithms: tuple[str, ...]) -> dict[str | None, Key]:
    """Return a JWK set's usable keys by id. A single key is also under None, for tokens without a key id.

    Symmetric keys, keys for encryption and short RSA keys are left out, and keys without ids unless there is only one
    key. Only the public part of a private key is read. If the set has no usable key, the result is empty. Raises
    KeysUnreadable if the document isn't a JWK set.
    """
    try:
        members = parse_json(document, dict[str, Any]).get("keys")
    except msgspec.DecodeError as error:
        raise KeysUnreadable("not a JSON object") from error
    if not isinstance(members, list):
        raise KeysUnreadable("the JSON object has no list `keys`")
    found: dict[str | None, Key] = {}
    nameless: list[Key] = []
    for member in members:
        key = _key(member, algorithms) if isinstance(member, dict) else None
        if key is None:
            continue
        name = member.get("kid")
        if isinstance(name, str):
            found.setdefault(name, key)
        else:
            nameless.append(key)
    every = [*found.values(), *nameless]
    if len(every) == 1:
        found[None] = every[0]
    return found


def _key(member: Mapping[str, Any], accepted: tuple[str, ...]) -> Key | None:
    """Return the key of one member of the set; None if it fits no accepted algorithm."""
    kind, declared = member.get("kty"), member.get("alg")
    begins = _BY_TYPE.get(kind) if isinstance(kind, str) else None
    if begins is None or member.get("use", "sig") != "sig":
        return None
    fits = [name for name in accepted if name in ASYMMETRIC and name.startswith(begins)]
    if kind == "EC":
        fits = [name for name in fits if name == _BY_CURVE.get(str(member.get("crv")))]
    if declared is not None:
        fits = [name for name in fits if name == declared]
    if not fits:
        return None
    public = {name: value for name, value in member.items() if name not in ("d", "p", "q", "dp", "dq", "qi", "oth")}
    try:
        key = jwt.PyJWK(public, algorithm=fits[0]).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    if kind == "RSA" and key.key_size < _LEAST_RSA_BITS:
        return None
    return Key(key, tuple(fits))
