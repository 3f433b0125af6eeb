"""Refused calls are spread over time."""

from __future__ import annotations

import asyncio

from customer_risk.serving.kserve.v2.pacing import Pacing


def test_a_host_with_few_refused_calls_does_not_wait_for_one_with_many() -> None:
    """A call waits for the calls of its own host, those that were cancelled excluded."""
    pacing = Pacing(0.05)
    ended: list[str] = []

    async def refuse(host: str) -> None:
        await pacing.wait(host)
        ended.append(host)

    async def run() -> None:
        cancelled = [asyncio.create_task(refuse("few")) for _ in range(100)]
        await asyncio.sleep(0)
        for task in cancelled:
            task.cancel()
        await asyncio.wait(cancelled)
        await asyncio.gather(*(refuse("many") for _ in range(5)), refuse("few"), refuse("few"))

    asyncio.run(run())
    assert ended[-3:] == ["many"] * 3
