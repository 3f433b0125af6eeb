"""Stores of objects that are written once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Protocol

AHEAD: Final = 8  # objects that are read in advance; a bucket's client keeps ten connections


class Objects(Protocol):
    """Objects by key, which are never overwritten; all methods raise SinkUnavailable, within a bounded time."""

    def check(self) -> None:
        """Raise ConfigError if the store can't be used."""

    def get(self, key: str) -> bytes | None:
        """Return an object, or None if it is missing."""

    def create(self, key: str, data: bytes) -> bool:
        """Write a complete object; return False, without writing, if it exists."""

    def list(self, prefix: str) -> Iterator[str]:
        """Return the keys that begin with `prefix`, in order."""

    def delete(self, key: str) -> None:
        """Delete an object, if it exists."""

    def close(self) -> None:
        """Close the connections."""


def fetch(objects: Objects, keys: Iterable[str], *, ahead: int = AHEAD) -> Iterator[tuple[str, bytes | None]]:
    """Yield each key and its object (None if it is missing) in order; read at most `ahead` objects in advance.

    A bucket needs tens of milliseconds for each read.
    """
    waiting: deque[tuple[str, Future[bytes | None]]] = deque()
    pool = ThreadPoolExecutor(ahead)
    try:
        for key in keys:
            waiting.append((key, pool.submit(objects.get, key)))
            if len(waiting) == ahead:
                first, data = waiting.popleft()
                yield first, data.result()
        for key, data in waiting:
            yield key, data.result()
    finally:
        pool.shutdown(cancel_futures=True)
