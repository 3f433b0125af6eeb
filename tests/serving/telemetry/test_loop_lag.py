"""The event loop's lag, on asyncio's and uvloop's event loop."""

from __future__ import annotations

import asyncio
import time

import pytest
import uvloop

from customer_risk.serving.telemetry.loop_lag import LoopLag

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


async def _until(holds) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(600):
        while not holds():  # noqa: ASYNC110  there is no event to wait for
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("loop", LOOPS)
def test_the_lag_of_a_blocked_loop_is_measured(loop) -> None:
    """If the event loop is blocked for 150 ms, the lag shows it."""
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


def test_no_lag_is_measured_after_stop() -> None:
    """After `stop`, no lag is measured."""
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
