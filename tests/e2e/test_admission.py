"""What a real API server admits and refuses, and the deployer's rights.

KUBECONFIG must name a cluster with KServe and the Gateway API in which namespaces can be created; `make e2e` has one.
"""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from k8s.release.helm import DRIVER
from tests.chart.helm import CHART, EXAMPLES, find, objects
from tests.k8s.kustomize import build

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.cluster

ROOT: Final = Path(__file__).parent.parent.parent
NAMESPACE: Final = "customer-risk-admission"
DEPLOYER: Final = "customer-risk-build@some-project.iam.gserviceaccount.com"
# Kinds of GKE; other clusters don't have them.
GOOGLES: Final = ("networking.gke.io", "monitoring.googleapis.com", "monitoring.coreos.com")


def _kubectl(*words: str, given: object = None) -> subprocess.CompletedProcess[str]:
    program = os.environ.get("KUBECTL") or shutil.which("kubectl")
    if not program or "KUBECONFIG" not in os.environ:
        pytest.fail("no cluster is named; set KUBECONFIG")
    said = None if given is None else yaml.safe_dump_all(given)
    return subprocess.run([program, *words], input=said, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def namespace() -> Iterator[str]:
    """An environment's namespace from k8s/, with another name, and with the deployer's role bound in it."""
    if _kubectl("get", "--raw=/readyz").returncode:
        pytest.fail("the cluster doesn't answer")
    made = build("k8s/namespace")
    for each in made:
        if each["kind"] == "Namespace":
            each["metadata"]["name"] = NAMESPACE
        else:
            each["metadata"]["namespace"] = NAMESPACE
    role = [each for each in build("k8s/overlays/local") if each["kind"] == "ClusterRole"]
    role[0]["metadata"]["name"] = NAMESPACE
    applied = _kubectl("apply", "--server-side", "--validate=strict", "--filename=-", given=[*made, *role])
    assert applied.returncode == 0, applied.stderr
    here = f"--namespace={NAMESPACE}"
    members = (f"--user={DEPLOYER}", f"--serviceaccount={NAMESPACE}:deployer")
    for making in (("serviceaccount", "deployer"), ("rolebinding", "deployer", f"--clusterrole={NAMESPACE}", *members)):
        done = _kubectl("create", *making, here)
        assert done.returncode == 0 or "already exists" in done.stderr, done.stderr
    yield NAMESPACE
    _kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    _kubectl("delete", "clusterrole", NAMESPACE)


@pytest.fixture(scope="module")
def pods() -> dict[str, dict[str, Any]]:
    """The pods of the chart's examples in KServe's form, and the pods of their tests."""
    found = {}
    for path in sorted(EXAMPLES.glob("*/rendered/*.yaml")):
        for each in objects(path.read_text(encoding="utf-8")):
            name = f"{path.parent.parent.name}-{each['kind'].lower()}"
            if each["kind"] == "InferenceService":
                known = ("containers", "initContainers", "volumes", "securityContext", "automountServiceAccountToken")
                spec = {key: each["spec"]["predictor"][key] for key in known if key in each["spec"]["predictor"]}
            elif each["kind"] == "Pod":
                spec = {**each["spec"], "serviceAccountName": "default"}
            else:
                continue
            found[name] = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    assert len(found) >= 8
    return found


def _admit(namespace: str, pod: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    words = ("create", "--dry-run=server", "--output=json", f"--namespace={namespace}", "--filename=-")
    done = _kubectl(*words, given=[pod])
    return done.stderr, json.loads(done.stdout) if done.returncode == 0 else {}


def test_the_pods_of_every_example_are_admitted(namespace: str, pods) -> None:
    """The pods of every example pass pod security `restricted`, the quota and the limits."""
    for name, pod in pods.items():
        said, made = _admit(namespace, pod)
        assert made, f"{name}: {said}"


def test_a_spool_on_the_nodes_disk_is_refused(namespace: str, pods) -> None:
    """Pod security refuses `record.spool.hostPath`, so the namespace needs a claim instead."""
    pod = copy.deepcopy(pods["production-gke-inferenceservice"])
    kept = [volume for volume in pod["spec"]["volumes"] if volume["name"] != "spool"]
    assert len(kept) < len(pod["spec"]["volumes"])  # the example's volume, which uses a claim
    on_the_node = {"name": "spool", "hostPath": {"path": "/var/spool", "type": "Directory"}}
    pod["spec"]["volumes"] = [*kept, on_the_node]
    said, made = _admit(namespace, pod)
    assert not made
    assert "hostPath" in said


def test_no_cpu_limit_is_put_on_the_server(namespace: str, pods) -> None:
    """The API server adds no CPU limit to the server's container."""
    _, made = _admit(namespace, pods["production-gke-inferenceservice"])
    (server,) = (each for each in made["spec"]["containers"] if each["name"] == "kserve-container")
    assert "cpu" not in server["resources"]["limits"]


def test_a_container_without_limits_gets_limits_of_memory_and_disk(namespace: str, pods) -> None:
    """A container without limits gets the namespace's limits of memory and disk, so that the quota admits the pod."""
    pod = copy.deepcopy(pods["staging-pod"])
    for container in pod["spec"]["containers"]:
        del container["resources"]
    said, made = _admit(namespace, pod)
    assert made, said
    assert made["spec"]["containers"][0]["resources"]["limits"] == {"memory": "512Mi", "ephemeral-storage": "1Gi"}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"hostNetwork": True}, "host namespaces"),
        ({"volumes": [{"name": "node", "hostPath": {"path": "/var"}}]}, "hostPath"),
        ({"securityContext": {"runAsNonRoot": False}}, "runAsNonRoot"),
    ],
)
def test_pods_that_could_access_the_node_are_refused(namespace: str, pods, change: dict[str, Any], word: str) -> None:
    """Pod security refuses pods with access to the node, also from the cluster's administrator."""
    pod = copy.deepcopy(pods["staging-pod"])
    for container in pod["spec"]["containers"]:
        container["securityContext"].pop("runAsNonRoot", None)
        container["volumeMounts"] = []
    del pod["spec"]["initContainers"]
    pod["spec"] |= {"volumes": []}
    assert _admit(namespace, pod)[1]
    pod["spec"] |= change
    said, made = _admit(namespace, pod)
    assert not made
    assert word in said


def test_more_than_the_quota_is_refused(namespace: str, pods) -> None:
    """The API server refuses pods beyond the namespace's quota."""
    pod = copy.deepcopy(pods["staging-pod"])
    pod["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "9", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}
    said, made = _admit(namespace, pod)
    assert not made
    assert "exceeded quota" in said


def test_the_deployer_can_create_every_example(namespace: str) -> None:
    """The API server allows the bound account to create every object of the chart in its namespace."""
    for folder in sorted(path.parent for path in EXAMPLES.glob("*/values.yaml")):
        given = [each for path in folder.glob("rendered/*.yaml") for each in objects(path.read_text(encoding="utf-8"))]
        given = [each for each in given if not each["apiVersion"].startswith(GOOGLES)]
        for each in given:
            each["metadata"].pop("namespace", None)
            if each["kind"] == "Pod":
                each["spec"]["serviceAccountName"] = "default"  # an empty namespace has no other account yet
        words = ("create", "--dry-run=server", f"--namespace={namespace}", f"--as={DEPLOYER}", "--filename=-")
        done = _kubectl(*words, given=given)
        assert done.stdout.count("created (server dry run)") == len(given), done.stderr


@pytest.fixture
def as_deployer(namespace: str, tmp_path: Path) -> dict[str, str]:
    """Environment variables with a kubeconfig that has only the deployer's rights."""
    told = _kubectl("config", "view", "--raw", "--minify", "--flatten", "--output=json").stdout
    token = _kubectl("create", "token", "deployer", f"--namespace={namespace}").stdout.strip()
    document = json.loads(told)
    document["users"] = [{"name": "deployer", "user": {"token": token}}]
    document["contexts"][0]["context"]["user"] = "deployer"
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(document), encoding="utf-8")
    return {**os.environ, "KUBECONFIG": str(tmp_path / "kubeconfig"), "HELM": find()}


def test_the_deployer_can_install_check_and_remove(namespace: str, as_deployer: dict[str, str]) -> None:
    """The deployer can run Helm's install, the gate's checks and Helm's removal; without an image, no pod is ready."""
    given = ("environment=local", "image.tag=no-such-tag", "image.pullPolicy=Never", "model.baked=true")
    sets = [word for pair in (*given, "route.gateway.name=gateway") for word in ("--set", pair)]
    where = ["--release", "probe", "--namespace", namespace, "--seconds", "8"]
    files = ["--values", str(CHART / "values-local.yaml")]
    command = [sys.executable, "-m", "k8s.release", "deploy", *where, "--chart", str(CHART), *files, *sets]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=as_deployer, cwd=ROOT)
    removing = [as_deployer["HELM"], "uninstall", "probe", "--namespace", namespace, "--wait", "--timeout", "600s"]
    removed = subprocess.run(removing, capture_output=True, text=True, check=False, env=as_deployer | DRIVER)
    assert done.returncode == 1
    assert "forbidden" not in (done.stdout + done.stderr + removed.stderr).lower()
    assert re.search(r"probe isn't ready after \d+ s", done.stderr), done.stderr
    assert removed.returncode == 0, removed.stderr


def test_a_release_in_secrets_is_refused_until_it_is_moved(namespace: str) -> None:
    """A deployment over a release in Secrets is refused; after the move, Helm lists its revisions and can remove it."""
    sets = ("environment=local", "image.tag=no-such-tag", "image.pullPolicy=Never", "model.baked=true")
    values = ["--values", str(CHART / "values-local.yaml"), *(word for pair in sets for word in ("--set", pair))]
    where = ["--release", "kept", "--namespace", namespace]

    def helm(*words: str, driver: str) -> subprocess.CompletedProcess[str]:
        command = [find(), "--namespace", namespace, *words]
        environment = os.environ | {"HELM_DRIVER": driver}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    def release(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "k8s.release", *words]
        environment = os.environ | {"HELM": find()}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)

    for _ in range(2):
        installed = helm("upgrade", "kept", str(CHART), "--install", *values, driver="secret")
        assert installed.returncode == 0, installed.stderr
    refused = release("deploy", *where, "--chart", str(CHART), *values)
    assert refused.returncode == 1
    assert "python -m k8s.release move" in refused.stderr
    assert "not found" in helm("history", "kept", driver="configmap").stderr
    moved = release("move", *where)
    assert moved.returncode == 0, moved.stderr
    history = json.loads(helm("history", "kept", "--output", "json", driver="configmap").stdout)
    assert [(each["revision"], each["status"]) for each in history] == [(1, "superseded"), (2, "deployed")]
    assert "not found" in helm("history", "kept", driver="secret").stderr
    removed = helm("uninstall", "kept", "--wait", "--timeout", "600s", driver="configmap")
    assert removed.returncode == 0, removed.stderr


def test_the_deployer_has_no_other_rights(namespace: str) -> None:
    """The deployer has no rights in another namespace, and no rights on Secrets, roles, nodes or shells in pods."""

    def may(verb: str, kind: str, where: str) -> bool:
        kind, _, part = kind.partition("/")
        words = ("auth", "can-i", verb, kind, f"--subresource={part}", f"--namespace={where}", f"--as={DEPLOYER}")
        return _kubectl(*words).stdout.strip() == "yes"

    assert may("create", "inferenceservices.serving.kserve.io", namespace)
    assert may("get", "pods/log", namespace)
    for verb, kind, where in (
        ("create", "inferenceservices.serving.kserve.io", "default"),
        ("get", "secrets", "default"),
        ("get", "secrets", "kube-system"),
        ("get", "secrets", namespace),
        ("list", "secrets", namespace),
        ("create", "secrets", namespace),
        ("create", "serviceaccounts/token", namespace),
        ("create", "roles.rbac.authorization.k8s.io", namespace),
        ("create", "rolebindings.rbac.authorization.k8s.io", namespace),
        ("create", "pods/exec", namespace),
        ("create", "pods/portforward", namespace),
        ("delete", "namespaces", namespace),
        ("patch", "resourcequotas", namespace),
        ("patch", "deployments.apps", namespace),
    ):
        assert not may(verb, kind, where), (verb, kind, where)
