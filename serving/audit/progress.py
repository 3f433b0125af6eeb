"""The progress of a command, on standard error."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from customer_risk.model.terminal import echo

if TYPE_CHECKING:
    from customer_risk.serving.record.sinks.objects import Objects

_QUIET_SECONDS: Final = 2.0


class Progress:
    """Writes progress to stderr every two seconds, from two seconds on."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._count = 0
        self._next = time.monotonic() + _QUIET_SECONDS

    def step(self) -> None:
        """Count one step."""
        self._count += 1
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _QUIET_SECONDS
            echo(f"{self._count:,} {self._what}", err=True)


class Watched:
    """Returns another store's objects; `step` is called for each object that is read."""

    def __init__(self, objects: Objects, step: Callable[[], object]) -> None:
        self._objects = objects
        self._step = step
        self.check = objects.check
        self.create = objects.create
        self.delete = objects.delete
        self.close = objects.close

    def get(self, key: str) -> bytes | None:
        """Return an object, or None if it is missing."""
        self._step()
        return self._objects.get(key)

    def list(self, prefix: str) -> Iterator[str]:
        """Return the keys that begin with `prefix`, in order."""
        return self._objects.list(prefix)
