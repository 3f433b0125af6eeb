"""The event loop's lateness, on both event loops that may run."""

from __future__ import annotations

import asyncio
import time

import pytest
import uvloop

from customer_risk.serving.telemetry.loop_lag import LoopLag

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


async def _until(holds) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(600):
        while not holds():  # noqa: ASYNC110  there is no event to wait for
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("loop", LOOPS)
def test_tells_how_late_a_blocked_loop_is(loop) -> None:
    """Whoever holds the event loop for 150 ms is seen in the lag."""
    lags: list[float] = []

    async def run() -> None:
        lag = LoopLag(lags.append, every=0.02)
        await lag.start()
        await _until(lambda: lags)
        time.sleep(0.15)  # noqa: ASYNC251  the very fault that is to be seen
        await _until(lambda: max(lags) > 0.1 and len(lags) >= 3)
        await lag.stop()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run())
    assert min(lags) >= 0


def test_ends_when_stopped() -> None:
    """After the stop nothing is told any more."""
    lags: list[float] = []

    async def run() -> int:
        lag = LoopLag(lags.append, every=0.01)
        await lag.start()
        await _until(lambda: lags)
        await lag.stop()
        told = len(lags)
        await asyncio.sleep(0.05)
        return told

    assert 0 < asyncio.run(run()) == len(lags)


def test_stopping_what_never_began_is_no_fault() -> None:
    """A part may be stopped though it never started."""
    asyncio.run(LoopLag(print).stop())
