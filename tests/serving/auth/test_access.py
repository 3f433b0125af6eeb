"""Who comes in, by tokens and by shares."""

from __future__ import annotations

import asyncio
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from customer_risk.serving.auth.access import AccessControl, authorization_of, work_of
from customer_risk.serving.auth.authenticator import Authenticator
from customer_risk.serving.auth.caller import LOCAL, Permission
from customer_risk.serving.auth.rate_limits import Limiter, LimitSettings
from customer_risk.serving.auth.settings import AuthSettings
from customer_risk.serving.errors import Forbidden, TooManyRequests, Unauthenticated


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    """The issuer's key."""
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def authenticator(key, tmp_path) -> Authenticator:
    """An authenticator with the issuer's key in a file."""
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)]}))
    return Authenticator(AuthSettings(enabled=True, issuer="https://i/", audience="risk", jwks=str(path)))


@pytest.fixture
def header(key):
    """Sign a header for a client with scopes."""

    def signed(client: str = "pay", scopes: str = "score") -> str:
        claims = {"iss": "https://i/", "aud": "risk", "exp": time.time() + 300, "azp": client, "scope": scopes}
        return f"Bearer {jwt.encode(claims, key, 'ES256')}"

    return signed


@pytest.fixture
def limiter() -> Limiter:
    """Two requests a client, at a time that stands still."""
    return Limiter(LimitSettings(requests_per_second=1, burst=2), clock=lambda: 0.0)


def _in(gate: AccessControl, authorization: str | None, scope: Permission = "score"):
    return asyncio.run(gate.admit(authorization, scope))


@pytest.mark.parametrize("scope", ["score", "batch", "explain", "admin"])
@pytest.mark.parametrize("authorization", [None, "Bearer nonsense"])
def test_without_authentication(scope, authorization) -> None:
    """Without authentication everybody is local, whatever they send."""
    assert AccessControl().admit_now(authorization, scope) is LOCAL
    assert _in(AccessControl(), authorization, scope) is LOCAL


def test_shares_without_authentication(limiter) -> None:
    """Without authentication everybody shares the local caller's share."""
    gate = AccessControl(limiter=limiter)
    gate.admit_now(None, "score")
    _in(gate, "Bearer whatever")
    with pytest.raises(TooManyRequests):
        gate.admit_now(None, "score")


def test_known_at_the_second_time(authenticator, header) -> None:
    """A token is looked at once; from then on its caller passes at once."""
    gate, sent = AccessControl(authenticator), header()
    assert gate.admit_now(sent, "score") is None
    caller = _in(gate, sent)
    assert gate.admit_now(sent, "score") is caller


@pytest.mark.parametrize("authorization", [None, "", "Bearer nonsense"])
def test_no_token(authenticator, authorization) -> None:
    """Nobody passes without a token."""
    gate = AccessControl(authenticator)
    assert gate.admit_now(authorization, "score") is None
    with pytest.raises(Unauthenticated):
        _in(gate, authorization)


def test_no_scope(authenticator, header) -> None:
    """A caller without the scope is refused, at the first time and when they are known."""
    gate, sent = AccessControl(authenticator), header(scopes="score")
    for _ in range(2):
        with pytest.raises(Forbidden, match="admin"):
            _in(gate, sent, "admin")
    with pytest.raises(Forbidden, match="batch"):
        gate.admit_now(sent, "batch")
    assert gate.admit_now(sent, "score")


def test_shares_by_client(authenticator, header, limiter) -> None:
    """Each client has their own share, whichever of their tokens they send."""
    gate = AccessControl(authenticator, limiter)
    _in(gate, header("a"))
    _in(gate, header("a", "score batch"))
    with pytest.raises(TooManyRequests):
        _in(gate, header("a"))
    assert _in(gate, header("b")).name == "azp:b"


def test_what_is_refused_costs_nothing(authenticator, header, limiter) -> None:
    """A request without the scope isn't counted."""
    gate, sent = AccessControl(authenticator, limiter), header()
    for _ in range(5):
        with pytest.raises(Forbidden):
            _in(gate, sent, "admin")
    assert gate.admit_now(sent, "score")


def test_a_batch_counts_its_items(authenticator, header, limiter) -> None:
    """A batch is admitted and owes for its further items; the caller's next request is refused."""
    gate = AccessControl(authenticator, limiter)
    gate.count(_in(gate, header()), 9)
    with pytest.raises(TooManyRequests) as refused:
        _in(gate, header())
    assert refused.value.retry_after == 9


@pytest.mark.parametrize(("size", "more"), [(0, 0), (1, 0), (65_536, 0), (65_537, 1), (8 * 1024 * 1024, 127)])
def test_a_large_body_counts_as_several_requests(size, more) -> None:
    """Each further 64 KiB of a body, or part of 64 KiB, counts as one more request."""
    assert work_of(size) == more


def test_nothing_is_counted_without_shares() -> None:
    """Without shares a batch may hold whatever it likes."""
    AccessControl().count(LOCAL, 10**9)


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], None),
        ([(b"accept", b"*/*")], None),
        ([(b"authorization", b"Bearer a")], "Bearer a"),
        ([(b"accept", b"*/*"), (b"authorization", b"Bearer a")], "Bearer a"),
        ([(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")], "Bearer a, Bearer b"),
        ([(b"authorization", b"")], ""),
        ([(b"authorization", b"\xff")], "ÿ"),
        ([(b"proxy-authorization", b"Bearer a")], None),
    ],
)
def test_authorization_of(headers, found) -> None:
    """The one header is found; two become one that no verifier takes."""
    assert authorization_of(headers) == found
