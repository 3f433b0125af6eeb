"""How far a command is."""

from __future__ import annotations

import time
from typing import Final

from customer_risk.model.terminal import echo

_QUIET_SECONDS: Final = 2.0


class Progress:
    """Writes progress to stderr every two seconds, from two seconds on."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._count = 0
        self._next = time.monotonic() + _QUIET_SECONDS

    def step(self) -> None:
        """Count one more."""
        self._count += 1
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _QUIET_SECONDS
            echo(f"{self._count:,} {self._what}", err=True)
