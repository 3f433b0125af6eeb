"""A store of objects whose reading is told of, where it takes long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from customer_risk.serving.record.sinks.objects import Objects


class Watched:
    """Returns another store's objects; `step` is called for each that is read."""

    def __init__(self, objects: Objects, step: Callable[[], object]) -> None:
        self._objects = objects
        self._step = step
        self.check = objects.check
        self.create = objects.create
        self.delete = objects.delete
        self.close = objects.close

    def get(self, key: str) -> bytes | None:
        """Return an object, None where there is none."""
        self._step()
        return self._objects.get(key)

    def list(self, prefix: str) -> Iterator[str]:
        """Return the keys that begin with `prefix`, in order."""
        return self._objects.list(prefix)
