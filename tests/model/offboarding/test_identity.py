"""The person who runs a command, named by a token or a claimed name."""

from __future__ import annotations

import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from customer_risk.model.config import SignOff, Token
from customer_risk.model.errors import SignOffError
from customer_risk.model.offboarding.identity import identify
from customer_risk.model.offboarding.people import Person
from tests.http_server import serving

ISSUER, AUDIENCE = "https://issuer.example/", "sign-off"
SECRET = "s" * 64


@pytest.fixture
def rules(key_set, tmp_path):
    """Rules with an issuer whose keys are in a file."""
    path = tmp_path / "jwks.json"
    path.write_bytes(key_set)
    return SignOff(token=Token(issuer=ISSUER, audience=AUDIENCE, jwks=str(path)))


@pytest.fixture
def token_file(rsa_key, tmp_path):
    """Write a token to a file, valid except for the given claims; None leaves a claim out."""

    def write(key=rsa_key, algorithm="RS256", kid="rsa", **other):
        now = int(time.time())
        sound = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 300, "sub": "u-1", "name": "Ann Example"}
        claims = {name: value for name, value in {**sound, **other}.items() if value is not None}
        path = tmp_path / "token"
        path.write_text(jwt.encode(claims, key, algorithm, {"kid": kid} if kid else None) + "\n")
        return path

    return write


ANN = Person("Ann Example", verified=True, issuer=ISSUER, subject="u-1")


def test_token_names_the_person(rules, token_file):
    """Name, issuer and subject are from the token, and the name is verified."""
    assert identify(rules, by=None, token_file=token_file()) == ANN


def test_ec_key_verifies_too(rules, token_file, ec_key):
    """A token signed with a key on P-256 is accepted."""
    assert identify(rules, by=None, token_file=token_file(ec_key, "ES256", "ec")) == ANN


def test_keys_at_a_url_are_fetched(token_file, key_set):
    """The issuer's key set is read from its URL."""
    with serving(lambda *_: (200, key_set)) as url:
        settings = SignOff(token=Token(issuer=ISSUER, audience=AUDIENCE, jwks=url))
        assert identify(settings, by=None, token_file=token_file()) == ANN


@pytest.mark.parametrize(
    ("status", "body", "headers", "problem"),
    [
        (404, b"", {}, "status 404"),
        (302, b"", {"location": "http://127.0.0.1:1/"}, "status 302"),
        (200, b"<html>", {}, "not a JSON object"),
        (200, b" " * (1024 * 1024 + 1), {}, "more than 1,048,576 bytes"),
    ],
    ids=["status", "redirect", "no JSON", "too large"],
)
def test_keys_that_cannot_be_read_are_reported(token_file, status, body, headers, problem):
    """The message names the address and the setting."""
    path = token_file()
    with serving(lambda *_: (status, body, headers)) as url:
        settings = SignOff(token=Token(issuer=ISSUER, audience=AUDIENCE, jwks=url))
        with pytest.raises(SignOffError, match=problem) as refusal:
            identify(settings, by=None, token_file=path)
    assert url in refusal.value.problem
    assert "sign_off.token.jwks" in refusal.value.remedy


@pytest.mark.parametrize("where", ["http://127.0.0.1:1/keys", "nowhere.json"])
def test_issuer_that_does_not_answer_is_reported(token_file, where):
    """A refused connection and a missing file are named as unreadable keys."""
    settings = SignOff(token=Token(issuer=ISSUER, audience=AUDIENCE, jwks=where))
    with pytest.raises(SignOffError, match=f"keys at {where} can't be read"):
        identify(settings, by=None, token_file=token_file())


@pytest.mark.parametrize(
    ("other", "problem"),
    [
        ({"exp": 1_000_000_000}, "is expired"),
        ({"exp": None}, "lacks one of the claims"),
        ({"nbf": 4_000_000_000}, "isn't valid yet"),
        ({"aud": "other"}, "another audience"),
        ({"aud": None}, "lacks one of the claims"),
        ({"iss": "https://other.example/"}, "another issuer"),
        ({"kid": "unknown"}, "a key that its issuer doesn't publish"),
        ({"kid": None}, "a key that its issuer doesn't publish"),
        ({"kid": "ec"}, "can't be read|doesn't fit its algorithm"),
        ({"key": None, "algorithm": "none"}, "an algorithm that isn't accepted"),
        ({"key": SECRET, "algorithm": "HS256"}, "an algorithm that isn't accepted"),
        ({"key": "stranger"}, "signature is wrong"),
        ({"name": None}, "no claim name"),
        ({"name": ""}, "no claim name"),
        ({"name": 5}, "no claim name"),
        ({"name": "n/a"}, "isn't a person's name"),
        ({"name": "x" * 257}, "no claim name"),
        ({"name": "Ann\nExample"}, "no claim name"),
        ({"sub": None}, "no claim sub"),
    ],
    ids=str,
)
def test_token_that_proves_nothing_is_refused(rules, token_file, other, problem):
    """The message names the file, what is wrong, and where to get another token; the token isn't printed."""
    if other.get("key") == "stranger":
        other = other | {"key": rsa.generate_private_key(65537, 2048)}
    path = token_file(**other)
    with pytest.raises(SignOffError, match=problem) as refusal:
        identify(rules, by=None, token_file=path)
    assert str(path) in refusal.value.problem
    assert f"from {ISSUER} for {AUDIENCE}" in refusal.value.remedy
    assert path.read_text().strip() not in str(refusal.value)


@pytest.mark.parametrize("content", [b"", b"no token", b"a.b.c", b"\xff", b"x" * 100_000], ids=lambda text: text[:8])
def test_file_without_a_token_is_refused(rules, tmp_path, content):
    """The message names the file."""
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(SignOffError, match=r"token(:| can't be read)"):
        identify(rules, by=None, token_file=tmp_path / "token")


@pytest.mark.parametrize(("verified", "accepted"), [(True, True), (None, True), (False, False)])
def test_name_may_be_another_claim(key_set, tmp_path, token_file, verified, accepted):
    """An e-mail address names a person, unless the issuer says that it wasn't verified."""
    (tmp_path / "jwks.json").write_bytes(key_set)
    token = Token(issuer=ISSUER, audience=AUDIENCE, jwks=str(tmp_path / "jwks.json"), name_claim="email")
    path = token_file(email="ann@bank.example", email_verified=verified)
    if accepted:
        assert identify(SignOff(token=token), by=None, token_file=path).name == "ann@bank.example"
    else:
        with pytest.raises(SignOffError, match="hasn't verified the e-mail address"):
            identify(SignOff(token=token), by=None, token_file=path)


def test_token_without_an_issuer_in_the_run_is_refused(token_file):
    """A token is refused if the run names no issuer, so a signer can't choose the issuer."""
    with pytest.raises(SignOffError, match="names no issuer of tokens"):
        identify(SignOff(), by=None, token_file=token_file())


def test_name_beside_a_token_is_the_tokens(rules, token_file):
    """--by may repeat the name of the token, but not give another name."""
    assert identify(rules, by=" ann example", token_file=token_file()) == ANN
    with pytest.raises(SignOffError, match="The token names Ann Example, but --by is 'Bob Example'"):
        identify(rules, by="Bob Example", token_file=token_file())


def test_name_without_a_token_is_claimed(rules, monkeypatch):
    """A name that was typed, or the login name, isn't verified."""
    monkeypatch.setattr("getpass.getuser", lambda: "login")
    assert identify(rules, by=" said ", token_file=None) == Person("said")
    assert identify(rules, by=None, token_file=None) == Person("login")


def test_person_without_a_login_name_must_give_a_name(monkeypatch):
    """Without a login name, a name must be given."""
    monkeypatch.setattr("getpass.getuser", lambda: "")
    with pytest.raises(SignOffError, match="Give your name with --by"):
        identify(SignOff(), by=None, token_file=None)
