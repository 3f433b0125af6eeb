"""Cancelled tasks of the asynchronous client."""

from __future__ import annotations

import asyncio
import json

import pytest

from customer_risk.serving.openapi.examples import ANSWER
from customer_risk_client import AsyncRiskClient, Patience


@pytest.mark.parametrize("script", [(60.0,), (b"HTTP/1.1 503 X\r\nretry-after: 60\r\ncontent-length: 0\r\n\r\n",)])
def test_a_cancelled_task_ends_at_once(scripted, reply, script) -> None:
    """A task that waits for a response or for the next attempt can be cancelled; the client stays usable."""
    good = reply(200, json.dumps(ANSWER).encode(), "content-type: application/json")

    async def cancel_then_score(url: str, saw: list[object]) -> str:
        async with AsyncRiskClient(url, patience=Patience(seconds=300, one=300)) as client:
            task = asyncio.create_task(client.score({}))
            while not saw:  # noqa: ASYNC110  the server is in a thread
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            release()
            return (await client.score({})).segment

    with scripted(*script, good) as server:
        release = server.release
        assert asyncio.run(cancel_then_score(server.url, server.saw)) == "high"
    assert len(server.saw) == 2


def test_tasks_share_a_client(url, request_) -> None:
    """A hundred tasks of one client get an answer each, for their own customer."""

    async def scored() -> list[str]:
        async with AsyncRiskClient(url) as client:
            requests = [request_ | {"customer_id": f"c-{i}"} for i in range(100)]
            return [each.customer_id for each in await asyncio.gather(*map(client.score, requests))]

    assert asyncio.run(scored()) == [f"c-{i}" for i in range(100)]
