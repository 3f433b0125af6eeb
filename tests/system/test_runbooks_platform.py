"""The runbooks of the cluster, of jobs and of logs: each page's commands while the fault is present, and after it.

Metrics of kube-state-metrics come from a server of this test, with the names and labels of kube-state-metrics' own
documentation; they are unproven against the real exporter. All metrics of the service come from a real server.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.http_server import serving
from tests.system.asking import PATIENCE, ask
from tests.system.packages import ensure
from tests.system.runbook_pages import RUNBOOKS, Site, commands, prometheus, variables
from tests.system.standin import free_port

pytestmark = pytest.mark.system

PAGES = (
    "CustomerRiskRestarts",
    "CustomerRiskAtMaximum",
    "CustomerRiskBatchFailed",
    "CustomerRiskBatchLate",
    "KServeControllerDown",
    "CustomerRiskLogLinesDropped",
    "CustomerRiskStoreAway",
    "CustomerRiskJobsStuck",
    "playbooks/pod-not-ready",
)
_POD = 'namespace="local",pod="customer-risk-predictor-0",container="kserve-container"'
_HPA = 'namespace="local",horizontalpodautoscaler="customer-risk"'
_CRONJOB = 'namespace="local",cronjob="customer-risk-batch"'
_JOB = 'namespace="local",job_name="customer-risk-batch-29000000"'
HEALTHY = {
    f"kube_pod_container_status_restarts_total{{{_POD}}}": 0,
    f'kube_pod_container_status_last_terminated_reason{{{_POD},reason="OOMKilled"}}': 0,
    f"kube_horizontalpodautoscaler_status_current_replicas{{{_HPA}}}": 4,
    f"kube_horizontalpodautoscaler_spec_max_replicas{{{_HPA}}}": 20,
    f'kube_job_status_failed{{{_JOB},reason="BackoffLimitExceeded"}}': 0,
    f"kube_cronjob_status_last_successful_time{{{_CRONJOB}}}": lambda: time.time() - 3600,
    f"kube_cronjob_status_active{{{_CRONJOB}}}": 0,
    f"kube_cronjob_spec_suspend{{{_CRONJOB}}}": 0,
    'kube_deployment_status_replicas_available{namespace="kserve",deployment="kserve-controller-manager"}': 1,
    'kube_deployment_spec_replicas{namespace="local",deployment="customer-risk-predictor"}': 4,
    'kube_deployment_status_replicas_available{namespace="local",deployment="customer-risk-predictor"}': 4,
}


class Exporter:
    """What kube-state-metrics shows; `shows` sets samples by the beginning of their name."""

    def __init__(self) -> None:
        self.samples = dict(HEALTHY)

    def shows(self, **values: float) -> None:
        """Set the value of each sample whose name begins so, or is `name__deployment`."""
        for name, value in values.items():
            metric, _, deployment = name.partition("__")
            found = [each for each in self.samples if each.startswith(f"{metric}{{") and deployment in each]
            assert len(found) == 1, found
            self.samples[found[0]] = value

    def text(self) -> bytes:
        """Return the samples in Prometheus' text format."""
        values = {name: value() if callable(value) else value for name, value in self.samples.items()}
        return "".join(f"{name} {value}\n" for name, value in values.items()).encode()


@pytest.fixture(scope="module")
def served(start, command, bundle, tmp_path_factory):
    """A server that records, with its own shipper; its settings file."""
    folder = tmp_path_factory.mktemp("platform")
    config = folder / "serving.yaml"
    config.write_text(json.dumps({"record": {"enabled": True, "folder": str(folder / "outbox")}}))
    server = start(command, bundle, "--config", str(config))
    server.wait_for("/v2/health/ready")
    return server, config


@pytest.fixture(scope="module")
def watched(served, tmp_path_factory) -> Iterator[tuple[Site, Exporter]]:
    """A Prometheus that scrapes the server and an exporter of the cluster's state."""
    server, config = served
    exporter = Exporter()
    with (
        serving(lambda *_: (200, exporter.text(), {"content-type": "text/plain; version=0.0.4"})) as cluster,
        prometheus(
            tmp_path_factory.mktemp("prometheus") / "run",
            [f"127.0.0.1:{server.port}", cluster.removeprefix("http://")],
        ) as url,
    ):
        logs = {"kserve-container": server.log}
        here = variables(f"http://127.0.0.1:{server.port}", url)
        yield Site(here, config, config.parent / "outbox", logs, server.process.pid), exporter


@pytest.fixture
def site(watched) -> Site:
    """The release."""
    return watched[0]


@pytest.fixture
def exporter(watched) -> Iterator[Exporter]:
    """The exporter of the cluster's state; the cluster is healthy before and after the test."""
    yield watched[1]
    watched[1].samples = dict(HEALTHY)


def test_the_page_of_restarts(site, exporter) -> None:
    """A container that was restarted three times is found with its reason, beside the pods that are ready."""
    site.over("CustomerRiskRestarts", 3, expected="{} => 1 @[...]")
    site.until("kube_pod_container_status_restarts_total == 0")
    exporter.shows(kube_pod_container_status_restarts_total=3, kube_pod_container_status_last_terminated_reason=1)
    site.check("CustomerRiskRestarts")


def test_the_page_of_the_autoscaler_at_its_maximum(site, exporter) -> None:
    """The number of pods equals the maximum, and is lower once the maximum is raised."""
    exporter.shows(kube_horizontalpodautoscaler_status_current_replicas=20)
    site.over("CustomerRiskAtMaximum", 1, 2, expected="{} => 20 @[...]")
    site.check("CustomerRiskAtMaximum")
    site.over("CustomerRiskAtMaximum", 3, expected="{} => 0 @[...]")
    exporter.shows(kube_horizontalpodautoscaler_spec_max_replicas=40)
    site.over("CustomerRiskAtMaximum", 2, expected="{} => 40 @[...]")


def test_the_page_of_a_failed_batch(site, exporter) -> None:
    """A failed job is found with its reason; once the failed job is gone, no line is shown."""
    exporter.shows(kube_job_status_failed=1)
    site.check("CustomerRiskBatchFailed")
    exporter.shows(kube_job_status_failed=0)
    site.over("CustomerRiskBatchFailed", 1)


def test_the_page_of_a_late_batch(site, exporter) -> None:
    """The hours since the last success, the suspension and the run under way are shown."""
    exporter.shows(
        kube_cronjob_status_last_successful_time=time.time() - 100 * 3600,
        kube_cronjob_spec_suspend=1,
        kube_cronjob_status_active=1,
    )
    site.over("CustomerRiskBatchLate", 1, expected="{} => 100... @[...]")
    site.over("CustomerRiskBatchLate", 2, 3, expected="{} => 1 @[...]")
    site.check("CustomerRiskBatchLate")
    exporter.shows(kube_cronjob_status_last_successful_time=time.time())
    site.over("CustomerRiskBatchLate", 1, expected="{} => 0.0... @[...]")


def test_the_page_of_kserves_controller(site, exporter) -> None:
    """The controller has no pod, a predictor has fewer pods than wanted, and the service is ready; then all is well."""
    site.until("kube_deployment_spec_replicas")
    site.over("KServeControllerDown", 2)
    exporter.shows(
        kube_deployment_status_replicas_available__kserve=0,
        kube_deployment_status_replicas_available__predictor=3,
    )
    site.check("KServeControllerDown")
    site.over("KServeControllerDown", 3, expected="{} => 1 @[...]")
    exporter.shows(
        kube_deployment_status_replicas_available__kserve=1,
        kube_deployment_status_replicas_available__predictor=4,
    )
    site.over("KServeControllerDown", 1, expected="{} => 1 @[...]")
    site.over("KServeControllerDown", 2)


def test_the_playbook_of_a_pod_that_is_not_ready(site) -> None:
    """A server whose outbox was replaced by a file isn't ready and says what it waits for; then it is ready again."""
    aside = site.outbox.with_name("aside")
    site.outbox.rename(aside)
    site.outbox.write_bytes(b"")
    try:
        site.check("playbooks/pod-not-ready")
        assert "readiness waits for the decision record" in site.logs["kserve-container"].read_text()
    finally:
        site.outbox.unlink()
        aside.rename(site.outbox)
    (ready, *_) = commands("playbooks/pod-not-ready")
    site.wait("playbooks/pod-not-ready", ready, "")


def test_the_page_of_dropped_log_lines(command, bundle, tmp_path, sound_request) -> None:
    """While nothing reads the log, lines are dropped and requests answered; once it is read, no more are dropped."""
    config = tmp_path / "serving.yaml"
    config.write_text(json.dumps({"logs": {"format": "json", "success_share": 1}}))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    arguments = [command, "serve", bundle, "--port", str(port), "--config", config]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, cwd=tmp_path) as process:
        try:
            deadline = time.monotonic() + PATIENCE
            while not _ready(url):
                assert time.monotonic() < deadline
                assert process.poll() is None
                time.sleep(0.1)
            with prometheus(tmp_path / "prometheus", [f"127.0.0.1:{port}"]) as asked:
                site = Site(variables(url, asked))
                site.until("customer_risk_log_lines_dropped_total == 0")
                while not site.ask("sum(customer_risk_log_lines_dropped_total) > 0").strip():
                    ask("POST", f"{url}/ai/v1/risk:batch", json={"requests": [sound_request] * 500}).raise_for_status()
                    assert time.monotonic() < deadline
                site.check("CustomerRiskLogLinesDropped")
                log = process.stdout
                assert log is not None
                lines: list[bytes] = []
                threading.Thread(target=lambda: lines.extend(log), daemon=True).start()
                last = _answered(url, sound_request)
                while not any(last in each for each in list(lines)):
                    assert time.monotonic() < deadline
                    last = _answered(url, sound_request)
                    time.sleep(0.3)
                before = _dropped(url)
                for _ in range(20):
                    _answered(url, sound_request)
                time.sleep(2)  # a worker writes its counts four times a second, and they are shown once a second
                assert _dropped(url) == before
        finally:
            process.kill()


def _ready(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/v2/health/ready").status_code == 200
    except httpx2.TransportError:
        return False


def _answered(url: str, request: dict[str, object]) -> bytes:
    return ask("POST", f"{url}/ai/v1/risk", json=request).json()["decision_id"].encode()


def _dropped(url: str) -> str:
    text = httpx2.get(f"{url}/metrics").text
    return next(line for line in text.splitlines() if line.startswith("customer_risk_log_lines_dropped_total "))


class Redis:
    """A Redis that a test can kill and start again on the same port."""

    def __init__(self, folder: Path) -> None:
        self.port, self._folder = free_port(), folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it accepts connections."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", self._folder]
        self._process = subprocess.Popen([ensure("redis-server"), *options], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def jobs(start, command, bundle, tmp_path) -> Iterator[tuple[Site, Redis]]:
    """A server whose jobs are in Redis, and a Prometheus that scrapes it."""
    redis = Redis(tmp_path)
    redis.start()
    config = tmp_path / "serving.yaml"
    store = {"kind": "redis", "url": f"redis://127.0.0.1:{redis.port}/0"}
    config.write_text(json.dumps({"store": store, "jobs": {"lease_seconds": 2}, "run_folder": str(tmp_path / "run")}))
    server = start(command, bundle, "--config", str(config))
    server.wait_for("/v2/health/ready")
    with prometheus(tmp_path / "prometheus", [f"127.0.0.1:{server.port}"]) as url:
        logs = {"kserve-container": server.log}
        yield Site(variables(f"http://127.0.0.1:{server.port}", url), config, tmp_path, logs, server.process.pid), redis
    server.process.kill()
    redis.kill()


def test_the_page_of_a_store_that_is_away(jobs, sound_request) -> None:
    """While Redis is dead, the page's commands show who is refused and why; once it runs, the fault is over."""
    site, redis = jobs
    site.until("customer_risk_refusals_total")
    redis.kill()
    key = {"idempotency-key": "k"}
    refused = ask("POST", f"{site.variables['URL']}/ai/v1/risk", json=sound_request, headers=key)
    assert refused.status_code == 503
    site.check("CustomerRiskStoreAway")
    redis.start()
    site.over("CustomerRiskStoreAway", 1)
    site.over("CustomerRiskStoreAway", 3, expected="200")


def test_the_page_of_jobs_that_are_stuck(jobs, sound_request) -> None:
    """A job whose worker hangs stays open, its age is shown, and killing the worker by the page's command ends it."""
    site, _ = jobs
    lines = b"".join(json.dumps(sound_request | {"customer_id": f"c-{i}"}).encode() + b"\n" for i in range(2000))
    (worker,) = _workers(site.pid)
    os.kill(worker, signal.SIGSTOP)
    path, kind = f"{site.variables['URL']}/ai/v1/risk/jobs", {"content-type": "application/x-ndjson"}
    job = ask("POST", path, content=lines, headers=kind).json()["job_id"]
    site.check("CustomerRiskJobsStuck")
    site.over("CustomerRiskJobsStuck", 2, expected="{} => 1 @[...]")
    assert ask("GET", f"{path}/{job}").json()["state"] == "queued"
    (kill,) = (each for each in commands("CustomerRiskJobsStuck") if "os.kill" in each.text)
    site.run(kill)
    site.over("CustomerRiskJobsStuck", 2, expected="{} => 0 @[...]")
    assert ask("GET", f"{path}/{job}").json()["state"] == "done"


def _workers(server: int) -> list[int]:
    """Return the process ids of a server's workers of jobs."""
    deadline = time.monotonic() + PATIENCE
    while True:
        children = map(int, Path(f"/proc/{server}/task/{server}/children").read_text().split())
        if found := [each for each in children if b"bulk.jobs" in Path(f"/proc/{each}/cmdline").read_bytes()]:
            return found
        assert time.monotonic() < deadline
        time.sleep(0.1)


_UPGRADE = re.compile(r"^HELM_DRIVER=configmap helm upgrade .*?(?<!\\)\n", re.MULTILINE | re.DOTALL)


def test_the_values_that_pages_set_are_values_of_the_chart(helm) -> None:
    """The chart accepts the values that the pages set by `helm upgrade`, with those of its example for production."""
    found = [
        re.findall(r"(--set(?:-json)?) (\S+)", each)
        for page in RUNBOOKS.rglob("*.md")
        for each in _UPGRADE.findall(page.read_text(encoding="utf-8"))
    ]
    assert len(found) >= 7
    assert all(found)
    files = [option for path in helm.values("production-gke") for option in ("--values", path)]
    for values in found:
        helm.render(*files, *(word for each in values for word in each))  # an unknown value is refused


def test_every_block_of_commands_is_valid_shell() -> None:
    """The shell can parse each block on each page, also those that only a cluster can run."""
    blocks = [
        (page.name, each)
        for page in RUNBOOKS.rglob("*.md")
        for each in re.findall(
            r"^```(?:sh|bash)\b.*?\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
        )
    ]
    assert len(blocks) > 60
    for page, block in blocks:
        parsed = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=False)
        assert parsed.returncode == 0, f"{page}: {block}{parsed.stderr}"
