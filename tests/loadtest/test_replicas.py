"""Counting pods."""

from __future__ import annotations

import time

import pytest
from click.testing import CliRunner

from loadtest.replicas import UnseenError, Watch, deployment
from loadtest.step import main
from tests.http_server import serving, use_kubeconfig


def test_counting_continues_after_a_failure():
    """A request that the API server doesn't answer is left out and counted as missed."""
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

    def answer(request, _):
        if request.path != "/apis/apps/v1/namespaces/here/deployments/risk-predictor":
            return 404, {"kind": "Status"}
        return 200, {"kind": "Deployment", "spec": {"replicas": 5, "selector": {}, "template": {}}, "status": {}}

    with serving(answer) as url:
        use_kubeconfig(url, tmp_path, monkeypatch)
        yield


@pytest.mark.usefixtures("api_server")
def test_the_replicas_of_a_deployment_are_counted():
    """The wanted and the ready replicas are returned; ready is 0 if the status lacks it."""
    assert deployment("here", "risk-predictor")() == (5, 0)


@pytest.mark.usefixtures("api_server")
def test_a_missing_deployment_is_an_error_at_once():
    """A Deployment that doesn't exist is an error before the load begins."""
    with pytest.raises(UnseenError, match="404"):
        deployment("here", "other")


def test_an_unreachable_cluster_ends_the_command(tmp_path, monkeypatch):
    """Without a reachable cluster the command ends with 2 before the load begins."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    asked = ["--url", "http://127.0.0.1:9", "--out", str(tmp_path), "--one-x", "1", "--deployment", "risk-predictor"]
    ran = CliRunner().invoke(main, [*asked, "--payloads", "5"])
    assert ran.exit_code == 2
    assert "Deployment risk-predictor" in ran.stderr
