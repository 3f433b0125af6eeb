"""Each metric, from one worker and from several."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from customer_risk.model.errors import InputError
from customer_risk.model.features.input_warning import InputWarning
from customer_risk.model.patterns.definitions import BY_CODE
from customer_risk.serving.contract.problem import KINDS, UNEXPECTED
from customer_risk.serving.errors import Overloaded
from customer_risk.serving.telemetry.metrics import Metrics, field_of
from customer_risk.serving.telemetry.metrics_folder import FOLDER_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from customer_risk.serving.decisions.service import Service

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]

# What a process does with a folder of metrics, and then waits to be ended.
_WORKER = """
import sys
from pathlib import Path
from types import SimpleNamespace
from customer_risk.serving.telemetry.metrics_folder import prepare
if sys.argv[2] == "first":
    prepare(Path(sys.argv[1]))
from customer_risk.serving.telemetry import metrics
made = metrics.Metrics()
for place in range(10):
    made.responded("/ai/v1/risk", 200, 0.004 if place else 0.2)
made.in_flight.inc()
made.state(ready=sys.argv[2] == "first", rules_forced=False)
made.flush()
made.responded("/ai/v1/risk", 500, 1)  # not written
print("written", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for prometheus_client's values, even if it was imported before."""
    import prometheus_client
    from prometheus_client import values

    in_files = values.MultiProcessValue()
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(prometheus_client.values, "ValueClass", in_files)
    yield tmp_path
    in_files.close_all_files()


@pytest.fixture
def metrics(folder: Path) -> Metrics:
    """One worker's metrics."""
    assert not list(folder.iterdir())
    return Metrics()


@pytest.fixture
def worker(folder: Path) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Start a process that counts ten requests and writes them into the folder."""
    started: list[subprocess.Popen[bytes]] = []

    def start(which: str) -> subprocess.Popen[bytes]:
        arguments = [sys.executable, "-c", _WORKER, str(folder), which]
        process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def read(metrics: Metrics) -> Samples:
    """Return the samples that Prometheus would read."""
    from prometheus_client.parser import text_string_to_metric_families

    _, text = metrics.exposition(None)
    families = text_string_to_metric_families(text.decode())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(samples: Samples, name: str, /, **labels: str) -> float | None:
    """Return the value of a sample, or None if it doesn't exist."""
    return samples.get((f"customer_risk_{name}", frozenset(labels.items())))


def answer_with(*warnings: InputWarning, patterns: tuple[str, ...] | None = None) -> Any:
    """Return the parts of an answer that are counted."""
    found = None if patterns is None else tuple(SimpleNamespace(code=code) for code in patterns)
    decision = SimpleNamespace(segment="high", action="review", patterns=found)
    return SimpleNamespace(decision=decision, source="model", warnings=warnings)


def test_counts_responses_by_route_and_code(metrics) -> None:
    """Each response counts once, at its route and code."""
    metrics.responded("/ai/v1/risk", 200, 0.001)
    metrics.responded("/ai/v1/risk", 200, 0.001)
    metrics.responded("/ai/v1/risk", 422, 0.001)
    samples = read(metrics)
    assert value(samples, "requests_total", route="/ai/v1/risk", code="200") == 2
    assert value(samples, "requests_total", route="/ai/v1/risk", code="422") == 1


def test_batched_times_equal_single_observations(metrics) -> None:
    """The histogram equals one that observes each value, also at a bucket's bound."""
    from prometheus_client import CollectorRegistry, Histogram, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    from customer_risk.serving.telemetry.metrics import _DURATIONS

    seconds = [0.0, 0.0005, 0.00051, 0.004, 0.0041, 0.1, 0.99, 5.0, 5.1, 60.0]
    other = Histogram("other", "From body to response.", ["route"], buckets=_DURATIONS, registry=None)
    for each in seconds:
        metrics.responded("r", 200, each)
        other.labels("r").observe(each)
    metrics.flush()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    lines = generate_latest(registry).decode().splitlines()
    ours = [line.partition("duration_seconds")[2] for line in lines if line.startswith("customer_risk_request_dur")]
    theirs = [line.removeprefix("other") for line in lines if line.startswith("other")]
    assert len(ours) == 19 + 2
    assert sorted(ours) == sorted(theirs)


def test_buckets_resolve_the_milliseconds_that_matter(metrics) -> None:
    """There are buckets from half a millisecond to five seconds."""
    metrics.responded("r", 200, 0.0012)
    samples = read(metrics)
    bounds = {dict(labels)["le"] for name, labels in samples if name == "customer_risk_request_duration_seconds_bucket"}
    expected = (
        "0.0005 0.001 0.0015 0.002 0.003 0.004 0.005 0.0075 0.01 0.015 0.02 0.03 0.05 0.075 0.1 0.25 1.0 5.0 +Inf"
    )
    assert bounds == set(expected.split())
    assert value(samples, "request_duration_seconds_bucket", route="r", le="0.001") == 0
    assert value(samples, "request_duration_seconds_bucket", route="r", le="0.0015") == 1


def test_counts_decisions_and_their_warnings(metrics) -> None:
    """A decision counts at its segment, action and source, each warning at its code and field."""
    unknown = InputWarning("UNKNOWN_CATEGORY", "/transactions/3/type", "'X' is not known")
    metrics.decided(answer_with(unknown, unknown, InputWarning("HISTORY_CUT", "/history_complete", "")))
    samples = read(metrics)
    assert value(samples, "decisions_total", segment="high", action="review", source="model") == 1
    assert value(samples, "warnings_total", code="UNKNOWN_CATEGORY", field="type") == 2
    assert value(samples, "warnings_total", code="HISTORY_CUT", field="history_complete") == 1


def test_counts_patterns_by_their_code(metrics) -> None:
    """Each pattern of an answer counts once, and every code starts at 0."""
    metrics.decided(answer_with(patterns=("PASS_THROUGH", "NIGHT_BURST")))
    metrics.decided(answer_with(patterns=("NIGHT_BURST",)))
    metrics.decided(answer_with(patterns=()))
    metrics.decided(answer_with())
    samples = read(metrics)
    counted = {
        dict(labels)["code"]: count for (name, labels), count in samples.items() if name.endswith("patterns_total")
    }
    assert counted == dict.fromkeys(BY_CODE, 0) | {"PASS_THROUGH": 1, "NIGHT_BURST": 2}


def test_counts_the_answers_of_a_service(metrics, service: Service, request_) -> None:
    """A service's answer is counted."""
    import msgspec

    request_["profile"]["occupation"] = "ASTRONAUTS"
    answer = service.answer(msgspec.json.encode(request_))
    metrics.decided(answer)
    samples = read(metrics)
    labels = {"segment": answer.decision.segment, "action": answer.decision.action, "source": "model"}
    assert value(samples, "decisions_total", **labels) == 1
    assert value(samples, "warnings_total", code="UNKNOWN_CATEGORY", field="occupation") == 1


@pytest.mark.parametrize(
    ("pointer", "field"),
    [
        ("/profile/occupation", "occupation"),
        ("/transactions/3/type", "type"),
        ("/transactions/type/3", "type"),
        ("/requests/7/transactions/3/created_at", "created_at"),
        ("/instances/0/profile/kyc_state", "kyc_state"),
        ("/transactions/3", "transactions"),
        ("/history_complete", "history_complete"),
        ("/features/anything", "features"),
        ("/features/occupation", "features"),
        ("/profile/mothers_maiden_name", "other"),
        ("/requests/7", "other"),
        ("/" * 100_000 + "type", "other"),
        ("", "other"),
    ],
)
def test_a_warnings_field_is_a_known_field(pointer, field) -> None:
    """The label `field` has no positions, and no names that callers make up."""
    assert field_of(pointer) == field


def test_counts_refusals_by_kind(metrics) -> None:
    """Refusals count at their kind, and every kind starts at 0."""
    for kind in (KINDS[InputError], KINDS[Overloaded], UNEXPECTED):
        metrics.refused(kind)
    samples = read(metrics)
    counted = {kind: value(samples, "refusals_total", kind=kind) for kind in ("bad-fields", "overloaded", "unexpected")}
    assert counted == {"bad-fields": 1, "overloaded": 1, "unexpected": 1}
    assert value(samples, "refusals_total", kind="forbidden") == 0


def test_counts_other_events(metrics) -> None:
    """Shed requests, waits, lags, reloads and dropped log lines are counted."""
    metrics.shed()
    metrics.waited(0.003)
    metrics.lagged(0.02)
    metrics.reloaded("refused")
    metrics.dropped_log_lines(7)
    samples = read(metrics)
    assert value(samples, "shed_total") == 1
    assert value(samples, "queue_wait_seconds_count") == 1
    assert value(samples, "event_loop_lag_seconds_sum") == 0.02
    assert value(samples, "reloads_total", result="refused") == 1
    assert value(samples, "reloads_total", result="taken") == 0
    assert value(samples, "log_lines_dropped_total") == 7


def test_counts_requests_in_flight(metrics) -> None:
    """Requests that have begun and not ended are in flight."""
    metrics.in_flight.inc()
    metrics.in_flight.inc()
    metrics.in_flight.dec()
    assert value(read(metrics), "requests_in_flight") == 1


def test_only_the_current_bundle_has_a_sample(metrics) -> None:
    """After a reload, only the new bundle has a sample."""
    metrics.bundle("customer-risk", "aaa")
    metrics.bundle("customer-risk", "bbb")
    samples = read(metrics)
    assert value(samples, "bundle_info", name="customer-risk", version="bbb") == 1
    assert value(samples, "bundle_info", name="customer-risk", version="aaa") is None


def test_readiness_and_forced_rules_start_at_0(metrics) -> None:
    """Readiness and forced rules are 0 until they are set."""
    before = read(metrics)
    metrics.state(ready=True, rules_forced=True)
    after = read(metrics)
    assert [value(each, "ready") for each in (before, after)] == [0, 1]
    assert [value(each, "rules_forced") for each in (before, after)] == [0, 1]


def test_the_state_is_read_before_each_write(folder) -> None:  # noqa: ARG001  where the metrics go
    """The state is read before each write."""
    assert value(read(Metrics(lambda made: made.state(ready=True, rules_forced=False))), "ready") == 1


def test_memory_and_cpu_time_are_exported(metrics) -> None:
    """Each worker's resident memory and the CPU time of all are exported."""
    samples = read(metrics)
    assert (value(samples, "resident_memory_bytes", pid=str(os.getpid())) or 0) > 1e6
    assert (value(samples, "cpu_seconds_total") or 0) > 0


def test_the_accept_header_chooses_the_format(metrics) -> None:
    """The Accept header chooses the format."""
    from prometheus_client.openmetrics.parser import text_string_to_metric_families

    metrics.responded("r", 200, 0.001)
    media_type, text = metrics.exposition("application/openmetrics-text; version=1.0.0, text/plain;q=0.5")
    assert media_type.startswith("application/openmetrics-text; version=1.0.0")
    assert "customer_risk_requests" in {family.name for family in text_string_to_metric_families(text.decode())}
    assert metrics.exposition(None)[0].startswith("text/plain")


def test_shows_other_libraries_metrics(metrics) -> None:
    """Metrics of other libraries are in the same exposition."""
    from prometheus_client import Counter

    Counter("kserves_own", "Another's.", registry=None).inc(3)
    assert read(metrics)["kserves_own_total", frozenset()] == 3


def test_concurrent_threads_lose_no_count(metrics) -> None:
    """No count of concurrent threads is lost."""

    def count() -> None:
        for _ in range(5_000):
            metrics.responded("r", 200, 0.001)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        metrics.flush()
    samples = read(metrics)
    assert value(samples, "requests_total", route="r", code="200") == 20_000
    assert value(samples, "request_duration_seconds_count", route="r") == 20_000


async def test_counts_are_written_regularly_and_at_the_end(metrics) -> None:
    """Counts are written while the worker runs and when it stops."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.multiprocess import MultiProcessCollector

    def written() -> float | None:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        return registry.get_sample_value("customer_risk_shed_total")

    await metrics.start()
    metrics.shed()
    seen = [written()]
    async with asyncio.timeout(600):
        while not written():  # noqa: ASYNC110  there is no event to wait for
            await asyncio.sleep(0.01)
    seen.append(written())
    metrics.shed()
    await metrics.stop()
    assert [*seen, written()] == [0, 1, 2]


async def test_a_worker_doesnt_repeat_what_its_parent_counted(metrics) -> None:
    """Counts from before the fork aren't exported."""
    metrics.reloaded("taken")
    metrics.responded("/ai/v1/risk", 200, 0.001)

    await metrics.start()
    metrics.reloaded("refused")
    await metrics.stop()
    samples = read(metrics)
    counted = {result: value(samples, "reloads_total", result=result) for result in ("taken", "refused", "unchanged")}
    assert counted == {"taken": 0, "refused": 1, "unchanged": 0}
    assert not value(samples, "requests_total", route="/ai/v1/risk", code="200")


def test_writing_continues_after_a_failure(folder, caplog) -> None:  # noqa: ARG001  where the metrics go
    """A failed write is logged once, and later writes are made."""
    looks: list[Metrics] = []

    def look(made: Metrics) -> None:
        looks.append(made)
        if 2 <= len(looks) <= 3:
            raise ValueError("planted")

    async def run() -> None:
        await metrics.start()
        async with asyncio.timeout(600):
            while len(looks) < 4:  # noqa: ASYNC110  there is no event to wait for
                await asyncio.sleep(0.01)
        await metrics.stop()

    metrics = Metrics(look)
    asyncio.run(run())
    assert len(looks) >= 4
    assert caplog.text.count("metrics weren't written") == 1


def test_sums_workers_and_keeps_the_counts_of_a_killed_one(metrics, worker) -> None:
    """A killed worker's written counts stay, and its gauges are removed."""
    first, second = worker("other"), worker("other")
    both = read(metrics)
    first.send_signal(signal.SIGKILL)
    first.wait()
    metrics.worker_ended(first.pid, died=True)
    after = read(metrics)
    for samples in (both, after):
        assert value(samples, "requests_total", route="/ai/v1/risk", code="200") == 20
        assert value(samples, "request_duration_seconds_bucket", route="/ai/v1/risk", le="0.004") == 18
        assert value(samples, "requests_total", route="/ai/v1/risk", code="500") is None
    assert value(both, "requests_in_flight") == 2
    assert value(after, "requests_in_flight") == 1
    assert value(after, "resident_memory_bytes", pid=str(first.pid)) is None
    assert value(after, "resident_memory_bytes", pid=str(second.pid)) is not None


def test_a_dead_worker_is_counted_and_an_ending_one_is_not(metrics, worker) -> None:
    """Only a worker that ended while the server went on counts as dead; the number starts at 0."""
    metrics.flush()
    before = value(read(metrics), "worker_deaths_total")
    first, second = worker("other"), worker("other")
    for each in (first, second):
        each.kill()
        each.wait()
    metrics.worker_ended(first.pid, died=True)
    metrics.worker_ended(second.pid, died=False)
    assert (before, value(read(metrics), "worker_deaths_total")) == (0, 1)


def test_every_decision_and_answering_route_starts_at_0(folder) -> None:  # noqa: ARG001  where the metrics go
    """`increase()` includes the first decision of each kind, and the first error of each route."""
    samples = read(Metrics(routes=["/ai/v1/risk"]))
    assert value(samples, "decisions_total", segment="low", action="propose_off_boarding", source="rules") == 0
    for code in ("200", "500", "503"):
        assert value(samples, "requests_total", route="/ai/v1/risk", code=code) == 0


def test_a_part_that_a_server_lacks_has_no_gauge(metrics) -> None:
    """Without authentication, a store and jobs, their gauges don't exist, so no alert on them fires."""
    names = ("jwks_age_seconds", "store_failing", "jobs_open", "jobs_oldest_seconds")
    before = read(metrics)
    metrics.keys_read(7.5)
    metrics.store(failing=True)
    metrics.jobs(2, 31.0)
    after = read(metrics)
    assert [value(before, name) for name in names] == [None] * 4
    assert [value(after, name) for name in names] == [7.5, 1, 2, 31]


def test_ready_is_1_if_every_worker_is_ready(metrics, worker) -> None:
    """`ready` is 0 if one worker isn't ready."""
    metrics.state(ready=True, rules_forced=False)
    other = worker("other")
    assert value(read(metrics), "ready") == 0
    other.kill()
    other.wait()
    metrics.worker_ended(other.pid, died=False)
    assert value(read(metrics), "ready") == 1


def test_files_of_earlier_processes_are_removed(folder, worker) -> None:
    """Preparing the folder removes files of earlier processes."""
    (folder / "counter_999999.db").write_bytes(b"left")
    worker("first")
    assert not (folder / "counter_999999.db").exists()
    assert list(folder.glob("counter_*.db"))
