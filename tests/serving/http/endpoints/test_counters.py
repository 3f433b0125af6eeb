"""The endpoint of the counters, behind the gate of an application."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from customer_risk.serving.auth.caller import LOCAL
from customer_risk.serving.errors import NotFound, WrongMethod
from customer_risk.serving.http.endpoints.counters import CountersEndpoint
from customer_risk.serving.telemetry.decision_counters import DecisionCounters


async def _asked(endpoint: CountersEndpoint, method: str = "GET", path: str = "/ai/v1/counters") -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await endpoint({"type": "http", "method": method, "path": path, "headers": []}, None, send, LOCAL)  # type: ignore[arg-type]
    return sent


async def test_shows_the_counts(tmp_path) -> None:
    """The response has the process, its start and the decisions; it must not be cached."""
    counters = DecisionCounters(tmp_path, workers=2)
    decision = SimpleNamespace(action="review")
    shown: Any = SimpleNamespace(decision=decision, model=SimpleNamespace(version="abc"), source="model")
    counters.decided(shown)
    head, body = await _asked(CountersEndpoint(counters.read))
    assert head["status"] == 200
    assert (b"cache-control", b"no-store") in head["headers"]
    document = json.loads(body["body"])
    assert document.keys() == {"start_id", "host", "pid", "started", "workers", "decisions"}
    assert document["workers"] == 2
    assert document["started"].endswith("Z")
    assert document["decisions"] == [{"action": "review", "source": "model", "model": "abc", "count": 1}]


async def test_other_methods_and_paths_are_refused(tmp_path) -> None:
    """A POST, and a path below, are refused."""
    endpoint = CountersEndpoint(DecisionCounters(tmp_path).read)
    with pytest.raises(WrongMethod):
        await _asked(endpoint, "POST")
    with pytest.raises(NotFound):
        await _asked(endpoint, path="/ai/v1/counters/more")
