"""Reads many objects, some at a time: a bucket takes tens of milliseconds for each."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from customer_risk.serving.record.sinks.objects import Objects

AHEAD: Final = 8  # a bucket's client keeps ten connections


def fetch(objects: Objects, keys: Iterable[str], *, ahead: int = AHEAD) -> Iterator[tuple[str, bytes | None]]:
    """Yield each key and its object, None where there is none, in order; read at most `ahead` of them in advance."""
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
