"""The chart's rendered objects, and whether the API servers that it targets accept them."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from tests.chart.helm import CHART, EXAMPLES, Helm, Refused, cases, objects
from tests.chart.schema import fault

pytestmark = pytest.mark.system

# Names that other charts use too.
EXTRAS = (
    "podLabels.team=risk,podAnnotations.note=a,extraEnv[0].name=HTTPS_PROXY,extraEnv[0].value=http://proxy:3128,"
    "extraVolumes[0].name=authorities,extraVolumes[0].configMap.name=authorities,"
    "extraVolumeMounts[0].name=authorities,extraVolumeMounts[0].mountPath=/etc/authorities,"
    "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight=1,"
    "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchFields[0].key=metadata.name,"
    "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchFields[0].operator=Exists"
)
SPREAD = ",".join(
    f"topologySpreadConstraints[0].{each}"
    for each in ("topologyKey=rack", "maxSkew=1", "whenUnsatisfiable=DoNotSchedule")
)
VARIANTS = [
    "model.baked=true",
    "model.baked=true,record.enabled=false",
    "record.enabled=false",
    "grpc.enabled=false",
    "route.enabled=false",
    "test.enabled=false",
    "auth.enabled=false",
    "server.preStopSeconds=0",
    f"{SPREAD},priorityClassName=high",
    "record.spool.hostPath=/var/spool/customer-risk",
    "model.registry=/mnt/registry/models,model.registryVolume.persistentVolumeClaim.claimName=models",
    "image.pullSecrets[0]=registry,nodeSelector.pool=risk,tolerations[0].key=risk,tolerations[0].operator=Exists",
    "serviceAccount.create=false,serviceAccount.name=other",
    "podDisruptionBudget.minAvailable=1,podDisruptionBudget.maxUnavailable=,rollout.maxSurge=50%",
    "networkPolicy.enabled=true,networkPolicy.gatewayCidrs={35.191.0.0/16},networkPolicy.gatewayNamespace=gateway",
    "networkPolicy.enabled=true,networkPolicy.egress.also[0].namespace=tools,networkPolicy.egress.also[0].port=9050",
    "route.timeout=10s,route.gateway.sectionName=https",
    "autoscaling.inFlight.enabled=true",
    EXTRAS,
]


@pytest.fixture(scope="module")
def helm3() -> Helm:
    """The last Helm 3; it is built with Go if the machine has none."""
    return Helm(3)


@pytest.fixture(scope="module")
def rendered(helm: Helm) -> dict[str, list[dict[str, Any]]]:
    """Every example's objects."""
    return {case: objects("".join(helm.example(case).values())) for case in cases()}


@pytest.mark.parametrize("case", cases())
def test_the_committed_renders_are_current(helm: Helm, case: str) -> None:
    """The committed render of each example is current; `scripts/chart/render` updates it."""
    stored = {path.name: path.read_text(encoding="utf-8") for path in (EXAMPLES / case / "rendered").iterdir()}
    assert helm.example(case) == stored


@pytest.mark.parametrize("case", cases())
def test_helm_3_renders_the_same(helm: Helm, helm3: Helm, case: str) -> None:
    """Both versions of Helm render the same text, so that changing the version of Helm changes no pod."""
    assert helm3.example(case) == helm.example(case)


@pytest.mark.parametrize("change", VARIANTS)
def test_helm_3_renders_the_same_for_other_values(helm: Helm, helm3: Helm, change: str) -> None:
    """With parts that are off and values that are null, both versions render the same objects."""
    values = [option for path in helm.values("local") for option in ("--values", path)]
    assert objects(helm3.render(*values, "--set", change)) == objects(helm.render(*values, "--set", change))


def test_helm_3_refuses_the_same_values(helm: Helm, helm3: Helm) -> None:
    """Both versions refuse a contradiction and an unknown key, with the same reason."""
    for change, said in (("image.tag=latest", "image.tag is latest"), ("surprise=1", "surprise")):
        values = [option for path in helm.values("local") for option in ("--values", path)]
        for each in (helm, helm3):
            with pytest.raises(Refused, match=said):
                each.render(*values, "--set", change)


@pytest.mark.parametrize("case", cases())
def test_the_api_server_accepts_every_object(rendered, case: str) -> None:
    """No field is unknown, of another type or missing: Kubernetes 1.34, KServe 0.20, Gateway API 1.3, GKE's own."""
    faults = {f"{each['kind']} {each['metadata']['name']}": fault(each) for each in rendered[case]}
    assert {name: said for name, said in faults.items() if said} == {}


def test_an_unknown_field_is_found(rendered) -> None:
    """An unknown field is found in every kind of object, at the top level, in metadata and deeply nested."""
    kinds = {each["kind"]: each for case in rendered.values() for each in case}
    for kind, document in kinds.items():
        for path in ([], ["metadata"], ["spec"]):
            broken = copy.deepcopy(document)
            inner = broken
            for key in path:
                inner = inner.get(key, broken)
            inner["surprise"] = 1
            assert "surprise" in str(fault(broken)), (kind, path)
    service = copy.deepcopy(kinds["InferenceService"])
    service["spec"]["predictor"]["containers"][0]["readinessProbe"]["httpGet"]["surprise"] = 1
    assert "surprise" in str(fault(service))
    service["spec"]["predictor"]["containers"][0] |= {"readinessProbe": {}, "resources": {"limits": {"memory": []}}}
    assert "resources" in str(fault(service))


def test_the_examples_make_every_kind_of_object(rendered) -> None:
    """The examples contain every kind of object in the templates, so that the tests cover each kind."""
    made = {each["kind"] for case in rendered.values() for each in case}
    named = set()
    for path in CHART.glob("templates/**/*.yaml"):
        text = path.read_text(encoding="utf-8").splitlines()
        named |= {line.removeprefix("kind: ") for line in text if line.startswith("kind: ")}
    assert made == named


def test_two_models_have_no_common_name_or_path(helm: Helm) -> None:
    """Two releases in one namespace and at one host have no name and no path in common."""
    first, second = (objects("".join(helm.example(case).values())) for case in ("production-gke", "second-model"))
    assert not {_name(each) for each in first} & {_name(each) for each in second}
    assert not _paths(first) & _paths(second)
    (base,) = {path.rsplit("/risk", 1)[0].rsplit("/", 1)[0] for path in _paths(second) if path.endswith("/docs")}
    assert base == "/ai/v1/business"


def test_another_path_base_is_rewritten(helm: Helm) -> None:
    """Each of the five paths is rewritten by its prefix, which GKE's gateway supports."""
    (route,) = (each for each in objects(helm.example("second-model")["route.yaml"]))
    for rule in route["spec"]["rules"]:
        ((match,), (rewrite,)) = rule["matches"], rule["filters"]
        assert match["path"]["type"] == "PathPrefix"
        replaced = rewrite["urlRewrite"]["path"]["replacePrefixMatch"]
        assert match["path"]["value"].replace("/ai/v1/business", "/ai/v1") == replaced


def test_the_route_has_only_the_public_paths(helm: Helm) -> None:
    """All paths match exactly, except the jobs' prefix: a prefix /ai/v1/risk wouldn't match /ai/v1/risk:batch."""
    (route,) = objects(helm.example("production-gke")["route.yaml"])
    assert route["spec"]["hostnames"] == ["prod.deblock.com"]
    paths = {each["path"]["value"]: each["path"]["type"] for rule in route["spec"]["rules"] for each in rule["matches"]}
    assert paths == {
        "/ai/v1/risk": "Exact",
        "/ai/v1/risk:batch": "Exact",
        "/ai/v1/risk/jobs": "PathPrefix",
        "/ai/v1/openapi.json": "Exact",
        "/ai/v1/docs": "Exact",
    }


def test_only_settings_bundle_and_restarted_at_restart_pods(helm: Helm) -> None:
    """Settings, the bundle and `restartedAt` restart the pods; the chart's version, the batch and the route don't."""
    values = [option for path in helm.values("local") for option in ("--values", path)]

    def pods(*options: str) -> Any:
        (service,) = (each for each in objects(helm.render(*values, *options)) if each["kind"] == "InferenceService")
        labels, annotations = service["metadata"]["labels"], service["metadata"]["annotations"]
        predictor = service["spec"]["predictor"]
        return labels, annotations, {key: each for key, each in predictor.items() if "Replicas" not in key}

    before = pods()
    for change in ("server.mostWaitMs=60", "restartedAt=now", f"model.bundle={'b' * 64}", "rules.text=a: b"):
        assert pods("--set", change) != before, change
    for change in (
        "route.enabled=false",
        "autoscaling.minReplicas=3",
        "batch.enabled=true,batch.settings.input.type=x,batch.settings.output.type=x",
    ):
        assert pods("--set", change) == before, change
    assert not {"helm.sh/chart", "app.kubernetes.io/version"} & before[0].keys()


@pytest.mark.parametrize(
    "change",
    [
        "resources.requests.cpu=150m",
        "shipper.resources.limits.memory=600Mi",
        "model.resources.limits.memory=400Mi",
        "model.registry=gs://others/registry",
        "image.tag=76543ab",
        "probes.livenessFailures=7",
        "server.preStopSeconds=3",
        "terminationGracePeriodSeconds=300",
        "serviceAccount.name=other",
        "priorityClassName=high",
        SPREAD,
        EXTRAS,
        "nodeSelector.pool=risk",
        "auth.jwksConfigMap=others",
        "server.mostWaitMs=60",
        "rules.text=version: 7",
    ],
)
def test_a_change_that_makes_new_pods_changes_their_mark(helm: Helm, change: str) -> None:
    """The mark differs, so that the gate doesn't take pods from before the change for new ones."""
    assert _mark(helm, change) != _mark(helm)


@pytest.mark.parametrize(
    "change",
    [
        "autoscaling.minReplicas=3",
        "autoscaling.maxReplicas=9",
        "autoscaling.targetCpu=50",
        "rollout.maxSurge=2",
        "route.enabled=false",
        "batch.enabled=true,batch.settings.input.type=x,batch.settings.output.type=x",
        "networkPolicy.enabled=true",
        "restartedAt=now",
    ],
)
def test_a_change_without_new_pods_keeps_their_mark(helm: Helm, change: str) -> None:
    """The mark stays the same, so that adding a replica or changing a route restarts no pod."""
    assert _mark(helm, change) == _mark(helm)


def test_the_grace_period_is_the_sum_of_all_end_times(helm: Helm) -> None:
    """It is the server's preStop, drain and grace plus 10 s, and the shipper's drain plus 5 s if there is a shipper."""
    values = [option for path in helm.values("local") for option in ("--values", path)]

    def grace(*options: str) -> int:
        (service,) = (each for each in objects(helm.render(*values, *options)) if each["kind"] == "InferenceService")
        return service["spec"]["predictor"]["terminationGracePeriodSeconds"]

    times = ("--set", "server.preStopSeconds=3,server.graceSeconds=20,record.ship.drainSeconds=12")
    times += ("--set-json", "server.drainSeconds=7.5")
    assert grace(*times) == 3 + 8 + 20 + 10 + 12 + 5
    assert grace(*times, "--set", "record.enabled=false") == 3 + 8 + 20 + 10
    assert grace(*times, "--set", "terminationGracePeriodSeconds=120") == 120


@pytest.mark.parametrize("tag", ["6216774", "0123456", "12e3456", "6f44564-next"])
def test_a_tag_of_digits_stays_a_text(helm: Helm, tag: str) -> None:
    """A short hash that looks like a number to `--set` stays a text."""
    values = [option for path in helm.values("local") for option in ("--values", path)]
    (service,) = objects(helm.render(*values, "--set", f"image.tag={tag}", only="inferenceservice.yaml"))
    assert service["spec"]["predictor"]["containers"][0]["image"] == f"customer-risk:{tag}"


@pytest.mark.parametrize("change", VARIANTS)
def test_values_of_no_example_render_valid_objects(helm: Helm, change: str) -> None:
    """With parts off or of another kind, the objects are valid, and every mount has a volume in its pod."""
    values = [option for path in helm.values("local") for option in ("--values", path)]
    documents = objects(helm.render(*values, "--set", change))
    faults = {f"{each['kind']} {each['metadata']['name']}": fault(each) for each in documents}
    assert {name: said for name, said in faults.items() if said} == {}
    (predictor,) = (each["spec"]["predictor"] for each in documents if each["kind"] == "InferenceService")
    every = (*predictor.get("initContainers", ()), *predictor["containers"])
    mounted = {mount["name"] for each in every for mount in each["volumeMounts"]}
    assert mounted == {each["name"] for each in predictor["volumes"]}


def test_the_defaults_require_an_image(helm: Helm) -> None:
    """The defaults are for production and require an image."""
    with pytest.raises(Refused, match=r"image\.tag and image\.digest are both empty"):
        helm.render()


def test_helm_lint_finds_no_fault(helm: Helm, helm3: Helm) -> None:
    """`helm lint --strict` of both versions finds no fault, with the production example."""
    options = [option for path in helm.values("production-gke") for option in ("--values", path)]
    for each in (helm, helm3):
        passed, printed = each.lint(*options)
        assert passed, printed


def test_extras_are_in_every_pod_and_container(helm: Helm) -> None:
    """Labels, annotations, variables, volumes and mounts of the values reach the pods of server, batch and test."""
    options = [option for path in helm.values("batch") for option in ("--values", path)]
    documents = {each["kind"]: each for each in objects(helm.render(*options, "--set", EXTRAS))}
    predictor = documents["InferenceService"]["spec"]["predictor"]
    batch = documents["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]
    pods = [
        (predictor, predictor),
        (batch["metadata"], batch["spec"]),
        (documents["Pod"]["metadata"], documents["Pod"]["spec"]),
    ]
    containers = [each for _, spec in pods for each in (*spec["initContainers"], *spec["containers"])]
    assert all(meta["labels"]["team"] == "risk" and meta["annotations"]["note"] == "a" for meta, _ in pods)
    assert all("nodeAffinity" in spec["affinity"] for _, spec in pods)
    assert all({"name": "HTTPS_PROXY", "value": "http://proxy:3128"} in each["env"] for each in containers)
    mount = {"name": "authorities", "mountPath": "/etc/authorities"}
    assert (len(containers), all(mount in each["volumeMounts"] for each in containers)) == (7, True)


def test_a_constraint_with_a_selector_keeps_its_selector(helm: Helm) -> None:
    """The chart adds its selector of pods only to constraints without one."""
    options = [option for path in helm.values("production-gke") for option in ("--values", path)]
    own = {"topologyKey": "rack", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
    given = [own, own | {"labelSelector": {"matchLabels": {"a": "b"}}}]
    (service,) = objects(
        helm.render(
            *options, "--set-json", f"topologySpreadConstraints={json.dumps(given)}", only="inferenceservice.yaml"
        )
    )
    selector = {"serving.kserve.io/inferenceservice": "risk", "component": "predictor"}
    assert service["spec"]["predictor"]["topologySpreadConstraints"] == [
        own | {"labelSelector": {"matchLabels": selector}},
        given[1],
    ]


def _mark(helm: Helm, *changes: str) -> str:
    options: list[Any] = [option for path in helm.values("local") for option in ("--values", path)]
    for change in changes:
        options += ("--set", change)
    (service,) = objects(helm.render(*options, only="inferenceservice.yaml"))
    mark: str = service["metadata"]["annotations"]["customer-risk.deblock.com/config"]
    return mark


def _name(document: dict[str, Any]) -> str:
    return f"{document['kind']}/{document['metadata']['name']}"


def _paths(documents: list[dict[str, Any]]) -> set[str]:
    routes = [each for each in documents if each["kind"] == "HTTPRoute"]
    return {match["path"]["value"] for route in routes for rule in route["spec"]["rules"] for match in rule["matches"]}
