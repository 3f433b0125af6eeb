"""What the API server gives, read into what the gate looks at."""

from __future__ import annotations

import http.server
import json
import threading
from datetime import UTC, datetime

import pytest
from kubernetes import client

from k8s.release.cluster import Cluster, _made, _pod
from k8s.release.errors import ReleaseError


def _of(document: dict, kind: str):
    """Read a document as the client reads what the API server sends."""
    return client.ApiClient().deserialize(json.dumps(document), kind, "application/json")


def _document(**status) -> dict:
    return {
        "metadata": {"name": "risk-1", "annotations": {"customer-risk.deblock.com/bundle": "b1", "other": "x"}},
        "spec": {
            "initContainers": [{"name": "bundle", "image": "risk:1"}],
            "containers": [{"name": "kserve-container", "image": "risk:1"}],
        },
        "status": status,
    }


def test_a_pod_is_what_its_template_says() -> None:
    """Images by container and our own annotations, read from a pod and from an InferenceService alike."""
    document = _document(conditions=[{"type": "Ready", "status": "True"}])
    pod = _pod(_of(document, "V1Pod"))
    assert pod.made == _made(document["spec"], document["metadata"]["annotations"])
    assert pod.made.images == (("bundle", "risk:1"), ("kserve-container", "risk:1"))
    assert pod.made.marks == (("customer-risk.deblock.com/bundle", "b1"),)
    assert (pod.ready, pod.leaving, pod.trouble) == (True, False, "")


def test_a_pod_that_is_being_deleted_is_leaving() -> None:
    """Though it is ready still."""
    document = _document(conditions=[{"type": "Ready", "status": "True"}])
    document["metadata"]["deletionTimestamp"] = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    assert _pod(_of(document, "V1Pod")).leaving


def _status(name: str, state: dict, last: dict | None = None, restarts: int = 0) -> dict:
    """Word a container's status."""
    return {
        "name": name,
        "image": "risk:1",
        "imageID": "",
        "ready": False,
        "restartCount": restarts,
        "state": state,
        "lastState": last or {},
    }


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (
            {
                "containerStatuses": [
                    _status("server", {"waiting": {"reason": "ErrImageNeverPull", "message": "no risk:1"}})
                ]
            },
            "server: ErrImageNeverPull. no risk:1",
        ),
        (
            {
                "initContainerStatuses": [
                    _status(
                        "bundle",
                        {"waiting": {"reason": "CrashLoopBackOff"}},
                        {"terminated": {"exitCode": 2, "reason": "Error"}},
                    )
                ]
            },
            "bundle: CrashLoopBackOff, it ended with 2.",
        ),
        (
            {"initContainerStatuses": [_status("bundle", {"terminated": {"exitCode": 137, "reason": "OOMKilled"}})]},
            "bundle ended with 137 (OOMKilled)",
        ),
        (
            {
                "initContainerStatuses": [
                    _status("bundle", {"running": {}}, {"terminated": {"exitCode": 2, "reason": "Error"}}, restarts=3)
                ]
            },
            "bundle crashes again and again: it ended with 2 (Error)",
        ),
        ({"initContainerStatuses": [_status("bundle", {"terminated": {"exitCode": 0, "reason": "Completed"}})]}, ""),
        ({"containerStatuses": [_status("server", {"waiting": {"reason": "PodInitializing"}})]}, ""),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes: Insufficient cpu"}]},
            "not scheduled: 0/1 nodes: Insufficient cpu",
        ),
    ],
)
def test_what_keeps_a_pod_from_starting_is_told(status, said) -> None:
    """In the cluster's own words; what only takes its time is no trouble."""
    assert _pod(_of(_document(**status), "V1Pod")).trouble == said


@pytest.fixture
def api(tmp_path, monkeypatch):
    """An API server that answers each path with what the test says, 404 else; KUBECONFIG names it."""
    answers: dict[str, dict | int] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answers.get(self.path.partition("?")[0], 404)
            body = json.dumps(found if isinstance(found, dict) else {"kind": "Status", "code": found}).encode()
            self.send_response(200 if isinstance(found, dict) else found)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    named = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "u", "user": {}}],
    }
    (tmp_path / "config").write_text(json.dumps(named))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    yield answers
    server.shutdown()
    server.server_close()


SERVICE = "/apis/serving.kserve.io/v1beta1/namespaces/risk/inferenceservices/a"
ROUTE = "/apis/gateway.networking.k8s.io/v1/namespaces/risk/httproutes/a"
PODS = "/api/v1/namespaces/risk/pods"


def _service() -> dict:
    document = _document()
    return {"metadata": {"name": "a", **document["metadata"]}, "spec": {"predictor": document["spec"]}}


def test_what_kserve_has_not_made_yet_is_none(api) -> None:
    """An InferenceService alone is a state, not an error."""
    api[SERVICE] = _service()
    api[PODS] = {"kind": "PodList", "items": []}
    state = Cluster("risk").look("a")
    assert (state.deployment, state.observed, state.replicas, state.pods, state.least) == (None, False, 0, (), 1)


def test_an_unknown_release_is_said(api) -> None:
    """No InferenceService of that name is an error that names it."""
    assert not api
    with pytest.raises(ReleaseError, match="There is no InferenceService a in risk"):
        Cluster("risk").look("a")


def test_a_refusal_is_said(api) -> None:
    """Rights that lack aren't taken for something that isn't there."""
    api[SERVICE] = 403
    with pytest.raises(ReleaseError, match="refuses to say: 403"):
        Cluster("risk").look("a")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({}, "no gateway has taken up the route"),
        ({"parents": [{"conditions": [{"type": "Accepted", "status": "True"}]}]}, ""),
        (
            {"parents": [{"conditions": [{"type": "ResolvedRefs", "status": "False", "message": "no service"}]}]},
            "the gateway says of the route: no service",
        ),
    ],
)
def test_a_route_counts_once_a_gateway_takes_it(api, status, said) -> None:
    """A route that no gateway has accepted, or whose Service isn't there, isn't in force."""
    api[SERVICE], api[PODS] = _service(), {"kind": "PodList", "items": []}
    api[ROUTE] = {"metadata": {"name": "a"}, "status": status}
    assert Cluster("risk").look("a").route == said


@pytest.mark.parametrize(
    ("metadata", "installed"),
    [
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, True),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}, "deletionTimestamp": "2026-01-01T00:00:00Z"}, False),
        ({"labels": {}}, False),
        (None, False),
    ],
)
def test_a_release_is_installed_if_helm_made_its_inferenceservice(api, metadata, installed) -> None:
    """A release is installed while an InferenceService of Helm with its name exists and isn't being deleted."""
    if metadata is not None:
        api[SERVICE] = {"metadata": {"name": "a", **metadata}, "spec": {}}
    assert Cluster("risk").has("a") is installed


def test_without_a_cluster(monkeypatch, tmp_path) -> None:
    """No KUBECONFIG is an error that says what to set."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(ReleaseError, match="Set KUBECONFIG"):
        Cluster("risk")
