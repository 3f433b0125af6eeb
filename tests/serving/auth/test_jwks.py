"""The issuer's key set, by file and by URL, and what of it is used."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import time
from base64 import urlsafe_b64encode

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from customer_risk.serving.auth import jwks as keys
from customer_risk.serving.auth.settings import ASYMMETRIC

EVERY = tuple(sorted(ASYMMETRIC))
SLOW = 600  # seconds that a slow issuer takes; no test may take as long
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=3,
)


def _set(*members: object) -> bytes:
    return json.dumps({"keys": members}).encode()


def _fetch(settings) -> bytes:
    return asyncio.run(keys.fetch(settings))


def _unreadable(settings, match: str) -> None:
    with pytest.raises(keys.KeysUnreadable, match=match):
        _fetch(settings)


def test_by_file(settings, key_set) -> None:
    """A file's bytes are what is read."""
    assert _fetch(settings) == key_set


def test_by_url(by_url, key_set) -> None:
    """A URL's body is what is read."""
    assert _fetch(by_url) == key_set


def test_by_url_compressed(by_url, issuer, key_set) -> None:
    """A compressed body is read as what it stands for."""
    issuer.body, issuer.headers = gzip.compress(key_set), {"content-encoding": "gzip"}
    assert _fetch(by_url) == key_set


def test_no_file(settings, tmp_path) -> None:
    """A file that isn't there, or is a folder, is told."""
    _unreadable(msgspec.structs.replace(settings, jwks=str(tmp_path / "none")), "No such file")
    _unreadable(msgspec.structs.replace(settings, jwks=str(tmp_path)), "directory")


def test_a_pipe(settings, tmp_path) -> None:
    """A named pipe as the file of keys is refused at once, without waiting for a writer."""
    os.mkfifo(tmp_path / "pipe")
    _unreadable(msgspec.structs.replace(settings, jwks=str(tmp_path / "pipe"), timeout_seconds=600), "regular file")


@pytest.mark.parametrize("status", [204, 304, 401, 404, 500, 503])
def test_other_statuses(by_url, issuer, status) -> None:
    """Only a 200 is a key set."""
    issuer.status = status
    _unreadable(by_url, f"status {status}")


@pytest.mark.parametrize("target", ["http://127.0.0.1:1/keys", "file:///etc/passwd", "http://[", "\xff"])
def test_redirects(by_url, issuer, target) -> None:
    """A redirect isn't followed: it could lead to where anybody can publish keys."""
    issuer.status, issuer.headers = 302, {"location": target}
    _unreadable(by_url, "status 302|RemoteProtocolError")
    assert issuer.answers == 1


def test_nobody_there(by_url, issuer) -> None:
    """An issuer that refuses connections is told."""
    issuer.go()
    _unreadable(by_url, "ConnectError")
    issuer.come_back()


def test_too_slow(by_url, issuer) -> None:
    """A look takes no longer than its timeout, however slow the issuer."""
    issuer.seconds = SLOW
    began = time.monotonic()
    _unreadable(msgspec.structs.replace(by_url, timeout_seconds=0.2), "0.2 s")
    assert time.monotonic() - began < SLOW


def test_no_encryption(by_url) -> None:
    """An https URL that doesn't speak TLS is told."""
    _unreadable(msgspec.structs.replace(by_url, jwks=by_url.jwks.replace("http:", "https:")), "ConnectError")


def test_an_unknown_certificate(by_url, issuer, encryption, monkeypatch) -> None:
    """A certificate that the operating system doesn't trust is refused."""
    issuer.encrypt(encryption)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    _unreadable(msgspec.structs.replace(by_url, jwks=issuer.url), "CERTIFICATE_VERIFY_FAILED")


def test_a_company_certificate(by_url, issuer, encryption, certificate, key_set, monkeypatch) -> None:
    """A certificate in the file that SSL_CERT_FILE names is trusted."""
    issuer.encrypt(encryption)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert _fetch(msgspec.structs.replace(by_url, jwks=issuer.url)) == key_set


@pytest.mark.parametrize("file", ["/nonexistent", __file__])
def test_no_certificates(by_url, file, monkeypatch) -> None:
    """A file of certificates that cannot be read is named by its variable."""
    monkeypatch.setenv("SSL_CERT_FILE", file)
    _unreadable(by_url, "check SSL_CERT_FILE")


@pytest.mark.parametrize("where", ["file", "url", "compressed"])
def test_too_large(settings, by_url, issuer, tmp_path, where) -> None:
    """More than a mebibyte isn't a key set; a small body that unpacks to it isn't either."""
    large = b" " * (keys.MOST_BYTES + 1)
    if where == "file":
        path = tmp_path / "large"
        path.write_bytes(large)
        settings = msgspec.structs.replace(settings, jwks=str(path))
    else:
        settings, issuer.body = by_url, large
        if where == "compressed":
            issuer.body, issuer.headers = gzip.compress(large), {"content-encoding": "gzip"}
    _unreadable(settings, "more than 1,048,576 bytes")


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


@examples(max_examples=300, deadline=None)
@given(st.data())
def test_any_member(rsa_key, ec_key, jwk, data) -> None:
    """Whatever stands in a member's fields, the other keys stay usable."""
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
    """Of a private key that was published by mistake the public part alone is kept."""
    found = keys.parse(_set(jwk(rsa_key, kid="oops")), ("RS256",))["oops"].public
    assert isinstance(found, rsa.RSAPublicKey)
    assert found.public_numbers() == rsa_key.public_key().public_numbers()


def test_private_key_on_a_curve(ec_key, jwk) -> None:
    """The same goes for a private key on a curve."""
    assert isinstance(keys.parse(_set(jwk(ec_key, kid="oops")), ("ES256",))["oops"].public, ec.EllipticCurvePublicKey)


@pytest.mark.parametrize("declared", [{}, {"alg": "HS256"}, {"alg": "RS256"}], ids=str)
def test_symmetric_key(rsa_key, jwk, declared) -> None:
    """A shared secret in a key set verifies nothing, whatever algorithm it says."""
    secret = {"kty": "oct", "k": urlsafe_b64encode(b"s" * 64).decode(), "kid": "secret", **declared}
    assert set(keys.parse(_set(secret, jwk(rsa_key.public_key(), kid="rsa")), EVERY)) == {"rsa", None}


@pytest.mark.parametrize("other", [{"use": "enc"}, {"alg": "HS256"}, {"alg": "none"}, {"alg": "RSA-OAEP"}], ids=str)
def test_keys_for_other_ends(rsa_key, jwk, other) -> None:
    """A key for encryption, or for an algorithm that no such key has, verifies nothing."""
    assert keys.parse(_set(jwk(rsa_key.public_key(), kid="rsa", **other)), EVERY) == {}


def test_short_rsa_key(jwk) -> None:
    """An RSA key under 2048 bits verifies nothing."""
    short = rsa.generate_private_key(65537, 1024).public_key()  # noqa: S505  the very fault that is to be seen
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
    """A key on X25519 can't sign, so it verifies nothing."""
    raw = x25519.X25519PrivateKey.generate().public_key().public_bytes_raw()
    member = {"kty": "OKP", "crv": "X25519", "x": urlsafe_b64encode(raw).decode().rstrip("="), "kid": "x"}
    assert keys.parse(_set(member), EVERY) == {}


def test_algorithms_that_are_not_accepted(rsa_key, ec_key, jwk) -> None:
    """Keys that can verify nothing that is accepted are left out."""
    document = _set(jwk(rsa_key.public_key(), kid="rsa"), jwk(ec_key.public_key(), kid="ec"))
    assert set(keys.parse(document, ("ES256",))) == {"ec", None}


def test_ids(rsa_key, ec_key, jwk) -> None:
    """Among several keys none stands for tokens that name none."""
    document = _set(jwk(rsa_key.public_key(), kid="rsa"), jwk(ec_key.public_key(), kid="ec"))
    assert set(keys.parse(document, EVERY)) == {"rsa", "ec"}


def test_a_nameless_key_among_several(rsa_key, ec_key, jwk) -> None:
    """A key without an id can't be meant where another has one."""
    document = _set(jwk(rsa_key.public_key()), jwk(ec_key.public_key(), kid="ec"))
    assert set(keys.parse(document, EVERY)) == {"ec"}


def test_several_nameless_keys(rsa_key, ec_key, jwk) -> None:
    """Several keys without ids are all left out."""
    assert keys.parse(_set(jwk(rsa_key.public_key()), jwk(ec_key.public_key())), EVERY) == {}


def test_the_same_id_twice(rsa_key, ec_key, jwk) -> None:
    """Of two keys with one id the first is used."""
    document = _set(jwk(rsa_key.public_key(), kid="a"), jwk(ec_key.public_key(), kid="a"))
    assert isinstance(keys.parse(document, EVERY)["a"].public, rsa.RSAPublicKey)
