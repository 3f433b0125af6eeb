"""The waits between attempts, without a server."""

from __future__ import annotations

import httpx2
import pytest

from customer_risk_client import Patience
from customer_risk_client.attempts import Attempts, Reply

LOST = httpx2.ReadError("lost")


def _waits(patience: Patience) -> list[float]:
    attempts = Attempts(patience, clock=lambda: 0.0)
    attempts.begin()
    waits = []
    for _ in range(patience.attempts - 1):
        waits.append(attempts.wait_after_error(LOST))
        attempts.begin()
    return waits


def test_waits_double_up_to_the_longest() -> None:
    """Each wait is a random time between half of its bound and the bound, which doubles up to the longest wait."""
    waits = _waits(Patience(first=0.5, longest=3, attempts=6, seconds=100))
    for wait, bound in zip(waits, [0.5, 1, 2, 3, 3], strict=True):
        assert bound / 2 <= wait <= bound
    assert waits != _waits(Patience(first=0.5, longest=3, attempts=6, seconds=100))


def test_waits_are_bounded_after_thousands_of_attempts() -> None:
    """After thousands of failures, a wait is at most the longest one."""
    assert max(_waits(Patience(attempts=5_000))) <= Patience().longest


@pytest.mark.parametrize(
    ("status", "headers", "least"),
    [
        (503, {"retry-after": "7"}, 7),
        (429, {"retry-after": "7"}, 7),
        (503, {}, 0),
        (503, {"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}, 0),
        (503, {"retry-after": "-1"}, 0),
        (503, {"retry-after": "\u0664"}, 0),
    ],
)
def test_retry_after_is_the_shortest_wait(status, headers, least) -> None:
    """A wait is at least Retry-After in seconds; every other form of the header is ignored."""
    attempts = Attempts(Patience(seconds=100), clock=lambda: 0.0)
    attempts.begin()
    wait = attempts.wait_after(Reply(status, headers, b""))
    assert wait == 7 if least else 0 < wait <= 0.1


def test_an_attempt_waits_no_longer_than_the_call() -> None:
    """The timeout of the last attempt is the time that is left of the call."""
    now = 0.0
    attempts = Attempts(Patience(seconds=10, one=5), clock=lambda: now)
    assert attempts.begin() == httpx2.Timeout(5, pool=10)
    now = 8.0
    assert attempts.begin() == httpx2.Timeout(2, pool=2)
