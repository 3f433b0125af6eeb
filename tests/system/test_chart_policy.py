"""Rules that every object of the chart obeys, checked on all pods of all examples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.chart.helm import Helm, cases, objects

pytestmark = pytest.mark.system

PRODUCTION = ("production-gke", "second-model")
# The labels that KServe adds to the pods of an InferenceService, as seen on a cluster.
KSERVES = {"app": "isvc.{}-predictor", "component": "predictor", "serving.kserve.io/inferenceservice": "{}"}


@pytest.fixture(scope="module")
def rendered(helm: Helm) -> dict[str, list[dict[str, Any]]]:
    """Every example's objects."""
    return {case: objects("".join(helm.example(case).values())) for case in cases()}


@pytest.fixture(scope="module")
def pods(rendered) -> list[tuple[str, dict[str, str], dict[str, Any]]]:
    """Every example's pods: the object that creates them, their labels and their specification."""
    return [(case, *pod) for case, documents in rendered.items() for pod in _pods(documents)]


@pytest.fixture(scope="module")
def containers(pods) -> list[tuple[str, dict[str, Any]]]:
    """Every container of these pods."""
    return [
        (f"{case} {each['name']}", each)
        for case, _, spec in pods
        for each in (*spec.get("initContainers", ()), *spec["containers"])
    ]


def test_every_kind_of_container_is_checked(pods, containers) -> None:
    """The fixtures have the server, its shipper, the bundle's init container, the batch and the test."""
    assert {each["name"] for _, each in containers} == {"kserve-container", "shipper", "bundle", "batch", "golden"}
    assert len(pods) == 2 * len(cases()) + 1


def test_every_image_has_a_version(containers) -> None:
    """Each image has a digest, or a tag other than latest."""
    for name, each in containers:
        image = each["image"].rsplit("/", 1)[-1]
        assert "@sha256:" in image or (":" in image and not image.endswith(":latest")), name


def test_production_images_are_named_by_digest(containers) -> None:
    """Production's images are named by digest, which can't be moved like a tag."""
    images = {each["image"] for name, each in containers if name.split()[0] in PRODUCTION}
    assert images
    assert all("@sha256:" in each for each in images)


def test_every_pod_obeys_pod_security_restricted(pods, containers) -> None:
    """Pods have no root user, privilege escalation, capability, or host namespace or disk, and the default seccomp."""
    for where, _, spec in pods:
        security = spec["securityContext"]
        assert (security["runAsNonRoot"], security["runAsUser"]) == (True, 10001), where
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, where
        assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC"}, where
        assert not [each for each in spec["volumes"] if "hostPath" in each], where
    for where, each in containers:
        assert each["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        }, where


def test_no_pod_gets_a_token_of_the_api_server(rendered, pods) -> None:
    """No pod calls the API server, and Workload Identity doesn't need the token."""
    assert all(spec["automountServiceAccountToken"] is False for _, _, spec in pods)
    accounts = [each for case in rendered.values() for each in case if each["kind"] == "ServiceAccount"]
    assert len(accounts) == len(cases())
    assert all(each["automountServiceAccountToken"] is False for each in accounts)


def test_only_the_batch_has_an_environment_variable(containers) -> None:
    """Only the batch has an environment variable, its job's name: KServe's controller logs all of a predictor's."""
    told = {name.split()[1]: each.get("env", []) for name, each in containers if each.keys() & {"env", "envFrom"}}
    assert told.keys() == {"batch"}
    (variable,) = told["batch"]
    assert variable["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.labels['batch.kubernetes.io/job-name']"


def test_no_config_map_has_a_secret(rendered) -> None:
    """Keys, and addresses with passwords, are files of Secrets, and the settings have only their paths."""
    (settings,) = (each["data"] for each in rendered["production-gke"] if each["kind"] == "ConfigMap")
    assert "url_file: /etc/customer-risk/secrets/store-url" in settings["serving.yaml"]
    assert "key_file: /etc/customer-risk/secrets/record-key" in settings["serving.yaml"]
    assert "redis://" not in settings["serving.yaml"]


def test_every_container_has_requests_and_limits(containers) -> None:
    """Every container has requests of CPU, memory and disk, and limits of memory and disk; KServe would add others."""
    for name, each in containers:
        asked, limited = each["resources"]["requests"], each["resources"]["limits"]
        assert asked.keys() == {"cpu", "memory", "ephemeral-storage"}, name
        assert limited.keys() - {"cpu"} == {"memory", "ephemeral-storage"}, name


def test_only_the_local_values_limit_the_cpu(containers) -> None:
    """Only local values have a CPU limit, which would throttle a server in the middle of a request."""
    limited = {name.split()[0] for name, each in containers if "cpu" in each["resources"]["limits"]}
    assert limited == {"local"}


def test_liveness_and_readiness_have_different_probes(containers) -> None:
    """Liveness and readiness have different paths: a bad bundle makes a pod not ready and doesn't restart it."""
    servers = [each for name, each in containers if name.endswith(" kserve-container")]
    assert len(servers) == len(cases())
    for each in servers:
        assert each["ports"][0] == {"name": "http", "containerPort": 8080, "protocol": "TCP"}
        paths = [each[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")]
        assert paths == ["/healthz", "/healthz", "/v2/health/ready"]


def test_the_shipper_is_a_sidecar_without_readiness_probe(containers) -> None:
    """The shipper ends after the server, and doesn't affect readiness: a sink that is down removes no pod."""
    shippers = [each for name, each in containers if name.endswith(" shipper")]
    assert len(shippers) == len(cases())
    for each in shippers:
        assert each["restartPolicy"] == "Always"
        assert "livenessProbe" in each
        assert not each.keys() & {"readinessProbe", "startupProbe"}


def test_server_and_shipper_share_a_bounded_outbox(rendered) -> None:
    """Both mount the outbox, whose bound is below the disk's limit, beyond which Kubernetes evicts the pod."""
    (service,) = (each for each in rendered["production-gke"] if each["kind"] == "InferenceService")
    predictor = service["spec"]["predictor"]
    (outbox,) = (each for each in predictor["volumes"] if each["name"] == "outbox")
    assert outbox["emptyDir"] == {"sizeLimit": "2Gi"}
    (settings,) = (each["data"] for each in rendered["production-gke"] if each["kind"] == "ConfigMap")
    assert f"most_bytes: {2 * 1024**3 * 4 // 5}" in settings["serving.yaml"]
    (shipper,) = (each for each in predictor["initContainers"] if each["name"] == "shipper")
    for each in (shipper, predictor["containers"][0]):
        assert {"name": "outbox", "mountPath": "/var/lib/customer-risk/outbox"} in each["volumeMounts"]


def test_every_volume_is_mounted_and_every_mount_has_a_volume(pods) -> None:
    """No volume is missing or unused."""
    for where, _, spec in pods:
        every = (*spec.get("initContainers", ()), *spec["containers"])
        mounted = {mount["name"] for each in every for mount in each["volumeMounts"]}
        assert mounted == {each["name"] for each in spec["volumes"]}, where


def test_every_disk_of_a_pod_has_a_size_limit(pods) -> None:
    """Every disk of a pod has a size limit, so that a full disk ends the pod and not the node."""
    for where, _, spec in pods:
        empty = [each["emptyDir"] for each in spec["volumes"] if "emptyDir" in each]
        assert all("sizeLimit" in each for each in empty), where


def test_the_disks_of_a_pod_are_smaller_than_its_limits(pods) -> None:
    """The sum of a pod's disks is below the sum of its containers' limits, beyond which Kubernetes evicts the pod."""
    for where, _, spec in pods:
        disks = sum(_mebibytes(each["emptyDir"]["sizeLimit"]) for each in spec["volumes"] if "emptyDir" in each)
        beside = [each for each in spec.get("initContainers", ()) if each.get("restartPolicy") == "Always"]
        limits = [each["resources"]["limits"]["ephemeral-storage"] for each in (*spec["containers"], *beside)]
        assert disks < sum(map(_mebibytes, limits)), where


def test_kserve_adds_no_container_that_fetches_a_model(rendered) -> None:
    """No example names a storage URI or a model, for which KServe would add its storage initializer."""
    for documents in rendered.values():
        (service,) = (each for each in documents if each["kind"] == "InferenceService")
        assert service["spec"].keys() == {"predictor"}
        assert not service["spec"]["predictor"].keys() & {"model", "storageUri", "storageUris", "logger", "batcher"}
        assert not any(
            each["name"] == "STORAGE_URI" for each in service["spec"]["predictor"]["containers"][0].get("env", ())
        )


def test_the_longest_release_name_makes_valid_names(helm: Helm) -> None:
    """The longest name that the chart takes makes no name or label of more than 63 characters, a CronJob's of 52."""
    options = [option for path in helm.values("batch") for option in ("--values", path)]
    documents = objects(helm.render(*options, name="n" * 46))
    for each in documents:
        assert len(each["metadata"]["name"]) <= (52 if each["kind"] == "CronJob" else 63)
        assert all(len(value) <= 63 for value in each["metadata"].get("labels", {}).values())
    assert len(f"isvc.{'n' * 46}-predictor") <= 63


def test_routes_have_no_regular_expression(rendered) -> None:
    """Routes match exactly or by prefix: GKE's gateway refuses regular expressions."""
    routes = [each for case in rendered.values() for each in case if each["kind"] == "HTTPRoute"]
    assert len(routes) == 4
    types = {match["path"]["type"] for each in routes for rule in each["spec"]["rules"] for match in rule["matches"]}
    assert types == {"Exact", "PathPrefix"}


def test_every_selector_finds_exactly_its_pods(rendered) -> None:
    """Selectors of Services, budgets, policies, monitors and the spread find exactly the pods of their component."""
    for case, documents in rendered.items():
        found = {labels["app.kubernetes.io/component"]: labels for labels, _ in _pods(documents)}
        for name, selector, meant in _selectors(documents):
            chosen = {component for component, labels in found.items() if _selects(selector, labels)}
            assert chosen == meant & found.keys(), (case, name)


def test_a_release_selects_no_pod_of_another(rendered) -> None:
    """With two models in one namespace, no selector of one release finds a pod of the other."""
    others = [labels for labels, _ in _pods(rendered["second-model"])]
    for name, selector, _ in _selectors(rendered["production-gke"]):
        assert not [labels for labels in others if _selects(selector, labels)], name


def test_the_autoscaler_measures_only_the_servers_container(rendered) -> None:
    """It names KServe's Deployment and the server's container, so that the shipper's CPU doesn't count."""
    for case, documents in rendered.items():
        (scaler,) = (each["spec"] for each in documents if each["kind"] == "HorizontalPodAutoscaler")
        assert scaler["scaleTargetRef"]["name"] == f"{case}-predictor"
        assert scaler["metrics"][0]["containerResource"]["container"] == "kserve-container"
        assert scaler["behavior"]["scaleUp"]["stabilizationWindowSeconds"] == 0
        assert scaler["behavior"]["scaleDown"]["stabilizationWindowSeconds"] > 0
        assert scaler["minReplicas"] >= (3 if case in PRODUCTION else 2)


def test_kserve_leaves_scaling_and_routing_to_the_chart(rendered) -> None:
    """KServe runs in Standard mode with an external autoscaler, and a rollout never removes pods before adding some."""
    for documents in rendered.values():
        (service,) = (each for each in documents if each["kind"] == "InferenceService")
        annotations = service["metadata"]["annotations"]
        assert annotations["serving.kserve.io/deploymentMode"] == "Standard"
        assert annotations["serving.kserve.io/autoscalerClass"] == "external"
        assert service["spec"]["predictor"]["deploymentStrategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_every_object_has_the_labels_of_its_release(rendered) -> None:
    """Every object has the labels of its release and its application, for `kubectl get -l`."""
    for case, documents in rendered.items():
        for each in documents:
            labels = each["metadata"]["labels"]
            assert labels["app.kubernetes.io/instance"] == case
            assert labels["app.kubernetes.io/name"] == "customer-risk"


def test_network_policies_allow_only_declared_traffic(rendered) -> None:
    """Pods can reach only DNS, Google, its metadata server and the destinations in the values."""
    policies = {
        each["metadata"]["name"]: each["spec"] for each in rendered["production-gke"] if each["kind"] == "NetworkPolicy"
    }
    server, tools = policies["production-gke"], policies["production-gke-tools"]
    assert tools["ingress"] == []
    for each in (server, tools):
        assert each["policyTypes"] == ["Ingress", "Egress"]
        assert all(rule.get("to") and rule.get("ports") for rule in each["egress"])
        cidrs = {peer["ipBlock"]["cidr"] for rule in each["egress"] for peer in rule["to"] if "ipBlock" in peer}
        assert {"10.20.0.3/32", "199.36.153.8/30", "169.254.169.254/32"} <= cidrs
        assert not cidrs & {"0.0.0.0/0", "::/0"}
    assert all(rule["from"] and rule["ports"] for rule in server["ingress"])
    scraped = [rule for rule in server["ingress"] if {"protocol": "TCP", "port": 9090} in rule["ports"]]
    assert len(scraped) == 1


def _mebibytes(quantity: str) -> int:
    return int(quantity[:-2]) * {"Gi": 1024, "Mi": 1}[quantity[-2:]]


def _pods(documents: list[dict[str, Any]]) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    for each in documents:
        labels = each["metadata"]["labels"]
        if each["kind"] == "InferenceService":
            name = each["metadata"]["name"]
            yield labels | {key: value.format(name) for key, value in KSERVES.items()}, each["spec"]["predictor"]
        elif each["kind"] == "CronJob":
            template = each["spec"]["jobTemplate"]["spec"]["template"]
            yield template["metadata"]["labels"], template["spec"]
        elif each["kind"] == "Pod":
            yield labels, each["spec"]


def _selectors(documents: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any], set[str]]]:
    """Return every selector of pods by a name, and the components that it is meant to find."""
    for each in documents:
        name, spec = f"{each['kind']} {each['metadata']['name']}", each.get("spec", {})
        if each["kind"] == "Service":
            yield name, {"matchLabels": spec["selector"]}, {"predictor"}
        elif each["kind"] in {"PodDisruptionBudget", "PodMonitoring"}:
            yield name, spec["selector"], {"predictor"}
        elif each["kind"] == "NetworkPolicy":
            yield name, spec["podSelector"], {"test", "batch"} if name.endswith("-tools") else {"predictor"}
            for rule in spec["ingress"]:
                for peer in rule["from"]:
                    if "podSelector" in peer:
                        yield f"{name} from", peer["podSelector"], {"test"}
        elif each["kind"] == "InferenceService":
            for spread in spec["predictor"].get("topologySpreadConstraints", ()):
                yield f"{name} spread", spread["labelSelector"], {"predictor"}


def _selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    named = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return named and all(labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", ()))
