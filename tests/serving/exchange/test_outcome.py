"""Where a request came from."""

from __future__ import annotations

import asyncio

from customer_risk.serving.auth.caller import LOCAL, Caller
from customer_risk.serving.exchange.outcome import RequestContext, current


def test_current_is_local_until_told() -> None:
    """Outside of a request the current caller is local."""
    assert current.get().admitted is LOCAL


def test_current_is_the_tasks_own() -> None:
    """Two requests at once each see their own caller."""

    async def answered(name: str) -> str:
        current.set(RequestContext("/", Caller(name, frozenset())))
        await asyncio.sleep(0)
        return current.get().caller_name

    async def both() -> list[str]:
        return await asyncio.gather(answered("a"), answered("b"))

    assert asyncio.run(both()) == ["a", "b"]
    assert current.get().admitted is LOCAL
