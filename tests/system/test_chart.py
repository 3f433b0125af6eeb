"""The chart: what it renders to, and that the API servers it targets would take it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.chart.helm import CHART, EXAMPLES, Helm, Refused, cases, objects
from tests.chart.schema import fault

pytestmark = pytest.mark.system


VARIANTS = [
    "model.baked=true",
    "model.baked=true,record.enabled=false",
    "record.enabled=false",
    "grpc.enabled=false",
    "route.enabled=false",
    "test.enabled=false",
    "auth.enabled=false",
    "server.preStopSeconds=0",
    "spread.zones=DoNotSchedule,spread.nodes=ScheduleAnyway,priorityClassName=high",
    "record.spool.hostPath=/var/spool/customer-risk",
    "model.registry=/mnt/registry/models,model.registryVolume.persistentVolumeClaim.claimName=models",
    "image.pullSecrets[0]=registry,nodeSelector.pool=risk,tolerations[0].key=risk,tolerations[0].operator=Exists",
    "serviceAccount.create=false,serviceAccount.name=other",
    "disruption.minAvailable=1,disruption.maxUnavailable=null,rollout.maxSurge=50%",
    "networkPolicy.enabled=true,networkPolicy.gatewayCidrs=null,networkPolicy.gatewayNamespace=gateway",
    "networkPolicy.enabled=true,networkPolicy.egress.also[0].namespace=tools,networkPolicy.egress.also[0].port=9050",
    "route.timeout=10s,route.gateway.sectionName=https",
    "autoscaling.inFlight.enabled=true",
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
def test_an_examples_render_is_what_stands_beside_it(helm: Helm, case: str) -> None:
    """A change of the chart shows in the examples; `scripts/chart/render` writes them anew."""
    stored = {path.name: path.read_text(encoding="utf-8") for path in (EXAMPLES / case / "rendered").iterdir()}
    assert helm.example(case) == stored


@pytest.mark.parametrize("case", cases())
def test_helm_3_renders_the_same(helm: Helm, helm3: Helm, case: str) -> None:
    """Both versions of Helm render the same text, so that changing the version of Helm changes no pod."""
    assert helm3.example(case) == helm.example(case)


@pytest.mark.parametrize("change", VARIANTS)
def test_helm_3_renders_the_same_where_values_differ_from_every_example(helm: Helm, helm3: Helm, change: str) -> None:
    """With parts that are off and values that are null, both versions render the same objects."""
    values = [option for path in helm.values("local") for option in ("--values", path)]
    assert objects(helm3.render(*values, "--set", change)) == objects(helm.render(*values, "--set", change))


def test_helm_3_refuses_the_same_values(helm: Helm, helm3: Helm) -> None:
    """Both versions refuse a contradiction and an unknown key, and say the same reason."""
    for change, said in (("image.tag=latest", "another image next week"), ("surprise=1", "surprise")):
        values = [option for path in helm.values("local") for option in ("--values", path)]
        for each in (helm, helm3):
            with pytest.raises(Refused, match=said):
                each.render(*values, "--set", change)


@pytest.mark.parametrize("case", cases())
def test_every_object_is_one_that_the_api_server_takes(rendered, case: str) -> None:
    """No field is unknown, of another type or missing: Kubernetes 1.34, KServe 0.20, Gateway API 1.3, GKE's own."""
    faults = {f"{each['kind']} {each['metadata']['name']}": fault(each) for each in rendered[case]}
    assert {name: said for name, said in faults.items() if said} == {}


def test_a_field_that_nobody_knows_is_seen(rendered) -> None:
    """In every kind that the chart makes, at the top, in metadata, and as deep as one looks."""
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
    """What the chart can make is looked at by the tests of this folder."""
    made = {each["kind"] for case in rendered.values() for each in case}
    named = set()
    for path in CHART.glob("templates/**/*.yaml"):
        text = path.read_text(encoding="utf-8").splitlines()
        named |= {line.removeprefix("kind: ") for line in text if line.startswith("kind: ")}
    assert made == named


def test_two_models_share_no_name_and_no_path(helm: Helm) -> None:
    """Two releases in one namespace and at one host stand side by side."""
    first, second = (objects("".join(helm.example(case).values())) for case in ("production-gke", "second-model"))
    assert not {_name(each) for each in first} & {_name(each) for each in second}
    assert not _paths(first) & _paths(second)
    (base,) = {path.rsplit("/risk", 1)[0].rsplit("/", 1)[0] for path in _paths(second) if path.endswith("/docs")}
    assert base == "/ai/v1/business"


def test_another_path_base_is_rewritten_to_the_servers_own(helm: Helm) -> None:
    """By prefix, which is what GKE's gateway can do; each of the five paths leads to its own."""
    (route,) = (each for each in objects(helm.example("second-model")["route.yaml"]))
    for rule in route["spec"]["rules"]:
        ((match,), (rewrite,)) = rule["matches"], rule["filters"]
        assert match["path"]["type"] == "PathPrefix"
        replaced = rewrite["urlRewrite"]["path"]["replacePrefixMatch"]
        assert match["path"]["value"].replace("/ai/v1/business", "/ai/v1") == replaced


def test_the_route_takes_exactly_what_the_service_offers_the_world(helm: Helm) -> None:
    """Exact paths, and the jobs' as a prefix: /ai/v1/risk alone as a prefix would miss /ai/v1/risk:batch."""
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


def test_what_rolls_the_pods_and_what_does_not(helm: Helm) -> None:
    """Settings, the bundle and `restartedAt` do; a version of the chart, the batch's settings and the route don't."""
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
        "spread.nodes=ScheduleAnyway",
        "nodeSelector.pool=risk",
        "auth.jwksConfigMap=others",
        "server.mostWaitMs=60",
        "rules.text=version: 7",
    ],
)
def test_what_makes_new_pods_changes_the_mark_that_the_gate_knows_them_by(helm: Helm, change: str) -> None:
    """Else the gate would take pods from before the change for new ones, and open while they are still there."""
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
def test_what_makes_no_new_pods_leaves_the_mark_as_it_is(helm: Helm, change: str) -> None:
    """Else adding a replica or switching a route would restart every pod; `restartedAt` is a mark of its own."""
    assert _mark(helm, change) == _mark(helm)


def test_the_grace_period_follows_what_ending_takes(helm: Helm) -> None:
    """Of the server: preStop, drain, grace and ten more; then the shipper's drain and five, where there is one."""
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
def test_a_tag_of_digits_stays_what_it_is(helm: Helm, tag: str) -> None:
    """A short hash may look like a number, to `--set` above all."""
    values = [option for path in helm.values("local") for option in ("--values", path)]
    (service,) = objects(helm.render(*values, "--set", f"image.tag={tag}", only="inferenceservice.yaml"))
    assert service["spec"]["predictor"]["containers"][0]["image"] == f"customer-risk:{tag}"


@pytest.mark.parametrize("change", VARIANTS)
def test_what_no_example_has_is_taken_too(helm: Helm, change: str) -> None:
    """Parts that are off, or of another kind: the objects are sound, and every mount is a volume of its pod."""
    values = [option for path in helm.values("local") for option in ("--values", path)]
    documents = objects(helm.render(*values, "--set", change))
    faults = {f"{each['kind']} {each['metadata']['name']}": fault(each) for each in documents}
    assert {name: said for name, said in faults.items() if said} == {}
    (predictor,) = (each["spec"]["predictor"] for each in documents if each["kind"] == "InferenceService")
    every = (*predictor.get("initContainers", ()), *predictor["containers"])
    mounted = {mount["name"] for each in every for mount in each["volumeMounts"]}
    assert mounted == {each["name"] for each in predictor["volumes"]}


def test_without_a_values_file_nothing_is_rendered(helm: Helm) -> None:
    """The defaults are production's, which asks for an image."""
    with pytest.raises(Refused, match=r"image\.tag and image\.digest are both empty"):
        helm.render()


def test_the_chart_has_no_faults_that_helm_knows_of(helm: Helm, helm3: Helm) -> None:
    """`helm lint --strict` of both versions finds no fault, with the production example."""
    for each in (helm, helm3):
        done = each.lint("production-gke")
        assert "0 chart(s) failed" in done, done


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
