"""The event loop's lateness, on both event loops that may run."""

from __future__ import annotations

import asyncio
import time

import pytest
import uvloop

from serving.lag import Lag

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.mark.parametrize("loop", LOOPS)
def test_tells_how_late_a_blocked_loop_is(loop) -> None:
    """Whoever holds the event loop for 150 ms is seen in the lag."""
    lags: list[float] = []

    async def run() -> None:
        lag = Lag(lags.append, every=0.02)
        await lag.start()
        await asyncio.sleep(0.05)
        time.sleep(0.15)  # noqa: ASYNC251  the very fault that is to be seen
        await asyncio.sleep(0.05)
        await lag.stop()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run())
    assert 0.1 < max(lags) < 5
    assert min(lags) >= 0
    assert len(lags) >= 3


def test_ends_when_stopped() -> None:
    """After the stop nothing is told any more."""
    lags: list[float] = []

    async def run() -> int:
        lag = Lag(lags.append, every=0.01)
        await lag.start()
        await asyncio.sleep(0.05)
        await lag.stop()
        told = len(lags)
        await asyncio.sleep(0.05)
        return told

    assert 0 < asyncio.run(run()) == len(lags)


def test_stopping_what_never_began_is_no_fault() -> None:
    """A part may be stopped though it never started."""
    asyncio.run(Lag(print).stop())
