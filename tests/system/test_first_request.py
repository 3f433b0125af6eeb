"""A server that is ready has compiled everything that a request needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from benchmarks.serving.first_request import INFER, bodies, infer_message
from customer_risk.model.scoring.bundle import load_bundle
from tests.system.asking import PATIENCE, ask
from tests.system.standin import free_port

if TYPE_CHECKING:
    from tests.system.conftest import Served

pytestmark = pytest.mark.system


@pytest.fixture
def cache(monkeypatch, tmp_path) -> Path:
    """An empty folder in which the server keeps what it compiles."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(folder))
    return folder


def _compiled(cache: Path) -> set[Path]:
    return {path.relative_to(cache) for path in cache.rglob("*.nbc")}


def _send_all(server: Served, grpc_port: int, request: dict[str, Any], features: tuple[str, ...]) -> None:
    """Send one request of each form, by each protocol."""
    given = {"customer_id": "c-1", "features": dict.fromkeys(features, 1.0)}
    for sent, status in bodies([request], [json.dumps(given).encode()]).values():
        for body in sent:
            url, headers = f"http://127.0.0.1:{server.port}/ai/v1/risk", {"Content-Type": "application/json"}
            assert ask("POST", url, content=body, headers=headers).status_code == status
    assert server.post("/ai/v1/risk:batch", {"requests": [request, given, {}]}).status_code == 200
    assert server.post("/v1/models/customer-risk:predict", {"instances": [request]}).status_code == 200
    tensor = {"name": "request", "datatype": "BYTES", "shape": [1], "data": [json.dumps(request)]}
    assert server.post("/v2/models/customer-risk/infer", {"inputs": [tensor]}).status_code == 200
    with grpc.insecure_channel(f"127.0.0.1:{grpc_port}") as channel:
        assert channel.unary_unary(INFER)(infer_message(json.dumps(request).encode()), timeout=PATIENCE)


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["one worker", "two workers"])
def test_nothing_is_compiled_after_readiness(start, command, bundle, sound_request, cache, tmp_path, options) -> None:
    """A server that starts without compiled code is ready once everything is compiled: no request compiles more."""
    settings, port = tmp_path / "serving.yaml", free_port()
    settings.write_text(f"grpc: {{enabled: true, port: {port}}}\n")
    server = start(command, bundle, "--config", settings, *options)
    server.wait_for("/v2/health/ready")
    before = _compiled(cache)
    assert before
    _send_all(server, port, sound_request, load_bundle(bundle, verify_golden=False).manifest.features)
    assert _compiled(cache) == before


def test_rules_that_answer_without_a_bundle_are_ready_once_all_is_compiled(
    start, command, sound_request, cache, tmp_path
) -> None:
    """A server whose rules answer in place of a bundle that doesn't load compiles nothing for a request either."""
    settings, port = tmp_path / "serving.yaml", free_port()
    settings.write_text(f"grpc: {{enabled: true, port: {port}}}\nrules: {{enabled: true, without_bundle: true}}\n")
    server = start(command, tmp_path / "nowhere", "--config", settings, "--stay-up")
    server.wait_for("/v2/health/ready")
    before = _compiled(cache)
    assert before
    _send_all(server, port, sound_request, ())
    assert _compiled(cache) == before
