"""The context of a request."""

from __future__ import annotations

import asyncio

from customer_risk.serving.auth.caller import LOCAL, Caller
from customer_risk.serving.exchange.outcome import RequestContext, current


def test_the_current_caller_is_local_by_default() -> None:
    """Outside of a request, the current caller is the local one."""
    assert current.get().admitted is LOCAL


async def test_each_task_has_its_own_current_caller() -> None:
    """Each of two concurrent requests has its own caller."""

    async def answered(name: str) -> str:
        current.set(RequestContext("/", Caller(name, frozenset())))
        await asyncio.sleep(0)
        return current.get().caller_name

    assert await asyncio.gather(answered("a"), answered("b")) == ["a", "b"]
    assert current.get().admitted is LOCAL
