"""How long calls wait before they are refused."""

from __future__ import annotations

import asyncio

from customer_risk.serving.kserve.v2.pacing import Pacing


def test_a_host_with_few_refused_calls_does_not_wait_for_one_with_many() -> None:
    """Only the refused calls of its own host delay a call, and cancelled calls don't."""
    pacing = Pacing(0.02)
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
        await asyncio.gather(*(refuse("many") for _ in range(40)), refuse("few"), refuse("few"))

    asyncio.run(run())
    assert ended[-10:] == ["many"] * 10
