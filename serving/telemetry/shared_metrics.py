"""Counts and times of one worker, which it adds to metrics that all workers share.

prometheus_client takes microseconds for each value that is counted in a shared file. These take a fraction of one, and
add everything at once at each write. prometheus_client's objects are made at the first write, which is after the fork.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable
from functools import cached_property
from typing import Final, Literal

from prometheus_client import Counter, Gauge, Histogram

PREFIX: Final = "customer_risk_"
Mode = Literal["livemin", "livemax", "livesum", "liveall"]


class LocalGauge:
    """A number in one worker that goes up and down."""

    def __init__(self, lock: threading.Lock) -> None:
        self.now = 0
        self._lock = lock

    def inc(self) -> None:
        """Increase it by one."""
        with self._lock:
            self.now += 1

    def dec(self) -> None:
        """Decrease it by one."""
        with self._lock:
            self.now -= 1


class LocalCounter:
    """One worker's counter by its labels: the counts since they were last taken."""

    def __init__(self, name: str, help_: str, labels: tuple[str, ...] = ()) -> None:
        self._made = (name, help_, labels)
        self._counts: defaultdict[tuple[str | int, ...], float] = defaultdict(float)

    @cached_property
    def _counter(self) -> Counter:
        return counter(*self._made)

    def add(self, *labels: str | int, count: float = 1) -> None:
        """Count; not thread-safe: the caller prevents concurrent calls of `add` and `take`."""
        self._counts[labels] += count

    def take(self) -> Callable[[], None]:
        """Reset the counts; return a function that adds them to the shared metric."""
        taken, self._counts = self._counts, defaultdict(float)

        def write() -> None:
            for labels, count in taken.items():
                (self._counter.labels(*labels) if labels else self._counter).inc(count)

        return write


class LocalHistogram:
    """One worker's histogram of times by its labels: counts of each bucket since they were last taken, and sums."""

    def __init__(self, name: str, help_: str, bounds: tuple[float, ...], labels: tuple[str, ...] = ()) -> None:
        self._made = (PREFIX + name, help_, labels)
        self._bounds = bounds
        self._buckets: dict[tuple[str, ...], list[int]] = {}
        self._sums: defaultdict[tuple[str, ...], float] = defaultdict(float)

    @cached_property
    def _histogram(self) -> Histogram:
        return Histogram(*self._made, buckets=self._bounds, registry=None)

    def add(self, seconds: float, *labels: str) -> None:
        """Observe a time in seconds; not thread-safe, like `Counts.add`."""
        buckets = self._buckets.get(labels)
        if buckets is None:
            buckets = self._buckets[labels] = [0] * (len(self._bounds) + 1)
        buckets[bisect_left(self._bounds, seconds)] += 1
        self._sums[labels] += seconds

    def take(self) -> Callable[[], None]:
        """Reset the times; return a function that adds them to the shared metric."""
        buckets, sums = self._buckets, self._sums
        self._buckets, self._sums = {}, defaultdict(float)

        def write() -> None:
            for labels, counts in buckets.items():
                child = self._histogram.labels(*labels) if labels else self._histogram
                # Its only public method takes one value a call, which would be thousands of calls; these are the
                # two values that it adds to.
                for bucket, count in zip(child._buckets, counts, strict=True):  # noqa: SLF001
                    if count:
                        bucket.inc(count)
                child._sum.inc(sums[labels])  # noqa: SLF001

        return write


def counter(name: str, help_: str, labels: tuple[str, ...] = ()) -> Counter:
    """Return a counter that all workers share."""
    return Counter(PREFIX + name, help_, labels, registry=None)


class SharedGauge:
    """A gauge that all workers share, combined by `mode`."""

    def __init__(self, name: str, help_: str, mode: Mode, labels: tuple[str, ...] = ()) -> None:
        self._made = (PREFIX + name, help_, labels)
        self._mode = mode

    @cached_property
    def gauge(self) -> Gauge:
        """Its object in prometheus_client."""
        return Gauge(*self._made, registry=None, multiprocess_mode=self._mode)
