"""The usable keys of an issuer's key set."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from customer_risk.model.tokens import keys
from customer_risk.model.tokens.algorithms import ASYMMETRIC

EVERY = tuple(sorted(ASYMMETRIC))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=3,
)


def _set(*members: object) -> bytes:
    return json.dumps({"keys": members}).encode()


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b" ",
        b"{",
        b"null",
        b"[]",
        b'"keys"',
        b"<html>",
        b"\xff",
        b"{}",
        b'{"keys": null}',
        b'{"keys": {}}',
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
    ],
    ids=lambda document: document[:40],
)
def test_malformed(document) -> None:
    """A document that isn't a key set raises KeysUnreadable."""
    with pytest.raises(keys.KeysUnreadable):
        keys.parse(document, EVERY)


@pytest.mark.parametrize(
    "document",
    [
        b'{"keys": []}',
        b'{"keys": [null, 1, "x", []]}',
        b'{"keys": [{}]}',
        b'{"keys": [{"kty": ["RSA"]}]}',
        b'{"keys": [{"kty": "RSA"}]}',
        b'{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}',
        b'{"keys": [{"kty": "RSA", "n": 5, "e": 7}]}',
        b'{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}',
        b'{"keys": [{"kty": "EC", "crv": {}, "x": "AA", "y": "AA"}]}',
    ],
    ids=lambda document: document[:40],
)
def test_unusable_members(document) -> None:
    """A key set whose members can't be used has no usable key, and raises no error."""
    assert keys.parse(document, EVERY) == {}


@examples(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_member(rsa_key, ec_key, jwk, data) -> None:
    """Wrong values in a member's fields don't affect the other keys."""
    base = data.draw(st.sampled_from([jwk(rsa_key.public_key()), jwk(ec_key.public_key())]))
    names = st.sampled_from(["kty", "n", "e", "x", "y", "crv", "alg", "use", "kid", "d"])
    odd = data.draw(st.dictionaries(names, JSON | st.text("AQ-_=", max_size=50)))
    document = _set({**base, **odd}, jwk(rsa_key.public_key(), kid="good"))
    try:
        found = keys.parse(document, EVERY)
    except keys.KeysUnreadable:  # JSON that isn't: half of a surrogate pair
        with pytest.raises(msgspec.DecodeError):
            msgspec.json.decode(document)
    else:
        assert found["good"].public.public_numbers() == rsa_key.public_key().public_numbers()


def test_private_key(rsa_key, jwk) -> None:
    """Only the public part of a private key that was published by mistake is kept."""
    found = keys.parse(_set(jwk(rsa_key, kid="oops")), ("RS256",))["oops"].public
    assert isinstance(found, rsa.RSAPublicKey)
    assert found.public_numbers() == rsa_key.public_key().public_numbers()


def test_private_key_on_a_curve(ec_key, jwk) -> None:
    """Only the public part of a private key on a curve is kept."""
    assert isinstance(keys.parse(_set(jwk(ec_key, kid="oops")), ("ES256",))["oops"].public, ec.EllipticCurvePublicKey)


@pytest.mark.parametrize("declared", [{}, {"alg": "HS256"}, {"alg": "RS256"}], ids=str)
def test_symmetric_key(rsa_key, jwk, declared) -> None:
    """A shared secret in a key set is left out, whatever algorithm it names."""
    secret = {"kty": "oct", "k": urlsafe_b64encode(b"s" * 64).decode(), "kid": "secret", **declared}
    assert set(keys.parse(_set(secret, jwk(rsa_key.public_key(), kid="rsa")), EVERY)) == {"rsa", None}


@pytest.mark.parametrize("other", [{"use": "enc"}, {"alg": "HS256"}, {"alg": "none"}, {"alg": "RSA-OAEP"}], ids=str)
def test_keys_for_other_ends(rsa_key, jwk, other) -> None:
    """A key for encryption, or for an algorithm that doesn't fit its type, is left out."""
    assert keys.parse(_set(jwk(rsa_key.public_key(), kid="rsa", **other)), EVERY) == {}


def test_short_rsa_key(jwk) -> None:
    """An RSA key under 2048 bits is left out."""
    short = rsa.generate_private_key(65537, 1024).public_key()  # noqa: S505  this fault is tested
    assert keys.parse(_set(jwk(short, kid="short")), EVERY) == {}


@pytest.mark.parametrize(
    ("curve", "algorithm"),
    [(ec.SECP256R1(), "ES256"), (ec.SECP384R1(), "ES384"), (ec.SECP521R1(), "ES512")],
    ids=lambda value: getattr(value, "name", value),
)
def test_curves(jwk, curve, algorithm) -> None:
    """A key on a curve verifies the one algorithm of that curve."""
    found = keys.parse(_set(jwk(ec.generate_private_key(curve).public_key(), kid="a")), EVERY)
    assert found["a"].algorithms == (algorithm,)


@pytest.mark.parametrize("made", [ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey])
def test_edwards_curves(made) -> None:
    """Keys on Edwards curves verify EdDSA."""
    member = jwt.algorithms.OKPAlgorithm.to_jwk(made.generate().public_key(), as_dict=True)
    assert keys.parse(_set({**member, "kid": "ed"}), EVERY)["ed"].algorithms == ("EdDSA",)


def test_a_curve_for_agreement() -> None:
    """A key on X25519, which can't sign, is left out."""
    raw = x25519.X25519PrivateKey.generate().public_key().public_bytes_raw()
    member = {"kty": "OKP", "crv": "X25519", "x": urlsafe_b64encode(raw).decode().rstrip("="), "kid": "x"}
    assert keys.parse(_set(member), EVERY) == {}


def test_algorithms_that_are_not_accepted(rsa_key, ec_key, jwk) -> None:
    """Keys that fit no accepted algorithm are left out."""
    document = _set(jwk(rsa_key.public_key(), kid="rsa"), jwk(ec_key.public_key(), kid="ec"))
    assert set(keys.parse(document, ("ES256",))) == {"ec", None}


def test_ids(rsa_key, ec_key, jwk) -> None:
    """If there are several keys, a token without a key id has no key."""
    document = _set(jwk(rsa_key.public_key(), kid="rsa"), jwk(ec_key.public_key(), kid="ec"))
    assert set(keys.parse(document, EVERY)) == {"rsa", "ec"}


def test_a_nameless_key_among_several(rsa_key, ec_key, jwk) -> None:
    """A key without an id is left out if another key has an id."""
    document = _set(jwk(rsa_key.public_key()), jwk(ec_key.public_key(), kid="ec"))
    assert set(keys.parse(document, EVERY)) == {"ec"}


def test_several_nameless_keys(rsa_key, ec_key, jwk) -> None:
    """Several keys without ids are all left out."""
    assert keys.parse(_set(jwk(rsa_key.public_key()), jwk(ec_key.public_key())), EVERY) == {}


def test_the_same_id_twice(rsa_key, ec_key, jwk) -> None:
    """Of two keys with one id the first is used."""
    document = _set(jwk(rsa_key.public_key(), kid="a"), jwk(ec_key.public_key(), kid="a"))
    assert isinstance(keys.parse(document, EVERY)["a"].public, rsa.RSAPublicKey)
