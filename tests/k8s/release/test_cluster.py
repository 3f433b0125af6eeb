"""How the state of a release is read from the API server's responses."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from kubernetes import client

from k8s.release.cluster import Cluster, _made, _pod
from k8s.release.errors import ReleaseError
from tests.http_server import serving, use_kubeconfig


def _of(document: dict, kind: str):
    """Decode a document as the client decodes the API server's responses."""
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


def test_a_pod_and_its_template_are_read_alike() -> None:
    """Images by container and the annotations are the same from a pod and from an InferenceService."""
    document = _document(conditions=[{"type": "Ready", "status": "True"}])
    pod = _pod(_of(document, "V1Pod"))
    assert pod.made == _made(document["spec"], document["metadata"]["annotations"])
    assert pod.made.images == (("bundle", "risk:1"), ("kserve-container", "risk:1"))
    assert pod.made.marks == (("customer-risk.deblock.com/bundle", "b1"),)
    assert (pod.ready, pod.leaving, pod.trouble) == (True, False, "")


def test_a_pod_that_is_being_deleted_is_leaving() -> None:
    """A pod that is being deleted is leaving, even if it is still ready."""
    document = _document(conditions=[{"type": "Ready", "status": "True"}])
    document["metadata"]["deletionTimestamp"] = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    assert _pod(_of(document, "V1Pod")).leaving


def _status(name: str, state: dict, last: dict | None = None, restarts: int = 0) -> dict:
    """Return a container's status in the API server's form."""
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
            "bundle crashes repeatedly: it ended with 2 (Error)",
        ),
        ({"initContainerStatuses": [_status("bundle", {"terminated": {"exitCode": 0, "reason": "Completed"}})]}, ""),
        ({"containerStatuses": [_status("server", {"waiting": {"reason": "PodInitializing"}})]}, ""),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes: Insufficient cpu"}]},
            "not scheduled: 0/1 nodes: Insufficient cpu",
        ),
    ],
)
def test_the_reason_why_a_pod_cannot_start_is_returned(status, said) -> None:
    """The message is the cluster's own; a pod that is only slow has no message."""
    assert _pod(_of(_document(**status), "V1Pod")).trouble == said


@pytest.fixture
def api(tmp_path, monkeypatch):
    """An API server that answers each path with the test's objects, else with 404; KUBECONFIG names it."""
    answers: dict[str, dict | int] = {}

    def answer(request, _):
        found = answers.get(request.path.partition("?")[0], 404)
        return (200, found) if isinstance(found, dict) else (found, {"kind": "Status", "code": found})

    with serving(answer) as url:
        use_kubeconfig(url, tmp_path, monkeypatch)
        yield answers


SERVICE = "/apis/serving.kserve.io/v1beta1/namespaces/risk/inferenceservices/a"
ROUTE = "/apis/gateway.networking.k8s.io/v1/namespaces/risk/httproutes/a"
PODS = "/api/v1/namespaces/risk/pods"


def _service() -> dict:
    document = _document()
    return {"metadata": {"name": "a", **document["metadata"]}, "spec": {"predictor": document["spec"]}}


def test_a_release_without_a_deployment_has_an_empty_state(api) -> None:
    """If only the InferenceService exists, the other parts of the state are empty."""
    api[SERVICE] = _service()
    api[PODS] = {"kind": "PodList", "items": []}
    state = Cluster("risk").look("a")
    assert (state.deployment, state.observed, state.replicas, state.pods, state.least) == (None, False, 0, (), 1)


def test_a_missing_release_is_an_error(api) -> None:
    """The error names the missing InferenceService."""
    assert not api
    with pytest.raises(ReleaseError, match="There is no InferenceService a in risk"):
        Cluster("risk").look("a")


def test_missing_rights_are_an_error(api) -> None:
    """Missing rights are an error of their own, not a missing release."""
    api[SERVICE] = 403
    with pytest.raises(ReleaseError, match="refuses the request: 403"):
        Cluster("risk").look("a")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({}, "no gateway has accepted the route"),
        ({"parents": [{"conditions": [{"type": "Accepted", "status": "True"}]}]}, ""),
        (
            {"parents": [{"conditions": [{"type": "ResolvedRefs", "status": "False", "message": "no service"}]}]},
            "the gateway refuses the route: no service",
        ),
    ],
)
def test_a_route_is_in_force_once_a_gateway_accepts_it(api, status, said) -> None:
    """A route is in force only if a gateway has accepted it and its Service exists."""
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
    """A release is installed while Helm's InferenceService of its name exists and isn't being deleted."""
    if metadata is not None:
        api[SERVICE] = {"metadata": {"name": "a", **metadata}, "spec": {}}
    assert Cluster("risk").has("a") is installed


def test_without_a_cluster(monkeypatch, tmp_path) -> None:
    """Without KUBECONFIG, the error names the variable to set."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(ReleaseError, match="Set KUBECONFIG"):
        Cluster("risk")
