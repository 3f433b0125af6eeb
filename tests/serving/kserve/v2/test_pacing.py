"""The delay of refusals."""

from __future__ import annotations

import asyncio

from customer_risk.serving.kserve.v2.pacing import Pacing


async def test_calls_wait_only_for_refused_calls_of_their_host() -> None:
    """Only calls of the same host that are being refused delay a call; cancelled calls don't."""
    pacing = Pacing(0.02)
    ended: list[str] = []

    async def refuse(host: str) -> None:
        await pacing.wait(host)
        ended.append(host)

    cancelled = [asyncio.create_task(refuse("few")) for _ in range(100)]
    await asyncio.sleep(0)
    for task in cancelled:
        task.cancel()
    await asyncio.wait(cancelled)
    await asyncio.gather(*(refuse("many") for _ in range(40)), refuse("few"), refuse("few"))
    assert ended[-10:] == ["many"] * 10
