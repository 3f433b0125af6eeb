"""The life of a release in a cluster: each test continues from the state that the previous one left."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from k8s.release.helm import DRIVER
from tests.e2e.callers import Callers, send
from tests.e2e.cluster import NAMESPACE, PATIENCE, ROOT, apply, get, kubectl, until
from tests.e2e.conftest import HOST, OUT, pods, run

pytestmark = pytest.mark.cluster

RISK = "/ai/v1/risk"
# Requests a second before the step, if a pod starts within USUAL seconds. If it takes longer, the rate is lower, but at
# least half.
ONE_X = float(os.environ.get("E2E_ONE_X", "30"))
USUAL = 20.0
GATES = ("--gates", str(Path(__file__).with_name("gates.yaml")))
ID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b")
INSIDE = Path(__file__).with_name("inside.py")


@pytest.fixture
def measured(record_property):
    """Return a function that adds a text to the test's row."""
    return lambda said: record_property("measured", said)


def _callers(place, url: str = RISK) -> Callers:
    return Callers(place.url + url, place.headers("score"), place.requests)


def _helm(*arguments: str) -> str:
    program = os.environ.get("HELM", "helm")
    command = [program, "--namespace", NAMESPACE, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | DRIVER)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _ids(place, tmp_path) -> tuple[set[str], set[str]]:
    """Return the ids of the decisions in each sink."""
    listed = run("audit", "list", "--since", "2026-01-01", "--config", place.config(tmp_path))
    in_storage = set(ID.findall(listed))
    query = "SELECT decision_id FROM `risk.decisions.decisions`"
    asked = httpx2.post(
        f"{place.tables}/bigquery/v2/projects/risk/queries",
        json={"query": query, "useLegacySql": False, "maxResults": 1_000_000},
        timeout=PATIENCE,
    )
    asked.raise_for_status()
    return in_storage, {row["f"][0]["v"] for row in asked.json().get("rows", [])}


def test_a_first_install_gets_its_route_after_the_gate_passed(place, deploy, measured) -> None:
    """A first install gets its route after the gate, with two pods, the autoscaler's minimum."""
    began = time.monotonic()
    said = deploy()
    assert "first install, without its route" in said
    assert "golden requests answered" in said
    there = pods()
    assert len(there) == 2
    assert all(condition["status"] == "True" for pod in there for condition in pod["status"]["conditions"])
    history = json.loads(_helm("history", "risk", "--output", "json"))
    assert [each["description"] for each in history] == ["installed without its route", "Upgrade complete"]
    measured(f"{time.monotonic() - began:.0f} s from nothing to traffic, {place.start:.0f} s until a pod is ready")


def test_the_gateway_requires_a_token(place) -> None:
    """The gateway returns the bundle's golden answer with a token, and 401 without one."""
    refused = send("POST", place.url + RISK, json=place.requests[0], headers=place.headers())
    assert refused.status_code == 401
    for request, golden in zip(place.requests, place.golden, strict=True):
        response = send("POST", place.url + RISK, json=request, headers=place.headers("score"))
        answer = response.json()
        assert math.isclose(answer["probability"], golden["probability"], abs_tol=1e-9)
        assert (answer["segment"], answer["action"]) == (golden["segment"], golden["action"])
        assert [each["code"] for each in answer["reasons"]] == [each["code"] for each in golden["reasons"]]
        assert "contribution" not in answer["reasons"][0]
        assert answer["model"]["version"] == place.versions[0]
        place.answered.append(answer["decision_id"])


def test_only_the_public_routes_are_reachable(place) -> None:
    """The gateway serves batches and the API's description and page, but not metrics, health and KServe's protocols."""
    batch = send(
        "POST", f"{place.url}{RISK}:batch", json={"requests": place.requests}, headers=place.headers("score", "batch")
    )
    assert [item["status"] for item in batch.json()["items"]] == [200] * len(place.requests)
    place.answered += [item["answer"]["decision_id"] for item in batch.json()["items"]]
    for path in ("/ai/v1/openapi.json", "/ai/v1/docs"):
        assert send("GET", place.url + path, headers=place.headers("score")).status_code == 200
    for path in ("/metrics", "/healthz", "/v2/health/ready", "/v1/models/customer-risk", "/ai/v1/riskier", "/admin"):
        response = send("GET", place.url + path, headers=place.headers("score"))
        assert (response.status_code, response.text) == (404, ""), path
    other = send("POST", place.url + RISK, json=place.requests[0], headers=place.headers("score") | {"host": "x.test"})
    assert other.status_code == 404


def test_kserve_protocols_answer_inside_the_cluster(place) -> None:
    """A pod in the cluster gets the gateway's probability by V1, V2 and gRPC; gRPC also needs a token."""
    arguments = ["http://risk-predictor", "risk-ports:8081", place.issuer.token("score"), "customer-risk"]
    container = {
        "name": "caller",
        "image": os.environ["E2E_IMAGE"],
        "command": [
            "/opt/customer-risk/bin/python",
            "-c",
            INSIDE.read_text(),
            *arguments,
            json.dumps(place.requests[0]),
        ],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}},
    }
    security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"restartPolicy": "Never", "securityContext": security, "containers": [container]}
    apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "caller"}, "spec": spec})
    until(lambda: get("pod", "caller")["status"]["phase"] in ("Succeeded", "Failed"), "the caller ends")
    said = kubectl("logs", "caller")
    found = json.loads(said)
    kubectl("delete", "pod", "caller", "--wait=false")
    golden = place.golden[0]["probability"]
    assert all(math.isclose(found[way], golden, abs_tol=1e-9) for way in ("v1", "v2", "grpc")), found
    assert found["without a token"] == "UNAUTHENTICATED"
    place.answered += found["decisions"]


def test_every_decision_is_on_record(place, tmp_path, measured) -> None:
    """Both sinks have each of these decisions, and one is shown and verified from there."""

    def missing() -> list[set[str]]:
        return [set(place.answered) - there for there in _ids(place, tmp_path)]

    until(lambda: not any(missing()), "all decisions are in both sinks")
    shown = run("audit", "show", place.answered[0], "--config", place.config(tmp_path))
    assert "azp:payments at /ai/v1/risk" in shown
    verified = run("audit", "verify", "--config", place.config(tmp_path))
    measured(f"{len(place.answered)} decisions; {verified.strip().splitlines()[-1].split(': ', 1)[-1]}")


def test_the_autoscaler_keeps_its_minimum(place) -> None:
    """A deleted pod is replaced, and the autoscaler can scale."""
    gone = pods()[0]["metadata"]["name"]
    kubectl("delete", "pod", gone, "--wait=false")
    run_gate(place)
    assert gone not in {pod["metadata"]["name"] for pod in pods()}
    scaler = get("hpa", "risk")
    assert scaler["spec"]["minReplicas"] == 2
    until(lambda: _conditions("risk").get("ScalingActive") == "True", "the autoscaler sees the pods' CPU")
    assert _conditions("risk")["AbleToScale"] == "True"


def run_gate(place) -> None:
    """A function that runs the gate."""
    command = [sys.executable, "-m", "k8s.release", "gate", "--release", "risk", "--namespace", NAMESPACE]
    command += ["--seconds", f"{place.rollout:.0f}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _conditions(release: str) -> dict[str, str]:
    return {each["type"]: each["status"] for each in get("hpa", release)["status"].get("conditions", [])}


def test_an_edit_by_hand_does_not_stop_the_next_release(deploy) -> None:
    """The next upgrade restores the chart's value of a limit that was changed by hand in the cluster."""
    most = get("hpa", "risk")["spec"]["maxReplicas"]
    kubectl("patch", "hpa", "risk", "--type", "merge", "--patch", json.dumps({"spec": {"maxReplicas": most + 1}}))
    deploy()
    assert get("hpa", "risk")["spec"]["maxReplicas"] == most


def test_no_request_fails_during_an_upgrade_of_the_image(place, deploy, measured) -> None:
    """Under light load, no request fails during an upgrade to another image, and the old pods' records arrive."""
    with _callers(place) as callers:
        deploy(**{"image.tag": os.environ["E2E_NEXT_IMAGE"].rpartition(":")[2]})
    assert callers.failed == []
    images = {container["image"] for pod in pods() for container in pod["spec"]["containers"]}
    assert images == {os.environ["E2E_NEXT_IMAGE"]}
    place.answered += callers.decisions
    measured(f"{len(callers.decisions)} requests, 0 failed, {callers.asked_again} refused with Retry-After")


def test_no_request_fails_during_an_upgrade_of_the_bundle(place, deploy, measured) -> None:
    """Under light load, no request fails during an upgrade to another bundle, and the new bundle then answers."""
    with _callers(place) as callers:
        deploy(**{"image.tag": os.environ["E2E_NEXT_IMAGE"].rpartition(":")[2], "model.bundle": place.versions[1]})
        until(lambda: place.versions[1] in callers.versions or callers.failed, "the new bundle answers")
    assert callers.failed == []
    assert set(callers.versions) == set(place.versions)
    answer = send("POST", place.url + RISK, json=place.requests[0], headers=place.headers("score")).json()
    assert answer["model"]["version"] == place.versions[1]
    place.answered += [*callers.decisions, answer["decision_id"]]
    measured(f"{len(callers.decisions)} requests, 0 failed, {callers.asked_again} refused with Retry-After")


def test_a_missing_bundle_is_rolled_back(place, deploy) -> None:
    """A bundle that isn't in the registry fails the gate and is rolled back, and no request fails."""
    with _callers(place) as callers:
        said = deploy(
            fails=True, **{"model.bundle": "0" * 64, "image.tag": os.environ["E2E_NEXT_IMAGE"].rpartition(":")[2]}
        )
    assert "rolling back to revision" in said
    assert callers.failed == []
    assert set(callers.versions) == {place.versions[1]}
    place.answered += callers.decisions


def test_a_job_of_the_operators_image_rolls_back(place) -> None:
    """A Job of the operator's image restores the previous bundle under light load, and no request fails."""
    kubectl("apply", "-f", str(ROOT / "k8s/base/deployer.yaml"), namespace=None)
    document = (ROOT / "k8s/operator/operator.yaml").read_text()
    for word, value in {"NAMESPACE": NAMESPACE, "RELEASE": "risk", "IMAGE": os.environ["E2E_OPERATOR"]}.items():
        document = re.sub(rf"\b{word}\b", value, document)
    kubectl("apply", "-f", "-", given=document)
    with _callers(place) as callers:
        printed = _run_job("rollback")
    assert "risk: golden requests answered" in printed
    assert "all pods are new and ready" in _run_job("gate")
    assert callers.failed == []
    answer = send("POST", place.url + RISK, json=place.requests[0], headers=place.headers("score")).json()
    assert answer["model"]["version"] == place.versions[0]
    place.answered += [*callers.decisions, answer["decision_id"]]


def _run_job(command: str) -> str:
    """Start a Job of the suspended CronJob of a command; return its log once it has succeeded."""
    kubectl("create", "job", f"--from=cronjob/customer-risk-{command}", command)

    def ended() -> dict[str, int]:
        status = get("job", command)["status"]
        return {key: status[key] for key in ("succeeded", "failed") if status.get(key)}

    until(ended, f"the Job {command} ends")
    printed = kubectl("logs", f"job/{command}")
    assert "succeeded" in ended(), printed
    return printed


def test_a_second_release_serves_a_second_model(place, deploy) -> None:
    """A second release with another bundle answers at its own path beside the first."""
    deploy(
        "second",
        **{
            "model.bundle": place.versions[1],
            "model.name": "second",
            "route.pathBase": "/ai/second",
            "autoscaling.minReplicas": 1,
        },
    )
    first, second = (
        send("POST", place.url + path, json=place.requests[0], headers=place.headers("score")).json()
        for path in (RISK, "/ai/second/risk")
    )
    assert (first["model"]["name"], first["model"]["version"]) == ("customer-risk", place.versions[0])
    assert (second["model"]["name"], second["model"]["version"]) == ("second", place.versions[1])
    place.answered += [first["decision_id"], second["decision_id"]]
    _helm("uninstall", "second", "--wait", "--timeout", f"{PATIENCE}s")


def test_a_step_from_1x_to_10x(place, deploy, tmp_path, measured) -> None:
    """At ten times the load there are more pods, no request fails, no answer is wrong, and no record is missing."""
    deploy(values=Path(__file__).with_name("step.yaml"))
    token = tmp_path / "token"
    token.write_text(place.issuer.token("score", "batch", "explain"))
    where = ("--url", place.url, "--host", HOST, "--token-file", str(token))
    watched = ("--namespace", NAMESPACE, "--deployment", "risk-predictor")
    out = OUT / "step"
    # The load lasts until the autoscaler has reacted and the new pods are ready. Callers wait long, because the test
    # checks whether they get an answer, not how soon.
    after = 45 + 3 * place.start
    one_x = ONE_X * min(1.0, max(0.5, USUAL / place.start))
    times = ("--after", f"{after:.0f}", "--patience", str(PATIENCE))
    how = ("--out", str(out), "--one-x", f"{one_x:.0f}", *times, *GATES)
    command = [sys.executable, "-m", "loadtest.step", *where, *watched, *how]
    step = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    received = set((out / "decisions.txt").read_text().split()) if (out / "decisions.txt").exists() else set()

    def recorded() -> list[str]:
        listed = run("audit", "list", "--since", "2026-01-01", "--config", place.config(tmp_path, "step"))
        return ID.findall(listed)

    until(lambda: received <= set(recorded()), "every decision of the step is on record")
    (tmp_path / "recorded.txt").write_text("\n".join(recorded()))
    command = [sys.executable, "-m", "loadtest.records", str(out), str(tmp_path / "recorded.txt"), *GATES]
    records = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    measured("\n" + step.stdout + records.stdout)
    assert step.returncode == 0, step.stderr
    assert records.returncode == 0, records.stderr


def test_uninstall_removes_all_objects_and_keeps_all_records(place, tmp_path, measured) -> None:
    """`helm uninstall` removes all objects of the releases, and every decision of every pod is on record."""
    _helm("uninstall", "risk", "--wait", "--timeout", f"{PATIENCE}s")
    kinds = "all,isvc,hpa,pdb,httproute,cm,secret,sa,networkpolicy,cronjob,endpointslice"

    def left() -> list[str]:
        found = json.loads(kubectl("get", kinds, "--output", "json"))["items"]
        named = [f"{each['kind']}/{each['metadata']['name']}" for each in found]
        return [name for name in named if name.partition("/")[2].startswith(("risk", "second", "sh.helm"))]

    until(lambda: not left(), "nothing is left of the releases")
    in_storage, in_tables = _ids(place, tmp_path)
    answered = set(place.answered)
    assert len(answered) == len(place.answered)
    assert answered <= in_storage
    assert answered <= in_tables
    measured(f"{len(answered)} decisions answered, {len(in_storage)} and {len(in_tables)} on record")
