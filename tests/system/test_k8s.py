"""k8s/ and the pipeline's scripts by the real programs: kubectl, helm, gcloud's own parser, ShellCheck, a registry."""

from __future__ import annotations

import copy
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from k8s.gcloud.commands import main
from k8s.gcloud.resources import bindings, steps
from k8s.gcloud.site import Site
from tests.chart.extract import KSERVE, module
from tests.chart.helm import CHART, EXAMPLES, KUBERNETES, find, objects
from tests.chart.schema import fault
from tests.k8s.kustomize import build, kubectl

pytestmark = pytest.mark.system

ROOT = Path(__file__).parent.parent.parent
OVERLAYS = ("gke", "local")
ENVIRONMENTS = ("staging", "production")
SCRIPTS = sorted((ROOT / "scripts/cloudbuild").iterdir())
_FENCED = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SITE = Site(
    project="some-project",
    repository="projects/some-project/locations/l/connections/c/repositories/r",
    groups=tuple((name, f"group:{name}@example.com") for name in ("auditors", "erasers", "promoters", "approvers")),
)


@pytest.fixture(scope="module")
def overlays() -> dict[str, list[dict[str, Any]]]:
    """The objects of each overlay."""
    return {name: build(f"k8s/overlays/{name}") for name in OVERLAYS}


@pytest.fixture(scope="module")
def deployed() -> dict[str, list[dict[str, Any]]]:
    """The chart as the pipeline renders it, by environment."""
    made = {}
    for environment in ENVIRONMENTS:
        image = f"{SITE.images}/customer-risk@sha256:{'a' * 64}"
        given = ["--image", image, "--bundle", "b" * 64, "--host", f"{environment}.example.com"]
        words = ["--project", SITE.project, "values", environment, *given, "--issuer", "https://i/", "--audience", "a"]
        values = CliRunner().invoke(main, words, catch_exceptions=False).output
        files = ["--values", str(CHART / f"values-{environment}.yaml"), "--values", "-"]
        where = ["--namespace", f"customer-risk-{environment}", "--kube-version", KUBERNETES]
        command = [find(), "template", "customer-risk", str(CHART), *where, *files]
        done = subprocess.run(command, input=values, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        made[environment] = objects(done.stdout)
    return made


def _only(objects_: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    (found,) = (each for each in objects_ if each["kind"] == kind)
    return found


def _in(objects_: list[dict[str, Any]], kind: str, namespace: str) -> dict[str, Any]:
    return _only([each for each in objects_ if each["metadata"].get("namespace") == namespace], kind)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_api_server_accepts_every_object(overlays, overlay: str) -> None:
    """No field is unknown, of another type or missing; an unknown field is found."""
    for each in overlays[overlay]:
        assert fault(each) is None, each["metadata"]["name"]
        broken = copy.deepcopy(each)
        broken["metadata"]["surprise"] = 1
        assert "surprise" in str(fault(broken)), each["kind"]


def test_the_local_overlay_needs_no_gke(overlays) -> None:
    """The local overlay has no kind and no class that only GKE has."""
    versions = {each["apiVersion"] for each in overlays["local"]}
    assert not [version for version in versions if re.search("gke|google", version)]
    assert "gke" not in _only(overlays["local"], "Gateway")["spec"]["gatewayClassName"]


def test_every_namespace_has_security_quota_and_network_defaults(overlays) -> None:
    """Each namespace has pod security `restricted`, a quota, default resources, and no traffic by default."""
    every = overlays["gke"] + overlays["local"]
    names = {each["metadata"]["name"] for each in every if each["kind"] == "Namespace"} - {"gateway-system"}
    assert names == {"customer-risk-staging", "customer-risk-production", "customer-risk-local"}
    for name in names:
        (namespace,) = (each for each in every if each["kind"] == "Namespace" and each["metadata"]["name"] == name)
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
        networks = [
            each["spec"] for each in every if each["kind"] == "NetworkPolicy" and each["metadata"]["namespace"] == name
        ]
        closed = [{"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}]
        assert networks == (
            [] if name.endswith("-local") else closed
        )  # the chart's local values have no policy that would allow traffic
        (limits,) = _in(every, "LimitRange", name)["spec"]["limits"]
        assert limits["default"].keys() == {"memory", "ephemeral-storage"}  # `cpu` would put a CPU limit on the server
        assert limits["defaultRequest"].keys() == {"cpu", "memory", "ephemeral-storage"}
        assert (
            "limits.cpu" not in _in(every, "ResourceQuota", name)["spec"]["hard"]
        )  # with it, the server's pods would be refused


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_release_at_maximum_scale_fits_the_quota(overlays, deployed, environment: str) -> None:
    """A release at its maximum scale, with a rollout's surge and the test's pod, fits in its namespace's quota."""
    service = _only(deployed[environment], "InferenceService")["spec"]["predictor"]
    most = _only(deployed[environment], "HorizontalPodAutoscaler")["spec"]["maxReplicas"]
    beside = [each for each in service["initContainers"] if each.get("restartPolicy") == "Always"]
    cpu = sum(_cpu(each["resources"]["requests"]["cpu"]) for each in [*service["containers"], *beside])
    memory = sum(_gib(each["resources"]["limits"]["memory"]) for each in [*service["containers"], *beside])
    disk = sum(_gib(each["resources"]["limits"]["ephemeral-storage"]) for each in [*service["containers"], *beside])
    pods = most * 1.25 + 2
    hard = _in(overlays["gke"], "ResourceQuota", f"customer-risk-{environment}")["spec"]["hard"]
    assert pods * cpu <= _cpu(hard["requests.cpu"])
    assert pods * memory <= min(_gib(hard["requests.memory"]), _gib(hard["limits.memory"]))
    assert pods * disk <= min(_gib(hard["requests.ephemeral-storage"]), _gib(hard["limits.ephemeral-storage"]))
    assert pods <= int(hard["pods"])


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_deployed_objects_refer_to_objects_of_the_cluster(overlays, deployed, environment: str) -> None:
    """The cluster has the route's Gateway, listener and host, the priority class, and the account bound in IAM."""
    gateway = _only(overlays["gke"], "Gateway")
    route = _only(deployed[environment], "HTTPRoute")["spec"]
    (parent,) = route["parentRefs"]
    assert (parent["name"], parent["namespace"]) == (gateway["metadata"]["name"], gateway["metadata"]["namespace"])
    (listener,) = (each for each in gateway["spec"]["listeners"] if each["name"] == parent["sectionName"])
    (namespace,) = (each for each in overlays["gke"] if each["metadata"]["name"] == f"customer-risk-{environment}")
    assert (
        listener["allowedRoutes"]["namespaces"]["selector"]["matchLabels"].items()
        <= namespace["metadata"]["labels"].items()
    )
    priority = _only(deployed[environment], "InferenceService")["spec"]["predictor"].get("priorityClassName")
    assert priority in {None, _only(overlays["gke"], "PriorityClass")["metadata"]["name"]}
    account = _only(deployed[environment], "ServiceAccount")["metadata"]
    assert account["name"] == "customer-risk"
    assert account["annotations"]["iam.gke.io/gcp-service-account"] == SITE.pod(environment)


def test_only_productions_namespaces_may_claim_productions_host(overlays) -> None:
    """Each listener has its own host, and accepts routes only from the namespaces of one environment."""
    listeners = _only(overlays["gke"], "Gateway")["spec"]["listeners"]
    assert {each["name"]: each["hostname"] for each in listeners} == dict(SITE.hosts)
    for each in listeners:
        assert each["protocol"] == "HTTPS"
        allowed = each["allowedRoutes"]["namespaces"]
        assert allowed["selector"]["matchLabels"] == {"customer-risk.deblock.com/environment": each["name"]}


def test_the_gateway_has_the_names_of_the_setup(overlays) -> None:
    """The gateway has the names of the setup's certificate map, address and SSL policy."""
    gateway, policy = _only(overlays["gke"], "Gateway"), _only(overlays["gke"], "GCPGatewayPolicy")
    named = {
        ("certificate-manager", "maps"): gateway["metadata"]["annotations"]["networking.gke.io/certmap"],
        ("compute", "addresses"): gateway["spec"]["addresses"][0]["value"],
        ("compute", "ssl-policies"): policy["spec"]["default"]["sslPolicy"],
    }
    for group, name in named.items():
        assert any(step.make[1:5] == (*group, "create", name) for step in steps(SITE)), group


def test_the_deployers_role_permits_every_kind_of_the_chart(overlays, deployed) -> None:
    """The deployer's role permits all kinds of the examples and ConfigMaps, but no Secrets and no wider rights."""
    role = _only(overlays["gke"], "ClusterRole")
    may = {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    rendered = [each for path in EXAMPLES.glob("*/rendered/*.yaml") for each in objects(path.read_text())]
    kinds = {(each["apiVersion"], each["kind"]) for each in [*rendered, *deployed["staging"]]} | {("v1", "ConfigMap")}
    for version, kind in kinds:
        group = version.partition("/")[0] if "/" in version else ""
        resource = re.sub(r"ys$", "ies", kind.lower() + ("" if kind == "PodMonitoring" else "s")).replace("cys", "cies")
        resource = {"PodMonitoring": "podmonitorings", "Rules": "rules"}.get(kind, resource)
        verbs = {"get", "list", "watch", "create", "patch", "delete"}  # Helm 4 applies with patch and waits with watch
        assert {(group, resource, verb) for verb in verbs} <= may, (kind, resource)
    assert not {resource for _, resource, _ in may} & {
        *("secrets", "serviceaccounts/token", "roles", "rolebindings", "namespaces", "nodes"),
        *("pods/exec", "pods/attach", "pods/portforward", "pods/ephemeralcontainers", "*"),
    }
    assert "*" not in {verb for *_, verb in may}


def test_kserves_chart_makes_the_clusters_settings(overlays) -> None:
    """Installed by kserve/values.yaml, KServe 0.20 starts with what base/kserve.yaml would set."""
    chart = module(KSERVE) / "charts/kserve-resources"
    command = [
        find(),
        "template",
        "kserve",
        chart,
        "--namespace",
        "kserve",
        "--values",
        ROOT / "k8s/kserve/values.yaml",
    ]
    made = objects(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    (theirs,) = (each for each in made if each["metadata"]["name"] == "inferenceservice-config")
    ours = {key: json.loads(text) for key, text in _only(overlays["gke"], "ConfigMap")["data"].items()}
    told = {key: json.loads(theirs["data"][key]) for key in ours}
    assert ours["deploy"] == told["deploy"] == {"defaultDeploymentMode": "Standard"}
    assert ours["ingress"].items() <= told["ingress"].items()
    assert ours["ingress"]["disableIngressCreation"] is True
    assert not any(told["inferenceService"]["resource"].values())
    assert not ours["inferenceService"]["resource"]
    (rule,) = _only(overlays["gke"], "Rules")["spec"]["groups"][0]["rules"]
    assert f'deployment="{_only(made, "Deployment")["metadata"]["name"]}"' in rule["expr"]


def test_gcloud_accepts_every_written_command(tmp_path: Path) -> None:
    """The parser of gcloud accepts every command of the setup, the scripts and the guides, with all options."""
    if not shutil.which("gcloud"):
        pytest.skip("gcloud isn't here; its parser needs no account")
    written = [shlex.join(each) for step in steps(SITE) for each in step.commands() if each[0] == "gcloud"]
    for path in [*SCRIPTS, *(ROOT / "docs/guide").glob("*.md"), *(ROOT / "docs/decisions").glob("*.md")]:
        text = path.read_text(encoding="utf-8")
        written += _written("".join(_FENCED.findall(text)) if path.suffix == ".md" else text)
    assert len(written) > 80
    # One of each shape: other names and values change nothing for a parser that takes a fifth of a second for each.
    written = list({re.sub(r"=(?!\w+\.\w+$)\S+|customer-risk[\w-]*", "", text): text for text in written}.values())
    assert len(written) > 40
    nonsense = "gcloud storage buckets create gs://a-bucket --no-such-option=1"
    file = tmp_path / "commands.json"
    asked = [{"command_string": text, "ref_id": str(i)} for i, text in enumerate([*written, nonsense])]
    file.write_text(json.dumps(asked), encoding="utf-8")
    told = subprocess.run(
        ["gcloud", "meta", "lint-gcloud-commands", f"--commands-file={file}"],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    refused = {each["command_string"]: each["error_message"] for each in json.loads(told) if not each["success"]}
    assert len(json.loads(told)) >= len({*written, nonsense})
    assert "--no-such-option" in refused.pop(next(text for text in refused if "no-such-option" in text))
    assert refused == {}


def test_kubectl_accepts_the_bindings(tmp_path: Path) -> None:
    """Each command creates one RoleBinding of the deployer's role for one account."""
    program = kubectl()
    assert program, "kubectl is neither in PATH nor named by KUBECTL"
    for step in bindings(SITE):
        command = [program, *step.make[1:], "--dry-run=client", "--output=json"]
        environment = os.environ | {"KUBECONFIG": str(tmp_path / "none")}
        done = subprocess.run(command, capture_output=True, check=False, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        made = json.loads(done.stdout)
        assert made["roleRef"]["name"] == "customer-risk-deployer"
        assert [each["kind"] for each in made["subjects"]] == ["User"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_every_script_is_valid_bash(script: Path) -> None:
    """Each script is valid, stops at the first failure, and passes ShellCheck if it is installed."""
    subprocess.run(["bash", "-n", script], check=True)
    assert "\nset -euo pipefail\n" in script.read_text(encoding="utf-8")
    if checker := shutil.which("shellcheck"):
        done = subprocess.run([checker, script], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_the_champion_is_resolved_once_for_all_environments(tmp_path: Path, command: Path) -> None:
    """The step prints the hash that `aliases.json` has for champion, reads only that file, and stores the hash."""
    copy_ = _copy(tmp_path, "bundle")
    history = {"at": "2026-01-01T00:00:00Z", "by": "a", "why": "b", "bundle": "c" * 64}
    document = {"schema_version": 1, "champion": "c" * 64, "history": [{**history, "action": "add"}]}
    registry = tmp_path / "registry"
    registry.mkdir()
    (registry / "aliases.json").write_text(json.dumps(document), encoding="utf-8")
    (copy_ / ".venv/bin").mkdir(parents=True)
    (copy_ / ".venv/bin/customer-risk").symlink_to(command)
    done = _run(copy_, "bundle", str(registry), "some/image@sha256:0")
    assert done.stdout.strip() == "c" * 64, done.stderr
    assert (copy_ / "build/release/bundle").read_text().strip() == "c" * 64
    assert (copy_ / "build/release/image").read_text().strip() == "some/image@sha256:0"


def _copy(tmp_path: Path, *scripts: str) -> Path:
    """A checkout with only these scripts, so that their output is separate from another run's."""
    folder = tmp_path / "checkout"
    (folder / "scripts/cloudbuild").mkdir(parents=True)
    for name in scripts:
        shutil.copy(ROOT / "scripts/cloudbuild" / name, folder / "scripts/cloudbuild" / name)
    return folder


def _run(folder: Path, script: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [folder / "scripts/cloudbuild" / script, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _written(text: str) -> list[str]:
    """Commands of scripts and guides, each on one line; each variable is replaced by a word."""
    commands = []
    for line in re.findall(r"^(?:.*\$\()?[ \t]*(gcloud [a-z].*)", text.replace("\\\n", " "), re.MULTILINE):
        lexer = shlex.shlex(re.sub(r'"?\$\{where\[@\]\}"?', "", line), posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words = itertools.takewhile(lambda word: not set(word) <= set("();<>|&"), lexer)
        commands.append(shlex.join(re.sub(r"\$\{?\w+\}?", "word", word) for word in words))
    return commands


def _cpu(text: str) -> float:
    return float(text.removesuffix("m")) / (1000 if text.endswith("m") else 1)


def _gib(text: str) -> float:
    return float(text[:-2]) / {"Gi": 1, "Mi": 1024}[text[-2:]]


def test_the_operators_jobs_start_only_by_hand_and_have_the_deployers_rights() -> None:
    """The API server accepts the Jobs, whose CronJobs are suspended, and whose pods meet pod-security `restricted`."""
    text = (ROOT / "k8s/operator/operator.yaml").read_text(encoding="utf-8")
    for word, value in {"NAMESPACE": "risk", "RELEASE": "first", "IMAGE": "operator:1"}.items():
        text = re.sub(rf"\b{word}\b", value, text)
    documents = objects(text)
    (binding,) = (each for each in documents if each["kind"] == "RoleBinding")
    assert binding["roleRef"]["name"] == "customer-risk-deployer"
    assert [said for each in documents if each["kind"] != "RoleBinding" and (said := fault(each))] == []
    jobs = {each["metadata"]["name"]: each["spec"] for each in documents if each["kind"] == "CronJob"}
    assert all(spec["suspend"] for spec in jobs.values())
    for command, spec in zip(("rollback", "gate"), jobs.values(), strict=True):
        pod = spec["jobTemplate"]["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert container["args"] == [command, "--release", "first", "--namespace", "risk"]
        assert (pod["securityContext"]["runAsNonRoot"], pod["serviceAccountName"]) == (True, "customer-risk-operator")
        assert container["securityContext"]["readOnlyRootFilesystem"]
