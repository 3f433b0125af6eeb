"""Counts and times of one worker on their way to what all workers share.

prometheus_client takes microseconds for each value that is counted in a shared file. These take a fraction of one, and
add everything up in one go when it is written.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable
from typing import Final, Literal

from prometheus_client import Counter, Gauge, Histogram

PREFIX: Final = "customer_risk_"
Mode = Literal["livemin", "livemax", "livesum", "liveall"]


class Level:
    """A number that goes up and down."""

    def __init__(self, lock: threading.Lock) -> None:
        self.now = 0
        self._lock = lock

    def inc(self) -> None:
        """Go up."""
        with self._lock:
            self.now += 1

    def dec(self) -> None:
        """Go down."""
        with self._lock:
            self.now -= 1


class Counts:
    """A counter by its labels: the counts since they were last taken."""

    def __init__(self, name: str, help_: str, labels: tuple[str, ...] = ()) -> None:
        self._counter = counter(name, help_, labels)
        self._counts: defaultdict[tuple[str | int, ...], int] = defaultdict(int)

    def add(self, *labels: str | int, count: int = 1) -> None:
        """Count; the caller sees to it that no one else does meanwhile, nor takes."""
        self._counts[labels] += count

    def take(self) -> Callable[[], None]:
        """Begin anew; what it gives adds the counts so far to what all workers share."""
        taken, self._counts = self._counts, defaultdict(int)

        def write() -> None:
            for labels, count in taken.items():
                (self._counter.labels(*labels) if labels else self._counter).inc(count)

        return write


class Times:
    """A histogram by its labels: how many fell into each bucket since they were last taken, and their sums."""

    def __init__(self, name: str, help_: str, bounds: tuple[float, ...], labels: tuple[str, ...] = ()) -> None:
        self._histogram = Histogram(PREFIX + name, help_, labels, buckets=bounds, registry=None)
        self._bounds = bounds
        self._buckets: dict[tuple[str, ...], list[int]] = {}
        self._sums: defaultdict[tuple[str, ...], float] = defaultdict(float)

    def add(self, seconds: float, *labels: str) -> None:
        """Note a time; alone, as with counts."""
        buckets = self._buckets.get(labels)
        if buckets is None:
            buckets = self._buckets[labels] = [0] * (len(self._bounds) + 1)
        buckets[bisect_left(self._bounds, seconds)] += 1
        self._sums[labels] += seconds

    def take(self) -> Callable[[], None]:
        """Begin anew; what it gives adds the times so far to what all workers share."""
        buckets, sums = self._buckets, self._sums
        self._buckets, self._sums = {}, defaultdict(float)

        def write() -> None:
            for labels, counts in buckets.items():
                child = self._histogram.labels(*labels) if labels else self._histogram
                # Its only public way in is one `observe` a value, thousands in a row on the event loop; these are the
                # very two that it adds to.
                for bucket, count in zip(child._buckets, counts, strict=True):  # noqa: SLF001
                    if count:
                        bucket.inc(count)
                child._sum.inc(sums[labels])  # noqa: SLF001

        return write


def counter(name: str, help_: str, labels: tuple[str, ...] = ()) -> Counter:
    """Make a counter that all workers share."""
    return Counter(PREFIX + name, help_, labels, registry=None)


def gauge(name: str, help_: str, mode: Mode, labels: tuple[str, ...] = ()) -> Gauge:
    """Make a gauge that all workers share, put together by `mode`."""
    return Gauge(PREFIX + name, help_, labels, registry=None, multiprocess_mode=mode)
