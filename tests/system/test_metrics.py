"""The metrics and the log lines of a real server and its shipper, compared with the pages that describe them."""

from __future__ import annotations

import json
import re
import socket
import time
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.system.asking import PATIENCE

pytestmark = pytest.mark.system

_PAGE = (Path(__file__).parents[2] / "docs/reference/metrics.md").read_text(encoding="utf-8")
_ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| (.*?) \|", re.MULTILINE)
_VALUES = re.compile(r"^\| `(\w+)` \| `(\w+)` \| [^|]* \| (`.*`) \|$", re.MULTILINE)
_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(scope="module")
def served(start, command, bundle, tmp_path_factory, sound_request):
    """A server that records and logs everything, after a request of each kind; its shipper's port."""
    folder = tmp_path_factory.mktemp("metrics")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {
        "logs": {"format": "json", "success_share": 1, "project": "p"},
        "record": {"enabled": True, "folder": str(folder / "outbox"), "ship": {"metrics_port": port}},
    }
    (folder / "serving.yaml").write_text(json.dumps(settings))
    server = start(command, bundle, "--config", str(folder / "serving.yaml"))
    server.wait_for("/v2/health/ready")
    headers = {"traceparent": f"00-{_TRACE}-00f067aa0ba902b7-01"}
    url = f"http://127.0.0.1:{server.port}"
    asked = sound_request | {"customer_id": "customer-of-this-test"}
    answer = httpx2.post(f"{url}/ai/v1/risk", json=asked, headers=headers, timeout=PATIENCE).json()
    strange = sound_request | {"profile": sound_request["profile"] | {"occupation": "ASTRONAUTS"}}
    for path, body in (
        ("/ai/v1/risk", strange),
        ("/ai/v1/risk", {}),
        ("/ai/v1/risk:batch", {"requests": [sound_request, {}]}),
        ("/v1/models/customer-risk:predict", {"instances": [sound_request]}),
        ("/v2/models/customer-risk/infer", {"inputs": []}),
        ("/ai/v1/risk/jobs", {}),
        ("/nothing", {}),
    ):
        httpx2.post(url + path, json=body, timeout=PATIENCE)
    server.get("/ai/v1/docs")
    return server, port, answer


def _described() -> dict[str, tuple[str, set[str]]]:
    """Return type and labels of each metric on the page, by the name that the parser gives its family."""
    rows = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in _ROW.findall(_PAGE)}
    return {name.removesuffix("_total"): row for name, row in rows.items()}


def _families(url: str, wanted: str) -> list:
    """Scrape until a metric is there; a worker writes its counts four times a second."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            text = httpx2.get(url).text
        except httpx2.TransportError:
            text = ""
        if wanted in text:
            return list(text_string_to_metric_families(text))
        assert time.monotonic() < deadline, text
        time.sleep(0.2)


def test_the_page_has_every_metric_of_a_server_and_its_shipper(served) -> None:
    """Names, types, labels and the values of closed sets are those on the page."""
    server, port, _ = served
    families = [
        *_families(f"http://127.0.0.1:{server.port}/metrics", 'warnings_total{code="UNKNOWN_CATEGORY"'),
        *_families(f"http://127.0.0.1:{port}/metrics", "record_shipped_total{"),
    ]
    described = _described()
    values = {(name, label): set(re.findall(r"`([^`]+)`", row)) for name, label, row in _VALUES.findall(_PAGE)}
    assert len(values) >= 9
    for family in families:
        kind, labels = described[family.name]
        assert family.type == kind
        for sample in family.samples:
            assert sample.labels.keys() - {"le"} <= labels
            for label, value in sample.labels.items():
                name = family.name.removeprefix("customer_risk_") + "_total" * (kind == "counter")
                assert value in values.get((name, label), {value})
    shown = {family.name for family in families}
    # KServe's handlers that this service doesn't call have no samples.
    # This server has no authentication.
    assert {name for name in described.keys() - shown if name.startswith("customer_risk_")} == {
        "customer_risk_jwks_age_seconds"
    }


def test_a_decision_is_found_in_the_log(served) -> None:
    """With success_share 1, the line of a decision has the fields that the guide shows, and nothing of the request."""
    server, _, answer = served
    deadline = time.monotonic() + PATIENCE
    while answer["decision_id"] not in (log := server.log.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    (line,) = [json.loads(each) for each in log.splitlines() if answer["decision_id"] in each]
    assert line.keys() == {
        "severity",
        "time",
        "message",
        "logger",
        "logging.googleapis.com/labels",
        "logging.googleapis.com/trace",
        "logging.googleapis.com/spanId",
        "logging.googleapis.com/trace_sampled",
        "httpRequest",
    }
    labels = line["logging.googleapis.com/labels"]
    assert labels.keys() == {"decision_id", "model", "source", "route", "code", "caller"}
    assert line["logging.googleapis.com/trace"] == f"projects/p/traces/{_TRACE}"
    assert line["httpRequest"].keys() == {"requestMethod", "requestUrl", "status", "latency"}
    assert "customer-of-this-test" not in log
    assert "ASTRONAUTS" not in log
