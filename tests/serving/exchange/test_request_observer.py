"""What metrics are told, in a process of its own: prometheus_client must find its folder when it is imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent.parent

SCRIPT = """
import asyncio, json, sys
from pathlib import Path
from customer_risk.serving.telemetry.metrics_folder import prepare
prepare(Path(sys.argv[1]) / "metrics")
from customer_risk.serving.telemetry.metrics import Metrics
import httpx2
from customer_risk.model.scoring.bundle import load_bundle
from customer_risk.serving.auth.access import AccessControl
from customer_risk.serving.http.endpoints.metrics import MetricsEndpoint
from customer_risk.serving.http.scoring_app import ScoringApp, Mount
from customer_risk.serving.telemetry.logs import LogSettings, RequestLog
from customer_risk.serving.decisions.service import Service
from customer_risk.serving.exchange.request_observer import RequestObserver

async def main():
    service = Service("customer-risk")
    telling = RequestObserver(service, Metrics, RequestLog(LogSettings(success_share=0)))
    rooms = {"/metrics": Mount(MetricsEndpoint(telling), None)}
    lane = ScoringApp(None, service, gate=AccessControl(), observer=telling, rooms=rooms)
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=lane), base_url="http://test")
    early = (await client.get("/metrics")).status_code
    await telling.start()
    body = json.loads(sys.stdin.read())
    await client.post("/ai/v1/risk", json=body)
    service.use(load_bundle(Path(sys.argv[2]), verify_golden=False))
    for _ in range(3):
        await client.post("/ai/v1/risk", json=body)
    await client.post("/ai/v1/risk", json={"customer_id": 7})
    telling.shed(), telling.waited(0.01), telling.reloaded("taken"), telling.lagged(0.2)
    shown = await client.get("/metrics")
    others = [(await client.request(*each)).status_code for each in (("POST", "/metrics"), ("GET", "/metrics/x"))]
    await telling.stop()
    print(json.dumps({"early": early, "others": others, "text": shown.text, "type": shown.headers["content-type"]}))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def told(bundle, tmp_path_factory) -> dict:
    """What a lane's metrics say after five requests."""
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
def test_what_happened_is_shown(told, line) -> None:
    """Requests, refusals, warnings, sheddings, reloads and the state, each under its name."""
    assert line in told["text"].splitlines()


@pytest.mark.parametrize("name", ["decisions_total{", "bundle_info{", "request_duration_seconds_bucket{"])
def test_every_family_is_there(told, name) -> None:
    """Decisions, the bundle and durations have series."""
    assert f"customer_risk_{name}" in told["text"]


def test_before_the_worker_has_begun_there_are_no_metrics(told) -> None:
    """A scrape is told to come back."""
    assert told["early"] == 503


def test_metrics_are_at_one_path_for_getting(told) -> None:
    """Another method is a 405, a path beneath a 404."""
    assert told["others"] == [405, 404]
    assert told["type"].startswith("text/plain")
