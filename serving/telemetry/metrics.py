"""Prometheus metrics, summed over the worker processes that share a port.

Each worker counts in plain integers, and adds them to files in one folder four times a second. The worker that is
scraped sums the folder. A killed worker loses the counts since its last write, at most a quarter of a second.
prometheus_client writes these files, and reads the folder's name when it is imported: call `metrics_folder.prepare`
before importing this module.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from customer_risk.model.patterns.definitions import PATTERNS
from customer_risk.model.scoring.segments import Action, Segment
from customer_risk.serving.contract.answer import Source
from customer_risk.serving.contract.problem import KINDS, UNEXPECTED, Kind
from customer_risk.serving.contract.request import Profile, RiskRequest, Transaction
from customer_risk.serving.decisions.reload import Result
from customer_risk.serving.telemetry.shared_metrics import (
    PREFIX,
    Description,
    LocalCounter,
    LocalGauge,
    LocalHistogram,
    SharedGauge,
)

if TYPE_CHECKING:
    from customer_risk.serving.contract.answer import Answer

FLUSH_SECONDS: Final = 0.25
_MS: Final = (0.5, 1, 1.5, 2, 3, 4, 5, 7.5, 10, 15, 20, 30, 50, 75, 100, 250, 1000, 5000)
_DURATIONS: Final = tuple(each / 1000 for each in _MS)
_WAITS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)
_LAGS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
_INFO: Final = "bundle_info"
_CODES: Final = (200, 500, 503)  # whose counts start at 0
FIELDS: Final = frozenset(RiskRequest.__struct_fields__) | {*Profile.__struct_fields__, *Transaction.__struct_fields__}
_log = logging.getLogger("serving")
_DEEPEST: Final = 12  # names of a pointer that are read; callers can send longer ones


def field_of(pointer: str) -> str:
    """Return the field that a warning points at, from a fixed set, so that the number of time series is bounded.

    Positions are left out, every feature is "features", and an unknown field is "other".
    """
    names = pointer.split("/", _DEEPEST)
    if "features" in names:
        return "features"
    name = next((each for each in reversed(names) if not each.isdecimal()), "")
    return name if name in FIELDS else "other"


class Metrics:
    """One worker's metrics. Any thread may call; recording costs about a microsecond a call.

    Nothing is written before `start`, so a process may fork until then. `look(metrics)` is called before each write, to
    update the gauges. `routes` are the routes of requests that are answered: their counts start at 0.
    """

    def __init__(self, look: Callable[[Metrics], object] = lambda _: None, routes: Iterable[str] = ()) -> None:
        self.look = look
        self._routes = tuple(routes)
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._task: asyncio.Task[None] | None = None
        self._cpu = 0.0
        self._failed = False
        self._requests = LocalCounter("requests", "Responses to requests.", ("route", "code"))
        self._decisions = LocalCounter(
            "decisions", "Decisions; each item of a batch counts.", ("segment", "action", "source")
        )
        self._patterns = LocalCounter("patterns", "Transaction patterns in answers.", ("code",))
        self._warnings = LocalCounter("warnings", "Warnings in answers, by the request's field.", ("code", "field"))
        self._refusals = LocalCounter("refusals", "Refused requests, and refused items of batches.", ("kind",))
        self._sheds = LocalCounter("shed", "Requests refused because too many were waiting.")
        self._reloads = LocalCounter("reloads", "Loads of a bundle while serving.", ("result",))
        self._unrecorded = LocalCounter("unrecorded", "Decisions and refusals answered without a record.")
        self._drops = LocalCounter("log_lines_dropped", "Log lines dropped because too many were waiting.")
        self._deaths = LocalCounter("worker_deaths", "Workers that ended although the server didn't end.")
        self._durations = LocalHistogram(
            "request_duration_seconds", "Seconds from the complete body to the response.", _DURATIONS, ("route",)
        )
        self._waits = LocalHistogram(
            "queue_wait_seconds", "Estimated seconds that a request waits for the event loop.", _WAITS
        )
        self._lags = LocalHistogram("event_loop_lag_seconds", "Delay of a timer in the event loop, in seconds.", _LAGS)
        self._cpu_seconds = LocalCounter("cpu_seconds", "CPU seconds of all workers.")
        self._flying = SharedGauge("requests_in_flight", "Requests being answered.", "livesum")
        self._info = SharedGauge(_INFO, "1 for the bundle that answers.", "livemax", ("name", "version"))
        self._ready = SharedGauge("ready", "1 if every worker is ready, else 0.", "livemin")
        self._forced = SharedGauge("rules_forced", "1 if an administrator replaced the model by rules.", "livemax")
        self._failing = SharedGauge("record_failing", "1 if a worker can't record decisions.", "livemax")
        self._keys_age = SharedGauge(
            "jwks_age_seconds", "Seconds since the issuer's keys were last read; infinite if never.", "livemax"
        )
        self._store_failing = SharedGauge("store_failing", "1 if a worker can't use the store.", "livemax")
        self._jobs_open = SharedGauge("jobs_open", "Jobs that wait or run, of all servers of the store.", "livemax")
        self._jobs_oldest = SharedGauge(
            "jobs_oldest_seconds", "Seconds since the oldest of these jobs was submitted; 0 without a job.", "livemax"
        )
        self._resident = SharedGauge(
            "resident_memory_bytes", "Memory of each worker in bytes, with shared pages.", "liveall"
        )
        self._bundle: tuple[str, str] | None = None
        self._state: tuple[bool, bool, bool] = (False, False, False)
        self.in_flight = LocalGauge(self._lock)
        self._begin()

    def responded(self, route: str, status: int, seconds: float) -> None:
        """Count a response and its duration."""
        with self._lock:
            self._requests.add(route, status)
            self._durations.add(seconds, route)

    def decided(self, answer: Answer) -> None:
        """Count a decision, each of its patterns and each of its warnings."""
        decision = answer.decision
        with self._lock:
            self._decisions.add(decision.segment, decision.action, answer.source)
            for pattern in decision.patterns or ():
                self._patterns.add(pattern.code)
            for warned in answer.warnings:
                self._warnings.add(warned.code, field_of(warned.pointer))

    def refused(self, kind: Kind) -> None:
        """Count a request, or an item of one, that got a problem document."""
        with self._lock:
            self._refusals.add(kind.name)

    def shed(self) -> None:
        """Count a request that was refused because too many waited."""
        with self._lock:
            self._sheds.add()

    def waited(self, seconds: float) -> None:
        """Observe the seconds that an admitted request waits for the event loop."""
        with self._lock:
            self._waits.add(seconds)

    def lagged(self, seconds: float) -> None:
        """Observe the event loop's lag in seconds."""
        with self._lock:
            self._lags.add(seconds)

    def reloaded(self, result: str) -> None:
        """Count a load of a bundle by its result."""
        with self._lock:
            self._reloads.add(result)

    def dropped_log_lines(self, count: int) -> None:
        """Count log lines that were dropped."""
        with self._lock:
            self._drops.add(count=count)

    def unrecorded(self) -> None:
        """Count a decision, or a refusal, that couldn't be recorded."""
        with self._lock:
            self._unrecorded.add(count=1)

    def bundle(self, name: str, version: str) -> None:
        """Set the bundle that answers from now on."""
        if self._bundle == (name, version):
            return
        with self._writing:
            if self._bundle is not None:
                self._info.gauge.labels(*self._bundle).set(0)
            self._bundle = (name, version)
            self._info.gauge.labels(name, version).set(1)

    def state(self, *, ready: bool, rules_forced: bool, record_failing: bool = False) -> None:
        """Set whether this worker is ready, whether rules are forced, and whether it can't record decisions."""
        self._state = (ready, rules_forced, record_failing)

    def keys_read(self, age: float) -> None:
        """Set the seconds since the issuer's keys were last read."""
        self._keys_age.gauge.set(age)

    def store(self, *, failing: bool) -> None:
        """Set whether this worker can't use the store."""
        self._store_failing.gauge.set(failing)

    def jobs(self, count: int, oldest_seconds: float) -> None:
        """Set the number of jobs that haven't ended, and the age of the oldest in seconds."""
        self._jobs_open.gauge.set(count)
        self._jobs_oldest.gauge.set(oldest_seconds)

    def worker_ended(self, pid: int, *, died: bool) -> None:
        """Remove an ended worker's gauges, and count it if it `died`; its counts stay. The workers' parent calls it."""
        mark_process_dead(pid)  # type: ignore[no-untyped-call]
        if died:
            self._deaths.add()
            self._deaths.take()()

    def descriptions(self) -> list[Description]:
        """Return the descriptions of all metrics."""
        kinds = LocalCounter | LocalHistogram | SharedGauge
        return [each.description for each in vars(self).values() if isinstance(each, kinds)]

    def buckets(self) -> dict[str, tuple[float, ...]]:
        """Return the upper bounds of each histogram's buckets, by the histogram's name."""
        return {each.description.name: each.bounds for each in vars(self).values() if isinstance(each, LocalHistogram)}

    async def start(self) -> None:
        """Begin to write the counts, without earlier ones: each forked worker would repeat its parent's."""
        with self._lock:
            for each in self._counted():
                each.take()
            self._begin()
        self.flush()
        self._task = asyncio.create_task(self._keep_flushing())

    async def stop(self) -> None:
        """Stop, and write the remaining counts."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self.flush()

    def flush(self) -> None:
        """Write the counts to the shared folder."""
        self.look(self)
        with self._writing:
            with self._lock:
                cpu = time.process_time()
                self._cpu_seconds.add(count=cpu - self._cpu)
                self._cpu = cpu
                taken = [each.take() for each in self._counted()]
            for write in taken:
                write()
            self._flying.gauge.set(self.in_flight.now)
            self._ready.gauge.set(self._state[0])
            self._forced.gauge.set(self._state[1])
            self._failing.gauge.set(self._state[2])
            self._resident.gauge.set(_resident_bytes())

    def exposition(self, accept: str | None) -> tuple[str, bytes]:
        """Return the media type and all workers' metrics, KServe's included: OpenMetrics if `accept` prefers it."""
        self.flush()
        registry = CollectorRegistry()
        registry.register(_AllWorkers())
        encode, media_type = choose_encoder(accept or "")
        return media_type, encode(registry)

    def _begin(self) -> None:
        # `increase()` in Prometheus misses the first count of a series that doesn't begin at 0.
        for kind in (*KINDS.values(), UNEXPECTED):
            self._refusals.add(kind.name, count=0)
        for pattern in PATTERNS:
            self._patterns.add(pattern.code, count=0)
        for result in get_args(Result):
            self._reloads.add(result, count=0)
        for decision in product(get_args(Segment), get_args(Action), get_args(Source)):
            self._decisions.add(*decision, count=0)
        for route, code in product(self._routes, _CODES):
            self._requests.add(route, code, count=0)
        self._sheds.add(count=0)
        self._drops.add(count=0)
        self._unrecorded.add(count=0)
        self._deaths.add(count=0)

    def _counted(self) -> list[LocalCounter | LocalHistogram]:
        return [each for each in vars(self).values() if isinstance(each, LocalCounter | LocalHistogram)]

    async def _keep_flushing(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                self.flush()
            except Exception:  # noqa: BLE001  metrics must not stop the answers
                # Log it once: four lines a second would hide the others.
                _log.log(logging.DEBUG if self._failed else logging.ERROR, "metrics weren't written", exc_info=True)
                self._failed = True
            else:
                self._failed = False


class _AllWorkers:
    """Every metric in the folder, without the bundles that no worker uses any more."""

    def collect(self) -> Iterable[Metric]:
        collector: Any = MultiProcessCollector(CollectorRegistry())  # type: ignore[no-untyped-call]
        for metric in collector.collect():
            if metric.name == PREFIX + _INFO:  # labels stay in the files: a former bundle has the value 0
                metric.samples = [sample for sample in metric.samples if sample.value]
            yield metric


def _resident_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # not Linux
        return 0
