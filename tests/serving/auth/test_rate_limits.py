"""Each client's limit."""

from __future__ import annotations

import contextlib

import pytest

from customer_risk.serving.auth.rate_limits import Limiter, LimitSettings
from customer_risk.serving.errors import TooManyRequests


def test_a_burst_then_the_rate():
    """After its burst a client is refused with Retry-After, and admitted after that time."""
    now = [0.0]
    limiter = Limiter(LimitSettings(requests_per_second=0.5, burst=2), clock=lambda: now[0])
    limiter.take("a")
    limiter.take("a")
    with pytest.raises(TooManyRequests) as refused:
        limiter.take("a")
    now[0] += refused.value.retry_after
    limiter.take("a")
    assert refused.value.retry_after == 2


def test_a_batch_owes_the_rest():
    """A batch larger than the burst is admitted, and later requests wait for its tokens."""
    limiter = Limiter(LimitSettings(requests_per_second=10, burst=2), clock=lambda: 0.0)
    limiter.take("a")
    limiter.owe("a", 99)
    with pytest.raises(TooManyRequests) as refused:
        limiter.take("a")
    assert refused.value.retry_after == 10


@pytest.mark.parametrize(("rate", "refused"), [(0, False), (1, True)])
def test_a_rate_of_zero_refuses_no_client(rate, refused):
    """Without a rate no client is refused, however many requests it sends."""
    limiter = Limiter(LimitSettings(requests_per_second=rate, burst=2), clock=lambda: 0.0)
    limiter.take("a")
    limiter.owe("a", 1e9)
    with pytest.raises(TooManyRequests) if refused else contextlib.nullcontext():
        limiter.take("a")


def test_the_number_of_counted_clients_is_bounded():
    """More clients than are remembered push out those that asked least."""
    limiter = Limiter(LimitSettings(requests_per_second=1, burst=2, most_clients=2), clock=lambda: 0.0)
    limiter.take("greedy")
    limiter.owe("greedy", 99)
    for i in range(50):
        limiter.take(f"c-{i}")
    with pytest.raises(TooManyRequests):
        limiter.take("greedy")
