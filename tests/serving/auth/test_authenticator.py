"""Tokens, really signed."""

from __future__ import annotations

import asyncio
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from serving.auth.authenticator import Authenticator
from serving.auth.settings import AuthSettings
from serving.errors import Unauthenticated


@pytest.fixture(scope="module")
def private():
    """The issuer's key."""
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def settings(private, tmp_path):
    """Settings with the issuer's public key in a file."""
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key()))
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [{**public, "kid": "k1"}]}))
    return AuthSettings(enabled=True, issuer="https://i", audience="risk", jwks=str(path))


def _ask(settings, token):
    async def asked():
        authenticator = Authenticator(settings)
        await authenticator.refresh()
        caller = await authenticator.authenticate(f"Bearer {token}")
        assert authenticator.cached(f"Bearer {token}") == caller
        return caller

    return asyncio.run(asked())


def _claims(**other):
    return {"iss": "https://i", "aud": "risk", "exp": time.time() + 300, "azp": "pay", "scope": "score x", **other}


def test_sound(settings, private):
    """A sound token gives its client and the scopes that exist."""
    caller = _ask(settings, jwt.encode(_claims(), private, "RS256", {"kid": "k1"}))
    assert (caller.name, caller.scopes) == ("pay", {"score"})


@pytest.mark.parametrize(
    "other", [{"aud": "x"}, {"iss": "x"}, {"exp": 1}, {"exp": None}, {"nbf": 9e9}, {"azp": ""}], ids=str
)
def test_wrong_claims(settings, private, other):
    """A token with a wrong claim is refused."""
    claims = {name: value for name, value in _claims(**other).items() if value is not None}
    with pytest.raises(Unauthenticated):
        _ask(settings, jwt.encode(claims, private, "RS256", {"kid": "k1"}))


@pytest.mark.parametrize(("algorithm", "key"), [("none", None), ("HS256", "s" * 64)])
def test_algorithms(settings, algorithm, key):
    """Unsigned and symmetric tokens are refused."""
    with pytest.raises(Unauthenticated):
        _ask(settings, jwt.encode(_claims(), key, algorithm, {"kid": "k1"}))


def test_other_key(settings):
    """A token that another key signed is refused."""
    with pytest.raises(Unauthenticated, match="signature"):
        _ask(settings, jwt.encode(_claims(), rsa.generate_private_key(65537, 2048), "RS256", {"kid": "k1"}))
