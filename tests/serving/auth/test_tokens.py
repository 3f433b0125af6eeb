"""One signed token, verified with the issuer's keys."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64encode
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from customer_risk.model.tokens import keys
from customer_risk.serving.auth import tokens
from customer_risk.serving.auth.access import authorization_of
from customer_risk.serving.auth.authenticator import Authenticator
from customer_risk.serving.auth.caller import LOCAL
from customer_risk.serving.auth.settings import AuthSettings
from customer_risk.serving.errors import Unauthenticated

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.fixture
def ask(settings):
    """Return the caller of a header; `other` are settings."""

    def asked(authorization: str | None, **other: Any):
        async def run():
            authenticator = Authenticator(msgspec.structs.replace(settings, **other))
            await authenticator.refresh()
            return await authenticator.authenticate(authorization)

        return asyncio.run(run())

    return asked


def _refused(ask, authorization: str | None, match: str, **other: Any) -> None:
    with pytest.raises(Unauthenticated, match=match):
        ask(authorization, **other)


def _by_hand(header: object, payload: object, signature: bytes = b"x") -> str:
    parts = json.dumps(header).encode(), json.dumps(payload).encode(), signature
    return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def test_a_valid_token_names_its_client_and_scopes(ask, sign, ec_key) -> None:
    """A valid token by RSA or an elliptic curve names its client and scopes."""
    for token in (sign(), sign(ec_key, "ES256", "ec")):
        caller = ask(f"Bearer {token}")
        assert (caller.name, caller.scopes) == ("azp:pay", {"score"})


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"aud": "elsewhere"}, "another audience"),
        ({"aud": ["elsewhere", "there"]}, "another audience"),
        ({"aud": None}, "lacks"),
        ({"aud": 7}, "another audience"),
        ({"iss": "https://issuer.example"}, "another issuer"),
        ({"iss": None}, "lacks"),
        ({"iss": ["https://issuer.example/"]}, "another issuer"),
        ({"exp": None}, "lacks"),
        ({"exp": "soon"}, "read"),
        ({"exp": 10**400}, "read"),
        ({"exp": [1]}, "read"),
        ({"nbf": "later"}, "read"),
        ({"azp": ""}, "names no client"),
        ({"azp": 7}, "names no client"),
        ({"azp": "x" * 257}, "names no client"),
        ({"azp": "pay\nadmin in"}, "names no client"),
        ({"azp": "\ud800"}, "names no client"),
    ],
    ids=str,
)
def test_a_token_with_a_wrong_claim_is_refused(ask, sign, other, why) -> None:
    """A token with a wrong, missing or malformed claim is refused with the reason."""
    _refused(ask, f"Bearer {sign(**other)}", why)


def test_a_token_for_several_audiences_is_accepted(ask, sign) -> None:
    """A token for several audiences is accepted if this service's audience is among them."""
    assert ask(f"Bearer {sign(aud=['elsewhere', 'customer-risk'])}").name == "azp:pay"


@pytest.mark.parametrize(
    ("claim", "seconds", "why"), [("exp", -70, "expired"), ("nbf", 70, "valid yet"), ("iat", 70, "valid yet")]
)
def test_a_time_outside_the_leeway_is_refused(ask, sign, claim, seconds, why) -> None:
    """A token that is expired, or not valid yet, by more than the leeway is refused."""
    _refused(ask, f"Bearer {sign(**{claim: time.time() + seconds})}", why, leeway_seconds=60)


@pytest.mark.parametrize(("claim", "seconds"), [("exp", -50), ("nbf", 50), ("iat", 50)])
def test_a_time_inside_the_leeway_is_accepted(ask, sign, claim, seconds) -> None:
    """The issuer's clock may differ by the leeway."""
    assert ask(f"Bearer {sign(**{claim: time.time() + seconds})}", leeway_seconds=60).name == "azp:pay"


@pytest.mark.parametrize(("claim", "seconds"), [("exp", -50), ("nbf", 50)])
def test_a_leeway_of_zero_accepts_no_difference(ask, sign, claim, seconds) -> None:
    """Without a leeway the same tokens are refused."""
    _refused(ask, f"Bearer {sign(**{claim: time.time() + seconds})}", "expired|valid yet", leeway_seconds=0)


@pytest.mark.parametrize("name", ["none", "None", "NONE"])
@pytest.mark.parametrize("signature", [b"", b"x"])
def test_an_unsigned_token_is_refused(ask, claims, name, signature) -> None:
    """A token with the algorithm `none` is refused in any spelling."""
    _refused(ask, f"Bearer {_by_hand({'alg': name, 'kid': 'rsa'}, claims(), signature)}", "accepted|form of a JWT")


@pytest.mark.parametrize("named", [{"kid": "rsa"}, {}], ids=str)
def test_the_public_key_as_hmac_secret_is_refused(ask, claims, rsa_key, named) -> None:
    """A token signed by HMAC with the public key as the secret is refused."""
    public = rsa_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    begin = _by_hand({"alg": "HS256", **named}, claims()).rpartition(".")[0]
    signature = urlsafe_b64encode(hmac.digest(public, begin.encode(), hashlib.sha256)).rstrip(b"=").decode()
    _refused(ask, f"Bearer {begin}.{signature}", "algorithm that isn't accepted")


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256"])
def test_an_algorithm_that_the_settings_lack_is_refused(ask, sign, algorithm) -> None:
    """A valid signature by an algorithm that the settings lack is refused."""
    _refused(ask, f"Bearer {sign(algorithm=algorithm)}", "algorithm that isn't accepted")


@pytest.mark.parametrize(("algorithm", "kid"), [("RS256", "ec"), ("ES256", "rsa")])
def test_a_key_verifies_only_its_own_algorithms(ask, sign, rsa_key, ec_key, algorithm, kid) -> None:
    """A key verifies only its own algorithms, whatever the token's header says."""
    _refused(ask, f"Bearer {sign({'ec': rsa_key, 'rsa': ec_key}[kid], algorithm, kid)}", "doesn't fit its algorithm")


def test_a_key_with_an_algorithm_verifies_no_other(ask, sign, rsa_key, jwk, tmp_path) -> None:
    """A key that is published for one algorithm verifies no other, even if the settings accept both."""
    path = tmp_path / "pinned.json"
    path.write_text(json.dumps({"keys": [jwk(rsa_key.public_key(), kid="rsa", alg="PS256")]}))
    more = {"jwks": str(path), "algorithms": ("RS256", "PS256")}
    assert ask(f"Bearer {sign(algorithm='PS256')}", **more).name == "azp:pay"
    _refused(ask, f"Bearer {sign()}", "doesn't fit its algorithm", **more)


@pytest.mark.parametrize(
    ("algorithm", "make"),
    [
        ("RS256", lambda: rsa.generate_private_key(65537, 2048)),
        ("ES256", lambda: ec.generate_private_key(ec.SECP256R1())),
    ],
    ids=["RSA", "EC"],
)
def test_a_signature_of_another_key_is_refused(ask, sign, algorithm, make) -> None:
    """A token that another key signed is refused, although it names the issuer's key."""
    _refused(ask, f"Bearer {sign(make(), algorithm, {'RS256': 'rsa', 'ES256': 'ec'}[algorithm])}", "signature is wrong")


def test_a_key_in_the_token_is_not_used(ask, claims, jwk) -> None:
    """A key in the token's header, or at a URL in it, is not used."""
    stranger = rsa.generate_private_key(65537, 2048)
    header = {"kid": "rsa", "jwk": jwk(stranger.public_key()), "jku": "http://127.0.0.1:1/keys"}
    _refused(ask, f"Bearer {jwt.encode(claims(), stranger, 'RS256', header)}", "signature is wrong")


@pytest.mark.parametrize("kid", ["other", "", "RSA", "../rsa"])
def test_an_unpublished_key_id_is_refused(ask, sign, kid) -> None:
    """A token with an unpublished key id is refused."""
    _refused(ask, f"Bearer {sign(kid=kid)}", "doesn't publish")


def test_a_token_without_key_id_is_refused_among_several_keys(ask, sign) -> None:
    """A token without a key id is refused if there are several keys."""
    _refused(ask, f"Bearer {sign(kid=None)}", "doesn't publish")


@pytest.mark.parametrize("name", ["rsa", None])
def test_a_token_without_key_id_is_verified_with_the_only_key(ask, sign, rsa_key, jwk, tmp_path, name) -> None:
    """A token without a key id is verified with the only key, whether or not that has an id."""
    path = tmp_path / "one.json"
    more = {} if name is None else {"kid": name}
    path.write_text(json.dumps({"keys": [jwk(rsa_key.public_key(), **more)]}))
    assert ask(f"Bearer {sign(kid=None)}", jwks=str(path)).name == "azp:pay"


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "Bearer   "])
def test_the_scheme_is_case_insensitive(ask, sign, scheme) -> None:
    """The scheme may be written in any case, with several spaces after it."""
    assert ask(f"{scheme}{sign()}").name == "azp:pay"


@pytest.mark.parametrize(
    "write",
    [
        "{}",
        "Bearer{}",
        "Bearer:{}",
        "Bearer\t{}",
        " Bearer {}",
        "Bearer {} ",
        "Bearer {}\n",
        "Bearer {}=",
        "Bearer {}.x",
        "Bearer {0}, Bearer {0}",
        "Bearer {0} {0}",
        "Basic {}",
        "Token {}",
        "Bearer ",
        "Bearer",
        "",
        "Bearer a.b",
        "Bearer ..",
        "Bearer é.é.é",
        "Bearer ٣.٣.٣",
        'Bearer "{}"',
    ],
)
def test_a_malformed_authorization_header_is_refused(ask, sign, write) -> None:
    """Every header other than `Bearer` and one token is refused."""
    _refused(ask, write.format(sign()), "form of a JWT")


def test_a_missing_header_is_refused(ask) -> None:
    """Without a header there is no token."""
    _refused(ask, None, "no token")


def test_two_authorization_headers_are_refused(ask, sign) -> None:
    """Two valid Authorization headers are refused: a proxy may have read the other one."""
    header = (b"authorization", f"Bearer {sign()}".encode())
    _refused(ask, authorization_of([header, (b"accept", b"*/*"), header]), "form of a JWT")


def test_a_header_is_bounded(ask, sign) -> None:
    """A header of 8,192 characters is read; a longer one is refused."""
    token = sign(more="x" * 4000)
    pad = " " * (tokens.MOST_CHARACTERS - len("Bearer") - len(token))
    assert ask(f"Bearer{pad}{token}").name == "azp:pay"
    _refused(ask, f"Bearer {pad}{token}", "longer than 8,192")


@pytest.mark.parametrize(
    "header",
    [[], "RS256", None, {}, {"alg": None}, {"alg": ["RS256"]}, {"alg": "RS256", "kid": 7}, {"alg": "RS256", "b64": 0}],
    ids=str,
)
def test_a_malformed_token_header_is_refused(ask, claims, header) -> None:
    """A token with a malformed header is refused without an unexpected error."""
    _refused(ask, f"Bearer {_by_hand(header, claims())}", "read|accepted|publish")


def test_an_unknown_critical_extension_is_refused(ask, claims, rsa_key) -> None:
    """A token with unknown critical extensions is refused (RFC 7515)."""
    token = jwt.encode(claims(), rsa_key, "RS256", {"kid": "rsa", "crit": ["exp2"], "exp2": 1})
    _refused(ask, f"Bearer {token}", "read")


@pytest.mark.parametrize("payload", [[], "claims", 7, None], ids=str)
def test_a_payload_that_is_not_an_object_is_refused(ask, rsa_key, payload) -> None:
    """A signed payload that isn't an object is refused."""
    token = jwt.api_jws.encode(json.dumps(payload).encode(), rsa_key, "RS256", {"kid": "rsa"})
    _refused(ask, f"Bearer {token}", "read")


def test_a_deeply_nested_payload_is_refused(ask, rsa_key) -> None:
    """A deeply nested payload is refused without an unexpected error."""
    token = jwt.api_jws.encode(b"[" * 2000 + b"]" * 2000, rsa_key, "RS256", {"kid": "rsa"})
    _refused(ask, f"Bearer {token}", "read")


def test_a_refusal_does_not_repeat_the_input(ask, sign) -> None:
    """A refusal does not repeat the input."""
    with pytest.raises(Unauthenticated) as caught:
        ask(f"Bearer {sign(aud='<script>', iss='<script>', azp='<script>')}")
    assert "script" not in f"{caught.value} {caught.value.remedy}"


@pytest.mark.parametrize(
    ("other", "scopes"),
    [
        ({"scope": "score batch"}, "batch score"),
        ({"scope": "  score   explain "}, "explain score"),
        ({"scope": ["score", "admin"]}, "admin score"),
        ({"scope": ["score batch"]}, ""),
        ({"scope": ["score", 7, None, ["batch"]]}, "score"),
        ({"scope": None, "scp": ["batch"]}, "batch"),
        ({"scope": None, "scp": "batch"}, "batch"),
        ({"scope": "score", "scp": "batch", "roles": ["admin"]}, "batch score"),
        ({"scope": None}, ""),
        ({"scope": ""}, ""),
        ({"scope": {"score": True}}, ""),
        ({"scope": "Score SCORE scores openid"}, ""),
        ({"scope": None, "permissions": "score"}, ""),
    ],
    ids=str,
)
def test_scopes_are_words_or_list_members(ask, sign, other, scopes) -> None:
    """Scopes are words of a text or members of a list, in any of the claims; other values grant nothing."""
    assert ask(f"Bearer {sign(**other)}").scopes == frozenset(scopes.split())


@pytest.mark.parametrize(
    ("granted", "other"),
    [
        ({"scope": "score risk:batch risk:risk:admin"}, {}),
        ({"scope": None, "roles": ["admin", "risk:batch"]}, {"scope_claims": ("roles",)}),
    ],
    ids=str,
)
def test_only_scopes_with_the_prefix_are_granted(ask, sign, granted, other) -> None:
    """With a prefix, only scopes with the prefix are granted, from any claim."""
    assert ask(f"Bearer {sign(**granted)}", scope_prefix="risk:", **other).scopes == {"batch"}


@pytest.mark.parametrize("name", ["pay", "azp:pay", "local", "", "sub:"])
def test_a_user_never_has_the_name_of_a_client(ask, sign, name) -> None:
    """A user whose `sub` equals the `azp` of a client has another name than that client."""
    user = ask(f"Bearer {sign(azp=None, sub=name or 'x')}").name
    assert user not in {ask(f"Bearer {sign(azp=name or 'x')}").name, ask(f"Bearer {sign()}").name, LOCAL.name}


def test_the_settings_name_the_claims(ask, sign) -> None:
    """The settings name the claims that grant scopes and name the client."""
    caller = ask(
        f"Bearer {sign(perms='risk:batch', app='till')}",
        scope_claims=("perms",),
        client_claims=("nothing", "app"),
        scope_prefix="risk:",
    )
    assert (caller.name, caller.scopes) == ("app:till", {"batch"})


@pytest.mark.parametrize(
    ("other", "name"),
    [
        ({"azp": "a", "client_id": "b", "sub": "c"}, "azp:a"),
        ({"azp": None, "client_id": "b", "sub": "c"}, "client_id:b"),
        ({"azp": None, "sub": "c"}, "sub:c"),
        ({"azp": "", "sub": "c"}, "sub:c"),
    ],
    ids=str,
)
def test_the_client_is_the_first_claim_in_the_token(ask, sign, other, name) -> None:
    """The client is the first of the claims in the token."""
    assert ask(f"Bearer {sign(**other)}").name == name


@pytest.fixture(scope="module", params=["RS256", "ES256"])
def sound(request, key_set, sign, rsa_key, ec_key):
    """A valid token and the key that verifies it."""
    key, kid = {"RS256": (rsa_key, "rsa"), "ES256": (ec_key, "ec")}[request.param]
    token = sign(key, request.param, kid)
    return token, keys.parse(key_set, (request.param,))[kid]


@pytest.fixture(scope="module")
def accepted():
    """Settings that need no file."""
    return AuthSettings(issuer="https://issuer.example/", audience="customer-risk")


def _never_gets_in(token: str, key: keys.Key, settings) -> None:
    with pytest.raises(Unauthenticated):  # noqa: PT012  whichever of the steps refuses it
        found = tokens.bearer(f"Bearer {token}")
        tokens.key_id(found, settings)
        tokens.verify(found, key, settings)


@examples(max_examples=300, deadline=None)
@given(st.data())
def test_a_changed_character_is_refused(sound, accepted, data) -> None:
    """A valid token with any one character changed is refused."""
    token, key = sound
    assert tokens.verify(token, key, accepted)[0].name == "azp:pay"
    at = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from(LETTERS + ".=+/ ").filter(lambda letter: letter != token[at]))
    _never_gets_in(token[:at] + letter + token[at + 1 :], key, accepted)


def test_the_signature_has_one_spelling(sound, accepted) -> None:
    """The signature has one spelling: the unused bits of its last character must be zero."""
    token, key = sound
    for letter in set(LETTERS) - {token[-1]}:
        _never_gets_in(token[:-1] + letter, key, accepted)


@examples(max_examples=100, deadline=None)
@given(st.data())
def test_a_dropped_or_doubled_character_is_refused(sound, accepted, data) -> None:
    """A valid token with a character dropped or doubled is refused."""
    token, key = sound
    at = data.draw(st.integers(0, len(token) - 1))
    _never_gets_in(token[:at] + data.draw(st.sampled_from(["", token[at] * 2])) + token[at + 1 :], key, accepted)


@examples(max_examples=200, deadline=None)
@given(st.text(max_size=200) | st.from_regex(r"[Bb]earer [\w-]*\.[\w-]*\.[\w-]*", fullmatch=True))
def test_any_other_header_text_is_refused(sound, accepted, text) -> None:
    """Any text in the header is refused without an unexpected error."""
    with pytest.raises(Unauthenticated):  # noqa: PT012  whichever of the steps refuses it
        found = tokens.bearer(text)
        tokens.key_id(found, accepted)
        tokens.verify(found, sound[1], accepted)
