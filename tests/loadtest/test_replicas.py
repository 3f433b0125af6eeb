"""Counting pods."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner

from loadtest.replicas import UnseenError, Watch, deployment
from loadtest.step import main


def test_looks_go_on_after_one_that_failed():
    """An API server that is too busy to answer once costs one point of the curve."""
    answers = iter([(3, 3), None, (6, 3), (6, 6)])

    def look() -> tuple[int, int]:
        found = next(answers, (6, 6))
        if found is None:
            raise ConnectionError
        return found

    with Watch(look, interval=0.01) as watch:
        deadline = time.monotonic() + 600
        while len(watch.seen) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert [(one.wanted, one.ready) for one in watch.seen[:3]] == [(3, 3), (6, 3), (6, 6)]
    assert watch.missed == 1


@pytest.fixture
def api_server(tmp_path, monkeypatch):
    """An API server that knows one Deployment."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            there = self.path == "/apis/apps/v1/namespaces/here/deployments/risk-predictor"
            found = {"kind": "Deployment", "spec": {"replicas": 5, "selector": {}, "template": {}}, "status": {}}
            body = json.dumps(found if there else {"kind": "Status"}).encode()
            self.send_response(200 if there else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {}}],
        }
        (tmp_path / "kubeconfig").write_text(json.dumps(config))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        yield
        server.shutdown()


@pytest.mark.usefixtures("api_server")
def test_a_deployment_is_asked_for_its_pods():
    """What it wants, and what is ready: no word about it is none."""
    assert deployment("here", "risk-predictor")() == (5, 0)


@pytest.mark.usefixtures("api_server")
def test_a_deployment_that_is_not_there_is_told_at_once():
    """Before the load begins, not as an empty curve after it."""
    with pytest.raises(UnseenError, match="404"):
        deployment("here", "other")


def test_a_cluster_that_is_not_there_is_told_at_once(tmp_path, monkeypatch):
    """Likewise, and the command ends with 2: a load that nobody could judge isn't run."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    asked = ["--url", "http://127.0.0.1:9", "--out", str(tmp_path), "--one-x", "1", "--deployment", "risk-predictor"]
    ran = CliRunner().invoke(main, [*asked, "--payloads", "5"])
    assert ran.exit_code == 2
    assert "Deployment risk-predictor" in ran.stderr
