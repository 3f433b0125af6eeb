"""The issuer's keys kept fresh, and tokens taken again, over time."""

from __future__ import annotations

import asyncio
import json
import time
from http import HTTPStatus

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from customer_risk.serving.auth.authenticator import Authenticator
from customer_risk.serving.contract.problem import kind_of
from customer_risk.serving.errors import NotReady, Unauthenticated

EMPTY = [
    b'{"keys": []}',
    b'{"keys": [null]}',
    b'{"keys": [{"kty": "oct", "k": "AA"}]}',
    b'{"keys": [{"kty": "new", "kid": "rsa"}]}',
    b'{"keys": [{"kty": "RSA", "use": "enc", "kid": "rsa", "n": "AQAB", "e": "AQAB"}]}',
]
SLOW = 600  # seconds that a slow issuer takes; no test may take as long


class Clock:
    """A clock that stands until it is put forward."""

    def __init__(self) -> None:
        """Start now."""
        self.began, self.passed = time.time(), 0.0

    def wall(self) -> float:
        """Seconds since 1970."""
        return self.began + self.passed

    def monotonic(self) -> float:
        """Seconds since whenever."""
        return 1000 + self.passed


@pytest.fixture
def clock() -> Clock:
    """The time."""
    return Clock()


@pytest.fixture
def make(by_url, clock):
    """Make an authenticator by the URL, with the clock, that has looked once."""

    async def made(base=by_url, **other) -> Authenticator:
        authenticator = Authenticator(msgspec.structs.replace(base, **other), wall=clock.wall, clock=clock.monotonic)
        await authenticator.refresh()
        return authenticator

    return made


@pytest.fixture(scope="module")
def new_key() -> rsa.RSAPrivateKey:
    """The key that the issuer changes to."""
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def rotated(new_key, jwk) -> bytes:
    """The key set with the new key alone."""
    return json.dumps({"keys": [jwk(new_key.public_key(), kid="new")]}).encode()


async def _is_refused(authenticator: Authenticator, header: str, match: str = "doesn't publish") -> None:
    with pytest.raises(Unauthenticated, match=match):
        await authenticator.authenticate(header)


async def _cannot_tell(authenticator: Authenticator, header: str) -> None:
    assert not authenticator.ready
    assert authenticator.cached(header) is None
    with pytest.raises(NotReady) as caught:
        await authenticator.authenticate(header)
    assert kind_of(caught.value).status is HTTPStatus.SERVICE_UNAVAILABLE
    assert caught.value.retry_after == 5


async def _until(true, seconds: float = 600) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110  what is waited for tells nobody
            await asyncio.sleep(0.01)


# Looks


def test_one_look_for_many_tokens(make, sign, issuer) -> None:
    """However many tokens come, known keys are fetched once."""

    async def run() -> None:
        authenticator = await make()
        for i in range(50):
            assert (await authenticator.authenticate(f"Bearer {sign(azp=f'c-{i}')}")).name == f"azp:c-{i}"

    asyncio.run(run())
    assert issuer.answers == 1


def test_a_new_key(make, sign, issuer, new_key, rotated) -> None:
    """A token by a key that is published since is let in at once, after one more look."""

    async def run() -> None:
        authenticator = await make()
        issuer.body = rotated
        for _ in range(3):
            assert (await authenticator.authenticate(f"Bearer {sign(new_key, kid='new')}")).name == "azp:pay"

    asyncio.run(run())
    assert issuer.answers == 2


def test_a_flood_of_unknown_keys(make, sign, issuer, clock) -> None:
    """Made-up key ids lead to one look in a while, not to one each."""

    async def run() -> None:
        authenticator = await make(unknown_key_seconds=30)
        for i in range(40):
            await _is_refused(authenticator, f"Bearer {sign(kid=f'k-{i}')}")
        assert issuer.answers == 2
        clock.passed += 29
        await _is_refused(authenticator, f"Bearer {sign(kid='late')}")
        assert issuer.answers == 2
        clock.passed += 2
        await _is_refused(authenticator, f"Bearer {sign(kid='later')}")
        assert issuer.answers == 3

    asyncio.run(run())


def test_unknown_keys_at_once(make, sign, issuer, new_key, rotated) -> None:
    """Requests that all wait for the same new key share one look."""

    async def run() -> None:
        authenticator = await make()
        issuer.body, issuer.seconds = rotated, 0.1
        headers = [f"Bearer {sign(new_key, kid='new', azp=f'c-{i}')}" for i in range(20)]
        callers = await asyncio.gather(*(authenticator.authenticate(header) for header in headers))
        assert [caller.name for caller in callers] == [f"azp:c-{i}" for i in range(20)]

    asyncio.run(run())
    assert issuer.answers == 2


def test_forgeries_make_no_looks(make, issuer, sign) -> None:
    """What is refused without a key, or by one that is known, makes no look."""

    async def run() -> None:
        authenticator = await make()
        await _is_refused(authenticator, "Bearer a.b.c", "read")
        await _is_refused(authenticator, f"Bearer {sign(rsa.generate_private_key(65537, 2048))}", "signature")
        await _is_refused(authenticator, None, "no token")

    asyncio.run(run())
    assert issuer.answers == 1


def test_a_caller_who_leaves(make, sign, issuer, new_key, rotated) -> None:
    """A caller who hangs up while keys are fetched takes the look from nobody else."""

    async def run() -> None:
        authenticator = await make()
        issuer.body, issuer.seconds = rotated, 1.5
        leaving, staying = (
            asyncio.create_task(authenticator.authenticate(f"Bearer {sign(new_key, kid='new', azp=name)}"))
            for name in ("leaving", "staying")
        )
        await asyncio.sleep(0.05)
        leaving.cancel()
        assert (await staying).name == "azp:staying"
        assert leaving.cancelled()

    asyncio.run(run())


# What was verified before


def test_cached(make, sign) -> None:
    """A header is known at once after it was verified, and only that very header."""

    async def run() -> None:
        authenticator = await make()
        header = f"Bearer {sign()}"
        assert authenticator.cached(header) is None
        caller = await authenticator.authenticate(header)
        assert authenticator.cached(header) is caller
        assert await authenticator.authenticate(header) is caller
        assert authenticator.cached(header + " ") is None
        assert authenticator.cached(None) is None

    asyncio.run(run())


def test_refused_tokens_are_not_cached(make, sign) -> None:
    """A token that was refused is looked at again each time."""

    async def run() -> None:
        authenticator = await make()
        header = f"Bearer {sign(aud='elsewhere')}"
        await _is_refused(authenticator, header, "audience")
        assert authenticator.cached(header) is None
        await _is_refused(authenticator, header, "audience")

    asyncio.run(run())


@pytest.mark.parametrize(("lives", "cache_seconds", "until"), [(100, 1000, 110), (1000, 100, 100)])
def test_how_long_it_is_cached(make, sign, clock, lives, cache_seconds, until) -> None:
    """A token is taken again until it expires, the leeway included, or for the cache's time if that is shorter."""

    async def run() -> None:
        authenticator = await make(cache_seconds=cache_seconds, leeway_seconds=10)
        header = f"Bearer {sign(exp=clock.began + lives)}"
        await authenticator.authenticate(header)
        clock.passed = until - 1
        assert authenticator.cached(header)
        clock.passed = until + 0.001
        assert authenticator.cached(header) is None

    asyncio.run(run())


def test_most_cached(make, sign) -> None:
    """Past the limit the token that was used longest ago makes room."""

    async def run() -> None:
        authenticator = await make(most_cached=2)
        first, second, third = (f"Bearer {sign(azp=name)}" for name in "abc")
        await authenticator.authenticate(first)
        await authenticator.authenticate(second)
        assert authenticator.cached(first)
        await authenticator.authenticate(third)
        assert authenticator.cached(first)
        assert authenticator.cached(second) is None
        assert authenticator.cached(third)

    asyncio.run(run())


def test_a_key_that_is_gone(make, sign, issuer, rotated) -> None:
    """A key that the issuer withdraws takes its tokens with it, the verified ones too."""

    async def run() -> None:
        authenticator = await make()
        header = f"Bearer {sign()}"
        await authenticator.authenticate(header)
        issuer.body = rotated
        await authenticator.refresh()
        assert authenticator.cached(header) is None
        await _is_refused(authenticator, header)

    asyncio.run(run())


def test_a_look_that_finds_nothing_new(make, sign) -> None:
    """A look that finds the same keys drops no verified token."""

    async def run() -> None:
        authenticator = await make()
        header = f"Bearer {sign()}"
        await authenticator.authenticate(header)
        assert await authenticator.refresh()
        assert authenticator.cached(header)

    asyncio.run(run())


@pytest.mark.parametrize("empty", EMPTY)
def test_a_set_without_usable_keys(make, sign, issuer, key_set, clock, caplog, empty) -> None:
    """A key set without usable keys withdraws all keys at once, with one log line; keys that return are used again."""

    async def run() -> None:
        authenticator = await make()
        header = f"Bearer {sign()}"
        await authenticator.authenticate(header)
        for space in (b"", b" ", b" "):
            issuer.body = empty + space
            assert await authenticator.refresh()
            assert authenticator.cached(header) is None
            await _is_refused(authenticator, header)
        assert (authenticator.ready, authenticator.introduced) == (True, True)
        assert caplog.text.count("every token is refused") == 1
        clock.passed = 100
        issuer.body = key_set
        assert (await authenticator.authenticate(header)).name == "azp:pay"

    asyncio.run(run())


@pytest.mark.parametrize("empty", EMPTY)
def test_a_set_without_usable_keys_from_the_beginning(make, sign, issuer, caplog, empty) -> None:
    """A process that saw no usable key refuses tokens and doesn't become ready."""

    async def run() -> None:
        issuer.body = empty
        authenticator = await make()
        assert not authenticator.introduced
        await _is_refused(authenticator, f"Bearer {sign()}")

    asyncio.run(run())
    assert caplog.text.count("every token is refused") == 1


# An issuer that is away


def test_away(make, sign, issuer, clock) -> None:
    """While the issuer is away its last keys verify old and new tokens, up to their age's limit."""

    async def run() -> None:
        authenticator = await make(stale_seconds=1000, cache_seconds=5000)
        known = f"Bearer {sign(exp=clock.began + 5000)}"
        await authenticator.authenticate(known)
        issuer.go()
        clock.passed = 1000
        assert not await authenticator.refresh()
        assert authenticator.ready
        assert authenticator.cached(known)
        assert (await authenticator.authenticate(f"Bearer {sign(azp='new')}")).name == "azp:new"

    asyncio.run(run())
    issuer.come_back()


def test_away_for_too_long(make, sign, issuer, clock) -> None:
    """Past that age nobody gets in: not by a new token, nor by one that was verified before."""

    async def run() -> None:
        authenticator = await make(stale_seconds=1000, cache_seconds=5000)
        known = f"Bearer {sign(exp=clock.began + 5000)}"
        await authenticator.authenticate(known)
        issuer.go()
        clock.passed = 1000.001
        await _cannot_tell(authenticator, known)
        await _cannot_tell(authenticator, f"Bearer {sign(azp='new')}")

    asyncio.run(run())
    issuer.come_back()


def test_too_old_before_anybody_looked(make, sign, clock) -> None:
    """A verified token stops being known at the keys' limit itself, without a failed look or another request."""

    async def run() -> None:
        authenticator = await make(stale_seconds=1000, cache_seconds=5000)
        known = f"Bearer {sign(exp=clock.began + 5000)}"
        await authenticator.authenticate(known)
        clock.passed = 1001
        assert authenticator.cached(known) is None

    asyncio.run(run())


def test_too_old_but_the_issuer_is_there(make, sign, issuer, clock) -> None:
    """A request that finds the keys too old makes a look, and gets in by what it finds."""

    async def run() -> None:
        authenticator = await make(stale_seconds=1000)
        clock.passed = 1001
        assert (await authenticator.authenticate(f"Bearer {sign()}")).name == "azp:pay"

    asyncio.run(run())
    assert issuer.answers == 2


def test_failed_looks_make_no_keys_younger(make, issuer, clock) -> None:
    """Only a look that succeeds counts: neither errors nor rubbish let the keys live on."""

    async def run() -> None:
        authenticator = await make(stale_seconds=1000)
        for passed, status, body in ((400, 500, issuer.body), (800, 200, b"{}"), (1001, 200, b"")):
            clock.passed, issuer.status, issuer.body = passed, status, body
            assert not await authenticator.refresh()
        assert not authenticator.ready

    asyncio.run(run())


def test_age_counts_from_a_looks_beginning(make, issuer, clock) -> None:
    """Keys are as old as the look that found them: how long the answer took counts too."""

    async def run() -> None:
        authenticator = await make(stale_seconds=1000)
        clock.passed, issuer.seconds = 500, 1.5
        look = asyncio.create_task(authenticator.refresh())
        await asyncio.sleep(0.05)
        clock.passed = 800
        assert await look
        clock.passed = 1500.5
        assert not authenticator.ready

    asyncio.run(run())


@pytest.mark.parametrize("rubbish", [b"", b"<html>", b"{}", b'{"keys": {}}', b'[{"keys": []}]'])
def test_rubbish_instead_of_keys(make, sign, issuer, rubbish) -> None:
    """A key set that can't be read leaves the last one in use, and its tokens known."""

    async def run() -> None:
        authenticator = await make()
        header = f"Bearer {sign()}"
        await authenticator.authenticate(header)
        issuer.body = rubbish
        assert not await authenticator.refresh()
        assert authenticator.cached(header)
        assert (await authenticator.authenticate(f"Bearer {sign(azp='new')}")).name == "azp:new"

    asyncio.run(run())


@pytest.mark.parametrize("rubbish", [b"", b"<html>", b"{}"])
def test_rubbish_from_the_beginning(make, sign, issuer, rubbish, caplog) -> None:
    """Without keys from the start a look has failed, is told in the log, and nobody gets in."""

    async def run() -> None:
        issuer.body = rubbish
        authenticator = await make()
        assert not await authenticator.refresh()
        await _cannot_tell(authenticator, f"Bearer {sign()}")

    asyncio.run(run())
    assert "keys can't be read" in caplog.text


def test_away_from_the_beginning(by_url, sign, issuer) -> None:
    """An issuer that is away at the start keeps nothing down; its first caller after it is back gets in."""

    async def run() -> None:
        issuer.go()
        authenticator = Authenticator(msgspec.structs.replace(by_url, unknown_key_seconds=0.01))
        await authenticator.start()
        await _cannot_tell(authenticator, f"Bearer {sign()}")
        issuer.come_back()
        await asyncio.sleep(0.02)
        assert (await authenticator.authenticate(f"Bearer {sign()}")).name == "azp:pay"
        await authenticator.stop()

    asyncio.run(run())


def test_away_says_nothing_of_bad_tokens(make, issuer) -> None:
    """What isn't even a token is refused as such, keys or none."""

    async def run() -> None:
        issuer.body = b""
        await _is_refused(await make(), "Bearer nonsense", "form of a JWT")

    asyncio.run(run())


# From time to time


def test_looks_again_by_itself(by_url, sign, issuer, rotated) -> None:
    """Between `start` and `stop` the URL is looked at again and again, and its keys taken over."""

    async def run() -> None:
        authenticator = Authenticator(msgspec.structs.replace(by_url, refresh_seconds=0.05))
        await authenticator.start()
        header = f"Bearer {sign()}"
        await authenticator.authenticate(header)
        issuer.body = rotated
        await _until(lambda: authenticator.cached(header) is None)
        await authenticator.stop()
        stopped = issuer.answers
        await asyncio.sleep(0.15)
        assert issuer.answers == stopped

    asyncio.run(run())


def test_looks_again_after_failures(by_url, issuer) -> None:
    """Looks that fail don't end the looking."""

    async def run() -> None:
        authenticator = Authenticator(msgspec.structs.replace(by_url, refresh_seconds=0.02))
        issuer.status = 500
        await authenticator.start()
        await _until(lambda: issuer.answers >= 3)
        assert not authenticator.ready
        issuer.status = 200
        await _until(lambda: authenticator.ready)
        await authenticator.stop()

    asyncio.run(run())


def test_a_file_that_changes(settings, sign, new_key, rotated, tmp_path) -> None:
    """A file's new keys are taken over too."""

    async def run() -> None:
        authenticator = Authenticator(msgspec.structs.replace(settings, file_seconds=0.02))
        await authenticator.start()
        header = f"Bearer {sign()}"
        await authenticator.authenticate(header)
        (tmp_path / "jwks.json").write_bytes(rotated)
        await _until(lambda: authenticator.cached(header) is None)
        assert (await authenticator.authenticate(f"Bearer {sign(new_key, kid='new')}")).name == "azp:pay"
        await _is_refused(authenticator, header)
        await authenticator.stop()

    asyncio.run(run())


def test_stops_in_the_middle_of_a_look(by_url, issuer) -> None:
    """A look under way doesn't hold up the stop."""

    async def run() -> None:
        authenticator = Authenticator(by_url)
        await authenticator.start()
        issuer.seconds = SLOW
        look = asyncio.create_task(authenticator.refresh())
        asked = issuer.answers
        await _until(lambda: issuer.answers > asked)
        began = time.monotonic()
        await authenticator.stop()
        assert time.monotonic() - began < SLOW
        with pytest.raises(asyncio.CancelledError):
            await look

    asyncio.run(run())


def test_stops_without_a_start(by_url) -> None:
    """What never began may be stopped."""
    asyncio.run(Authenticator(by_url).stop())


def test_introduced(make, issuer, clock) -> None:
    """An issuer that was never there keeps a process from being ready; one that goes away later doesn't."""

    async def run() -> None:
        issuer.go()
        authenticator = await make(stale_seconds=1000)
        assert not authenticator.introduced
        issuer.come_back()
        await authenticator.refresh()
        clock.passed = 1001
        assert (authenticator.introduced, authenticator.ready) == (True, False)

    asyncio.run(run())
