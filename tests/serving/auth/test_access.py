"""Admission of callers by tokens and limits."""

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
    """A limit of two requests for each client; the clock never changes."""
    return Limiter(LimitSettings(requests_per_second=1, burst=2), clock=lambda: 0.0)


def _in(gate: AccessControl, authorization: str | None, scope: Permission = "score"):
    return asyncio.run(gate.admit(authorization, scope))


@pytest.mark.parametrize("scope", ["score", "batch", "explain", "admin"])
@pytest.mark.parametrize("authorization", [None, "Bearer nonsense"])
def test_every_caller_is_local_without_authentication(scope, authorization) -> None:
    """Without authentication every caller is local, whatever they send."""
    assert AccessControl().admit_now(authorization, scope) is LOCAL
    assert _in(AccessControl(), authorization, scope) is LOCAL


def test_all_callers_share_one_limit_without_authentication(limiter) -> None:
    """Without authentication all callers share one limit."""
    gate = AccessControl(limiter=limiter)
    gate.admit_now(None, "score")
    _in(gate, "Bearer whatever")
    with pytest.raises(TooManyRequests):
        gate.admit_now(None, "score")


def test_a_token_is_verified_once(authenticator, header) -> None:
    """A token is verified once; after that its caller is admitted without verification."""
    gate, sent = AccessControl(authenticator), header()
    assert gate.admit_now(sent, "score") is None
    caller = _in(gate, sent)
    assert gate.admit_now(sent, "score") is caller


@pytest.mark.parametrize("authorization", [None, "", "Bearer nonsense"])
def test_a_request_without_a_token_is_refused(authenticator, authorization) -> None:
    """A request without a token is refused."""
    gate = AccessControl(authenticator)
    assert gate.admit_now(authorization, "score") is None
    with pytest.raises(Unauthenticated):
        _in(gate, authorization)


def test_a_caller_without_the_scope_is_refused(authenticator, header) -> None:
    """A caller without the scope is refused, whether or not the token is cached."""
    gate, sent = AccessControl(authenticator), header(scopes="score")
    for _ in range(2):
        with pytest.raises(Forbidden, match="admin"):
            _in(gate, sent, "admin")
    with pytest.raises(Forbidden, match="batch"):
        gate.admit_now(sent, "batch")
    assert gate.admit_now(sent, "score")


def test_each_client_has_a_separate_limit(authenticator, header, limiter) -> None:
    """Each client has a separate limit, for all of its tokens together."""
    gate = AccessControl(authenticator, limiter)
    _in(gate, header("a"))
    _in(gate, header("a", "score batch"))
    with pytest.raises(TooManyRequests):
        _in(gate, header("a"))
    assert _in(gate, header("b")).name == "azp:b"


def test_a_refused_request_is_not_counted(authenticator, header, limiter) -> None:
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


def test_every_request_is_admitted_without_a_limit() -> None:
    """Without a limit, a caller is admitted after any number of requests."""
    access = AccessControl()
    access.count(LOCAL, 10**9)
    assert access.admit_now(None, "score") == LOCAL


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
def test_the_authorization_header_is_found(headers, found) -> None:
    """The header is found; two headers are joined, which no authenticator accepts."""
    assert authorization_of(headers) == found
