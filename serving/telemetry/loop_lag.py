"""The event loop's lag: a high lag shows that a worker blocks its event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

EVERY: Final = 0.1


class LoopLag:
    """Sets a timer every `every` seconds, and calls `lagged` with its delay in seconds."""

    def __init__(self, lagged: Callable[[float], object], *, every: float = EVERY) -> None:
        self._lagged = lagged
        self._every = every
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to measure."""
        self._task = asyncio.create_task(self._measure())

    async def stop(self) -> None:
        """Stop measuring."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _measure(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._every
            await asyncio.sleep(self._every)
            # uvloop's clock has a resolution of 1 ms, so a timer may seem early.
            self._lagged(max(0.0, loop.time() - due))
