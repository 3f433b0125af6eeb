"""Each client's share."""

from __future__ import annotations

import pytest

from customer_risk.serving.auth.rate_limits import Limiter, LimitSettings
from customer_risk.serving.errors import TooManyRequests


def test_a_burst_then_the_rate():
    """After its burst a client is refused until a token is back, and told when that is."""
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
    """A batch larger than the burst gets in, and is paid for afterwards."""
    limiter = Limiter(LimitSettings(requests_per_second=10, burst=2), clock=lambda: 0.0)
    limiter.take("a")
    limiter.owe("a", 99)
    with pytest.raises(TooManyRequests) as refused:
        limiter.take("a")
    assert refused.value.retry_after == 10


def test_off():
    """Without a rate nobody is counted."""
    limiter = Limiter(LimitSettings(), clock=lambda: 0.0)
    limiter.take("a")
    limiter.owe("a", 1e9)
    limiter.take("a")


def test_bounded():
    """More clients than are remembered push out those that asked least."""
    limiter = Limiter(LimitSettings(requests_per_second=1, burst=2, most_clients=2), clock=lambda: 0.0)
    limiter.take("greedy")
    limiter.owe("greedy", 99)
    for i in range(50):
        limiter.take(f"c-{i}")
    with pytest.raises(TooManyRequests):
        limiter.take("greedy")
