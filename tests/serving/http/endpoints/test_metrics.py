"""The metrics of an application, in a separate process: prometheus_client must find its folder when it is imported."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from customer_risk.serving.http.endpoints.metrics import PATH, MetricsEndpoint

ROOT = Path(__file__).parents[4]

SCRIPT = """
import asyncio, json, sys
from pathlib import Path
from customer_risk.serving.telemetry.metrics_folder import prepare
prepare(Path(sys.argv[1]) / "metrics")
from customer_risk.serving.telemetry.metrics import Metrics
import httpx2
from customer_risk.model.scoring.bundle import load_bundle
from customer_risk.serving.http.endpoints.metrics import MetricsEndpoint
from customer_risk.serving.http.scoring_app import ScoringApp, Mount
from customer_risk.serving.telemetry.state import WorkerState
from customer_risk.serving.decisions.service import Service
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.exchange.observers import MetricsObserver

async def main():
    service = Service("customer-risk")
    metrics = Metrics(WorkerState(service, lambda: False))
    exchange = Exchange(service, observers=(MetricsObserver(metrics),))
    endpoints = {"/metrics": Mount(MetricsEndpoint(metrics), None)}
    app = ScoringApp(None, exchange, endpoints=endpoints, in_flight=metrics.in_flight)
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test")
    await metrics.start()
    body = json.loads(sys.stdin.read())
    await client.post("/ai/v1/risk", json=body)
    service.use(load_bundle(Path(sys.argv[2]), verify_golden=False))
    for _ in range(3):
        await client.post("/ai/v1/risk", json=body)
    await client.post("/ai/v1/risk", json={"customer_id": 7})
    metrics.shed(), metrics.waited(0.01), metrics.reloaded("taken"), metrics.lagged(0.2)
    shown = await client.get("/metrics")
    others = [(await client.request(*each)).status_code for each in (("POST", "/metrics"), ("GET", "/metrics/x"))]
    await metrics.stop()
    print(json.dumps({"others": others, "text": shown.text, "type": shown.headers["content-type"]}))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def told(bundle, tmp_path_factory) -> dict:
    """The metrics of an application after five requests."""
    request = {"customer_id": "c", "profile": {"occupation": "ASTRONAUT"}, "transactions": []}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path_factory.mktemp("run"), bundle],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "line",
    [
        'customer_risk_requests_total{code="200",route="/ai/v1/risk"} 3.0',
        'customer_risk_requests_total{code="503",route="/ai/v1/risk"} 1.0',
        'customer_risk_refusals_total{kind="bad-fields"} 1.0',
        'customer_risk_refusals_total{kind="not-ready"} 1.0',
        'customer_risk_warnings_total{code="UNKNOWN_CATEGORY",field="occupation"} 3.0',
        "customer_risk_shed_total 1.0",
        'customer_risk_reloads_total{result="taken"} 1.0',
        "customer_risk_ready 1.0",
        "customer_risk_rules_forced 0.0",
        "customer_risk_record_failing 0.0",
    ],
)
def test_each_event_has_its_metric(told, line) -> None:
    """Requests, refusals, warnings, sheddings, reloads and the state have their metrics."""
    assert line in told["text"].splitlines()


@pytest.mark.parametrize("name", ["decisions_total{", "bundle_info{", "request_duration_seconds_bucket{"])
def test_decisions_bundle_and_durations_have_series(told, name) -> None:
    """Decisions, the bundle and durations have series."""
    assert f"customer_risk_{name}" in told["text"]


def test_only_get_at_one_path_returns_metrics(told) -> None:
    """Another method gets 405, a path below gets 404."""
    assert told["others"] == [405, 404]
    assert told["type"].startswith("text/plain")


class Slow:
    """A source that renders slowly and remembers the form of each rendering."""

    def __init__(self) -> None:
        self.forms: list[str] = []

    def exposition(self, accept: str | None) -> tuple[str, bytes]:
        """Return the number of this rendering."""
        time.sleep(0.1)
        self.forms.append(accept or "")
        return "text/plain", b"%d" % len(self.forms)


async def _get(app: Any, count: int, accept: str = "*/*", path: str = PATH) -> list[tuple[int, str]]:
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test")
    requests = [client.get(path, headers={"accept": accept}) for _ in range(count)]
    return [(each.status_code, each.text) for each in await asyncio.gather(*requests)]


async def test_metrics_are_rendered_at_most_once_a_second() -> None:
    """Each of the two forms is rendered at most once a second, however many requests with other media types come."""
    source, now = Slow(), [100.0]

    app = MetricsEndpoint(source, clock=lambda: now[0]).standalone
    assert await _get(app, 20) == [(200, "1")] * 20
    now[0] += 0.9
    for place in range(20):
        assert await _get(app, 1, f"text/plain;version=0.0.{place}") == [(200, "1")]
        assert await _get(app, 1, f"application/openmetrics-text;version={place}") == [(200, "2")]
    now[0] += 0.2
    assert await _get(app, 5) == [(200, "3")] * 5
    assert [form.partition(";")[0] for form in source.forms] == [
        "text/plain",
        "application/openmetrics-text",
        "text/plain",
    ]


async def test_rendering_does_not_block_the_event_loop() -> None:
    """Other requests are answered while the metrics are rendered."""
    app, done = MetricsEndpoint(Slow()).standalone, []

    async def note(path: str) -> None:
        await _get(app, 1, path=path)
        done.append(path)

    await asyncio.gather(note(PATH), note("/other"))
    assert done == ["/other", PATH]


async def test_a_failed_rendering_is_tried_again() -> None:
    """After a rendering that fails, the next request renders again."""

    class Failing(Slow):
        def exposition(self, accept: str | None) -> tuple[str, bytes]:
            if not self.forms:
                self.forms.append("")
                raise OSError("no space")
            return super().exposition(accept)

    app = MetricsEndpoint(Failing()).standalone
    with pytest.raises(OSError, match="no space"):
        await _get(app, 1)
    assert await _get(app, 1) == [(200, "2")]
