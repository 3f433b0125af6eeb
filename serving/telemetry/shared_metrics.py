"""Counts and times of one worker, which it adds to metrics that all workers share.

prometheus_client takes microseconds to count a value in a shared file. These classes take a fraction of a microsecond,
and add all counts at each write. prometheus_client's objects are made at the first write, which is after the fork.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable
from functools import cached_property
from typing import Final, Literal, NamedTuple

from prometheus_client import Counter, Gauge, Histogram

PREFIX: Final = "customer_risk_"
Mode = Literal["livemin", "livemax", "livesum", "liveall"]


class Description(NamedTuple):
    """A metric's name in Prometheus, its type, its help and the names of its labels."""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


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
    """One worker's counter: the counts by label values since they were last taken."""

    def __init__(self, name: str, help_: str, labels: tuple[str, ...] = ()) -> None:
        self.description = Description(f"{PREFIX}{name}_total", "counter", help_, labels)
        self._counts: defaultdict[tuple[str | int, ...], float] = defaultdict(float)

    @cached_property
    def _counter(self) -> Counter:
        name, _, help_, labels = self.description
        return Counter(name, help_, labels, registry=None)

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
    """One worker's histogram of times: the counts of each bucket and the sums since they were last taken."""

    def __init__(self, name: str, help_: str, bounds: tuple[float, ...], labels: tuple[str, ...] = ()) -> None:
        self.description = Description(PREFIX + name, "histogram", help_, labels)
        self.bounds = bounds
        self._buckets: dict[tuple[str, ...], list[int]] = {}
        self._sums: defaultdict[tuple[str, ...], float] = defaultdict(float)

    @cached_property
    def _histogram(self) -> Histogram:
        name, _, help_, labels = self.description
        return Histogram(name, help_, labels, buckets=self.bounds, registry=None)

    def add(self, seconds: float, *labels: str) -> None:
        """Observe a time in seconds; not thread-safe, like `LocalCounter.add`."""
        buckets = self._buckets.get(labels)
        if buckets is None:
            buckets = self._buckets[labels] = [0] * (len(self.bounds) + 1)
        buckets[bisect_left(self.bounds, seconds)] += 1
        self._sums[labels] += seconds

    def take(self) -> Callable[[], None]:
        """Reset the times; return a function that adds them to the shared metric."""
        buckets, sums = self._buckets, self._sums
        self._buckets, self._sums = {}, defaultdict(float)

        def write() -> None:
            for labels, counts in buckets.items():
                child = self._histogram.labels(*labels) if labels else self._histogram
                # The public method takes one value a call, which would be thousands of calls.
                for bucket, count in zip(child._buckets, counts, strict=True):  # noqa: SLF001
                    if count:
                        bucket.inc(count)
                child._sum.inc(sums[labels])  # noqa: SLF001

        return write


class SharedGauge:
    """A gauge that all workers share, combined by `mode`."""

    def __init__(self, name: str, help_: str, mode: Mode, labels: tuple[str, ...] = ()) -> None:
        self.description = Description(PREFIX + name, "gauge", help_, labels)
        self._mode = mode

    @cached_property
    def gauge(self) -> Gauge:
        """The gauge in prometheus_client."""
        name, _, help_, labels = self.description
        return Gauge(name, help_, labels, registry=None, multiprocess_mode=self._mode)
