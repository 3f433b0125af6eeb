"""Delays refusals.

A refusal by gRPC takes a third of the time of an answer, and a client may retry at once.
"""

from __future__ import annotations

import asyncio
from collections import Counter


class Pacing:
    """Delays each refusal by `seconds` times the number of calls of the same host that are being refused."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting = Counter[str]()

    async def wait(self, host: str) -> None:
        """Wait before a call of this host is refused."""
        self._waiting[host] += 1
        try:
            await asyncio.sleep(self._waiting[host] * self._seconds)
        finally:
            self._waiting[host] -= 1
            if not self._waiting[host]:
                del self._waiting[host]
