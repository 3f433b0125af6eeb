"""The issuer's keys and the cache of verified tokens, over time."""

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
    """A clock that changes only when a test sets it."""

    def __init__(self) -> None:
        """Start now."""
        self.began, self.passed = time.time(), 0.0

    def wall(self) -> float:
        """Seconds since 1970."""
        return self.began + self.passed

    def monotonic(self) -> float:
        """Seconds that never decrease."""
        return 1000 + self.passed


@pytest.fixture
def clock() -> Clock:
    """A clock."""
    return Clock()


@pytest.fixture
def make(by_url, clock):
    """Make an authenticator with the URL and the clock that has read the keys once."""

    async def made(base=by_url, **other) -> Authenticator:
        authenticator = Authenticator(msgspec.structs.replace(base, **other), wall=clock.wall, clock=clock.monotonic)
        await authenticator.refresh()
        return authenticator

    return made


@pytest.fixture(scope="module")
def new_key() -> rsa.RSAPrivateKey:
    """The new key of the issuer."""
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
        while not true():  # noqa: ASYNC110  there is no event to wait for
            await asyncio.sleep(0.01)


# Reads of the keys


async def test_known_keys_are_read_once(make, sign, issuer) -> None:
    """Known keys are read once, however many tokens are verified."""
    authenticator = await make()
    for i in range(50):
        assert (await authenticator.authenticate(f"Bearer {sign(azp=f'c-{i}')}")).name == f"azp:c-{i}"
    assert issuer.answers == 1


async def test_a_newly_published_key_is_read_at_once(make, sign, issuer, new_key, rotated) -> None:
    """A token of a newly published key is accepted at once, after one more read of the keys."""
    authenticator = await make()
    issuer.body = rotated
    for _ in range(3):
        assert (await authenticator.authenticate(f"Bearer {sign(new_key, kid='new')}")).name == "azp:pay"
    assert issuer.answers == 2


async def test_unknown_key_ids_cause_few_reads(make, sign, issuer, clock) -> None:
    """Unknown key ids cause at most one read of the keys in `unknown_key_seconds`."""
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


async def test_concurrent_requests_share_one_read(make, sign, issuer, new_key, rotated) -> None:
    """Requests that wait for the same new key share one read."""
    authenticator = await make()
    issuer.body, issuer.seconds = rotated, 0.1
    headers = [f"Bearer {sign(new_key, kid='new', azp=f'c-{i}')}" for i in range(20)]
    callers = await asyncio.gather(*(authenticator.authenticate(header) for header in headers))
    assert [caller.name for caller in callers] == [f"azp:c-{i}" for i in range(20)]
    assert issuer.answers == 2


async def test_forgeries_cause_no_reads(make, issuer, sign) -> None:
    """A token that is refused without a key, or with a known key, causes no read of the keys."""
    authenticator = await make()
    await _is_refused(authenticator, "Bearer a.b.c", "read")
    await _is_refused(authenticator, f"Bearer {sign(rsa.generate_private_key(65537, 2048))}", "signature")
    await _is_refused(authenticator, None, "no token")
    assert issuer.answers == 1


async def test_a_cancelled_request_does_not_cancel_the_read(make, sign, issuer, new_key, rotated) -> None:
    """A request that is cancelled while keys are read does not cancel the read for other requests."""
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


# The cache


async def test_a_verified_header_is_cached(make, sign) -> None:
    """A header is cached after it was verified, and only in the same spelling."""
    authenticator = await make()
    header = f"Bearer {sign()}"
    assert authenticator.cached(header) is None
    caller = await authenticator.authenticate(header)
    assert authenticator.cached(header) is caller
    assert await authenticator.authenticate(header) is caller
    assert authenticator.cached(header + " ") is None
    assert authenticator.cached(None) is None


async def test_refused_tokens_are_not_cached(make, sign) -> None:
    """A refused token is verified again each time."""
    authenticator = await make()
    header = f"Bearer {sign(aud='elsewhere')}"
    await _is_refused(authenticator, header, "audience")
    assert authenticator.cached(header) is None
    await _is_refused(authenticator, header, "audience")


@pytest.mark.parametrize(("lives", "cache_seconds", "until"), [(100, 1000, 110), (1000, 100, 100)])
async def test_a_token_is_cached_until_it_expires(make, sign, clock, lives, cache_seconds, until) -> None:
    """A token is cached until it expires, with the leeway, or for `cache_seconds` if that is shorter."""
    authenticator = await make(cache_seconds=cache_seconds, leeway_seconds=10)
    header = f"Bearer {sign(exp=clock.began + lives)}"
    await authenticator.authenticate(header)
    clock.passed = until - 1
    assert authenticator.cached(header)
    clock.passed = until + 0.001
    assert authenticator.cached(header) is None


async def test_the_cache_is_bounded(make, sign) -> None:
    """Beyond `most_cached`, the least recently used token is removed from the cache."""
    authenticator = await make(most_cached=2)
    first, second, third = (f"Bearer {sign(azp=name)}" for name in "abc")
    await authenticator.authenticate(first)
    await authenticator.authenticate(second)
    assert authenticator.cached(first)
    await authenticator.authenticate(third)
    assert authenticator.cached(first)
    assert authenticator.cached(second) is None
    assert authenticator.cached(third)


async def test_tokens_of_a_removed_key_are_refused(make, sign, issuer, rotated) -> None:
    """After a key is removed from the set, its tokens are refused, also those that were verified before."""
    authenticator = await make()
    header = f"Bearer {sign()}"
    await authenticator.authenticate(header)
    issuer.body = rotated
    await authenticator.refresh()
    assert authenticator.cached(header) is None
    await _is_refused(authenticator, header)


async def test_reading_the_same_keys_keeps_the_cache(make, sign) -> None:
    """A read that returns the same keys keeps the cached tokens."""
    authenticator = await make()
    header = f"Bearer {sign()}"
    await authenticator.authenticate(header)
    assert await authenticator.refresh()
    assert authenticator.cached(header)


@pytest.mark.parametrize("empty", EMPTY)
async def test_a_set_without_usable_keys_withdraws_all_keys(make, sign, issuer, key_set, clock, caplog, empty) -> None:
    """A key set without usable keys withdraws all keys at once, with one log line; keys that return are used again."""
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


@pytest.mark.parametrize("empty", EMPTY)
async def test_a_first_set_without_usable_keys_keeps_the_process_not_ready(make, sign, issuer, caplog, empty) -> None:
    """A process that saw no usable key refuses tokens and doesn't become ready."""
    issuer.body = empty
    authenticator = await make()
    assert not authenticator.introduced
    await _is_refused(authenticator, f"Bearer {sign()}")
    assert caplog.text.count("every token is refused") == 1


# An issuer that doesn't respond


async def test_the_last_keys_stay_in_use_while_the_issuer_is_down(make, sign, issuer, clock) -> None:
    """While the issuer doesn't respond, its last keys verify old and new tokens, up to `stale_seconds`."""
    authenticator = await make(stale_seconds=1000, cache_seconds=5000)
    known = f"Bearer {sign(exp=clock.began + 5000)}"
    await authenticator.authenticate(known)
    issuer.go()
    clock.passed = 1000
    assert not await authenticator.refresh()
    assert authenticator.ready
    assert authenticator.cached(known)
    assert (await authenticator.authenticate(f"Bearer {sign(azp='new')}")).name == "azp:new"
    issuer.come_back()


async def test_requests_are_refused_once_the_keys_are_too_old(make, sign, issuer, clock) -> None:
    """After `stale_seconds` every request is refused with 503, also with a token that was verified before."""
    authenticator = await make(stale_seconds=1000, cache_seconds=5000)
    known = f"Bearer {sign(exp=clock.began + 5000)}"
    await authenticator.authenticate(known)
    issuer.go()
    clock.passed = 1000.001
    await _cannot_tell(authenticator, known)
    await _cannot_tell(authenticator, f"Bearer {sign(azp='new')}")
    issuer.come_back()


async def test_a_cached_token_is_not_used_once_the_keys_are_too_old(make, sign, clock) -> None:
    """A cached token is no longer used once the keys are too old, even without a failed read."""
    authenticator = await make(stale_seconds=1000, cache_seconds=5000)
    known = f"Bearer {sign(exp=clock.began + 5000)}"
    await authenticator.authenticate(known)
    clock.passed = 1001
    assert authenticator.cached(known) is None


async def test_keys_that_are_too_old_are_read_again(make, sign, issuer, clock) -> None:
    """A request that finds the keys too old reads them again, and is answered."""
    authenticator = await make(stale_seconds=1000)
    clock.passed = 1001
    assert (await authenticator.authenticate(f"Bearer {sign()}")).name == "azp:pay"
    assert issuer.answers == 2


async def test_failed_reads_do_not_renew_the_age(make, issuer, clock) -> None:
    """Only a successful read renews the keys' age; errors and invalid documents don't."""
    authenticator = await make(stale_seconds=1000)
    for passed, status, body in ((400, 500, issuer.body), (800, 200, b"{}"), (1001, 200, b"")):
        clock.passed, issuer.status, issuer.body = passed, status, body
        assert not await authenticator.refresh()
    assert not authenticator.ready


async def test_age_counts_from_the_beginning_of_a_read(make, issuer, clock) -> None:
    """The keys' age counts from the beginning of the read."""
    authenticator = await make(stale_seconds=1000)
    clock.passed, issuer.seconds = 500, 1.5
    look = asyncio.create_task(authenticator.refresh())
    await asyncio.sleep(0.05)
    clock.passed = 800
    assert await look
    clock.passed = 1500.5
    assert not authenticator.ready


@pytest.mark.parametrize("rubbish", [b"", b"<html>", b"{}", b'{"keys": {}}', b'[{"keys": []}]'])
async def test_an_invalid_key_set_leaves_the_last_keys_in_use(make, sign, issuer, rubbish) -> None:
    """An invalid key set leaves the last keys and the cached tokens in use."""
    authenticator = await make()
    header = f"Bearer {sign()}"
    await authenticator.authenticate(header)
    issuer.body = rubbish
    assert not await authenticator.refresh()
    assert authenticator.cached(header)
    assert (await authenticator.authenticate(f"Bearer {sign(azp='new')}")).name == "azp:new"


@pytest.mark.parametrize("rubbish", [b"", b"<html>", b"{}"])
async def test_an_invalid_first_key_set_is_logged(make, sign, issuer, rubbish, caplog) -> None:
    """If the first key set is invalid, the log says so and every token is refused."""
    issuer.body = rubbish
    authenticator = await make()
    assert not await authenticator.refresh()
    await _cannot_tell(authenticator, f"Bearer {sign()}")
    assert "keys can't be read" in caplog.text


async def test_an_issuer_that_is_down_at_the_start_does_not_stop_the_process(by_url, sign, issuer) -> None:
    """An issuer that doesn't respond at the start doesn't stop the process; later tokens are accepted."""
    issuer.go()
    authenticator = Authenticator(msgspec.structs.replace(by_url, unknown_key_seconds=0.01))
    await authenticator.start()
    await _cannot_tell(authenticator, f"Bearer {sign()}")
    issuer.come_back()
    await asyncio.sleep(0.02)
    assert (await authenticator.authenticate(f"Bearer {sign()}")).name == "azp:pay"
    await authenticator.stop()


async def test_a_malformed_token_is_refused_even_without_keys(make, issuer) -> None:
    """A malformed token is refused as malformed, even without keys."""
    issuer.body = b""
    await _is_refused(await make(), "Bearer nonsense", "form of a JWT")


# Regular reads


async def test_keys_are_read_regularly(by_url, sign, issuer, rotated) -> None:
    """Between `start` and `stop` the URL is read regularly, and new keys are used."""
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


async def test_reading_continues_after_failures(by_url, issuer) -> None:
    """Reading continues after failed reads."""
    authenticator = Authenticator(msgspec.structs.replace(by_url, refresh_seconds=0.02))
    issuer.status = 500
    await authenticator.start()
    await _until(lambda: issuer.answers >= 3)
    assert not authenticator.ready
    issuer.status = 200
    await _until(lambda: authenticator.ready)
    await authenticator.stop()


async def test_new_keys_in_a_file_are_used(settings, sign, new_key, rotated, tmp_path) -> None:
    """New keys in a file are used."""
    authenticator = Authenticator(msgspec.structs.replace(settings, file_seconds=0.02))
    await authenticator.start()
    header = f"Bearer {sign()}"
    await authenticator.authenticate(header)
    (tmp_path / "jwks.json").write_bytes(rotated)
    await _until(lambda: authenticator.cached(header) is None)
    assert (await authenticator.authenticate(f"Bearer {sign(new_key, kid='new')}")).name == "azp:pay"
    await _is_refused(authenticator, header)
    await authenticator.stop()


async def test_stop_cancels_a_read(by_url, issuer) -> None:
    """`stop` cancels a read."""
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


def test_stop_without_start_does_nothing(by_url) -> None:
    """`stop` without `start` does nothing."""
    asyncio.run(Authenticator(by_url).stop())


async def test_readiness_waits_for_the_first_keys(make, issuer, clock) -> None:
    """A process isn't ready until the issuer has responded once; a later failure doesn't change that."""
    issuer.go()
    authenticator = await make(stale_seconds=1000)
    assert not authenticator.introduced
    issuer.come_back()
    await authenticator.refresh()
    clock.passed = 1001
    assert (authenticator.introduced, authenticator.ready) == (True, False)
