"""Bad values: the chart refuses them, with all their problems in one message, before anything reaches a cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.helm import CHART, Helm, Refused

pytestmark = pytest.mark.system

# An example, a values file on top of it, and a part of each problem that the chart reports, in order.
BAD = [
    (
        "production-gke",
        """
        disruption: {maxUnavailable: 1}
        spread: {zones: DoNotSchedule}
        image: {tag: latest, digest: ""}
        model: {baked: true}
        autoscaling: {minReplicas: 2, maxReplicas: 1}
        podDisruptionBudget: {maxUnavailable: 0}
        terminationGracePeriodSeconds: 49
        server: {keepAliveSeconds: 10, metrics: scope, drainSeconds: 5}
        alerts: {disabled: [CustomerRiskTypo], thresholds: {flaggedMinimum: 0.2}}
        serviceAccount: {create: false}
        podLabels: {app: x, app.kubernetes.io/name: x, team: risk}
        podAnnotations: {customer-risk.deblock.com/config: x, note: x}
        extraEnv: [{name: A, value: a}, {name: A, value: b}, {name: B}, {name: C, value: "", valueFrom: {}}]
        extraVolumes: [{name: tmp}, {name: a}, {name: a}]
        extraVolumeMounts: [{name: b, mountPath: /b}]
        record: {enabled: false}
        auth: {enabled: false}
        store: {kind: redis, url: "redis://user:password@redis:6379/0"}
        route: {host: "", timeout: 10s, gke: {healthCheck: {timeoutSeconds: 6}}}
        networkPolicy: {gatewayCidrs: [], egress: {also: []}}
        """,
        [
            "disruption was renamed to podDisruptionBudget",
            "spread was renamed to topologySpreadConstraints",
            "image.tag is latest",
            "image.digest is empty: production",
            "model.baked is true",
            "autoscaling.minReplicas (2) is above autoscaling.maxReplicas (1)",
            "autoscaling.minReplicas is 2: production",
            "podDisruptionBudget.maxUnavailable is 0",
            "terminationGracePeriodSeconds (49) is too short",
            "server.keepAliveSeconds is 10",
            "the podMonitoring of the chart sends no token",
            "alerts.disabled has CustomerRiskTypo, which is not an alert. The alerts are CustomerRiskAvailabilityBurn,",
            "alerts.thresholds.flaggedMinimum (0.2) is not below alerts.thresholds.flaggedMaximum (0.1)",
            "serviceAccount.name is empty",
            "podLabels has app, by",
            "podLabels has app.kubernetes.io/name, by",
            "podAnnotations has customer-risk.deblock.com/config",
            "extraEnv has the name A more than once",
            "extraEnv: B needs either value or valueFrom",
            "extraEnv: C needs either value or valueFrom",
            "extraVolumes has the name tmp, which is a volume of the chart",
            "extraVolumes has the name a more than once",
            "extraVolumeMounts has the name b",
            "record.enabled is false: production",
            "auth.enabled is false: production",
            "store.url and store.urlSecret.name are both set",
            "store.url has a user or password",
            "route.enabled is true, which needs route.gateway.name and route.host",
            "route.timeout is set",
            "until the load balancer sees",
            "timeoutSeconds is above intervalSeconds",
            "networkPolicy admits no gateway",
            "doesn't let pods reach Redis",
        ],
    ),
    (
        "production-gke",
        """
        podDisruptionBudget: {maxUnavailable: ""}
        record: {keySecret: {name: ""}, spool: {hostPath: /spool}}
        auth: {jwksConfigMap: keys, scopeClaims: [scope, roles]}
        test: {tokenSecret: ""}
        store: {kind: redis, urlSecret: {name: ""}}
        """,
        [
            "podDisruptionBudget.maxUnavailable and podDisruptionBudget.minAvailable are both empty",
            "record.customerId is hashed, but record.keySecret.name is empty",
            "record.spool.hostPath and record.spool.claim are both set",
            "auth.jwks and auth.jwksConfigMap are both set",
            "auth.scopeClaims has roles: every administrator",
            "`helm test` would be rejected",
            "store.url and store.urlSecret.name are empty",
        ],
    ),
    (
        "production-gke",
        """
        podDisruptionBudget: {minAvailable: 2}
        store: {kind: file}
        networkPolicy: {egress: {also: []}}
        """,
        ["are both set", "a pod that doesn't have its job", "doesn't let pods reach the issuer"],
    ),
    (
        "production-gke",
        """
        podDisruptionBudget: {maxUnavailable: "", minAvailable: 3}
        auth: {issuer: ""}
        route: {gateway: {name: ""}}
        """,
        [
            "minAvailable (3) is not below autoscaling.minReplicas (3)",
            "which needs auth.issuer",
            "needs route.gateway.name",
        ],
    ),
    (
        "staging",
        """
        autoscaling: {minReplicas: 1}
        record:
          sinks:
            [{type: gcs}, {type: bigquery, project: p, table: ""}, {type: folder, path: /data}, {type: gcs, bucket: b}]
        server: {keepAliveSeconds: 600}
        scratchSize: 4Gi
        """,
        [
            "autoscaling.minReplicas is 1: staging",
            "server.keepAliveSeconds is 600",
            "the gcs sink has no bucket",
            "the bigquery sink needs a project and a dataset",
            "the bigquery sink's table is empty",
            "a folder is lost with the pod",
            "record.sinks has two sinks of type gcs",
            "The disks of a server's pod (record.outboxSize, scratchSize, model.diskSize) have 6656 MiB",
            "The disks of the test's pod (scratchSize, model.diskSize) have 4608 MiB",
        ],
    ),
    ("staging", "record: {sinks: []}", ["record.sinks is empty"]),
    ("staging", "resources: {limits: {ephemeral-storage: 3Gi}}", ["The disks of a server's pod"]),
    (
        "local",
        """
        image: {tag: ""}
        model: {bundle: "", registry: "", endpoint: "http://user:password@emulators:4443"}
        record: {outboxSize: 16Mi}
        route: {gke: {enabled: true}}
        """,
        [
            "image.tag and image.digest are both empty",
            "model.bundle is empty",
            "model.registry is empty",
            "server.keepAliveSeconds is 65",
            "record.fileBytes is more than a fifth",
            "model.endpoint has a user or password",
            "until the load balancer sees",
        ],
    ),
    ("local", "model: {registry: /mnt/registry}", ["model.registryVolume is empty"]),
    (
        "local",
        "model: {registry: /models, registryVolume: {persistentVolumeClaim: {claimName: models}}}",
        ["model.registryVolume is mounted at /mnt/registry"],
    ),
    (
        "batch",
        """
        record: {customerId: hashed, keySecret: {name: key}}
        batch: {scratchSize: 5Gi, settings: {input: null, record: {folder: /data, ship: {spool: /spool}}}}
        """,
        [
            "The disks of the batch's pod",
            "batch.settings lacks `input` or `output`",
            "batch.settings.record.folder isn't",
            "batch.settings.record.customer_id isn't",
            "batch.settings.record.ship.spool is set",
        ],
    ),
    (
        "batch",
        """
        record: {keySecret: {name: key}}
        batch: {settings: {output: null, record: {customer_id: hashed}}}
        """,
        ["batch.settings lacks", "which needs record.keySecret.name and the key_file"],
    ),
    (
        "batch",
        "batch: {settings: {record: {customer_id: hashed, key_file: /etc/customer-risk/secrets/record-key}}}",
        ["which needs record.keySecret.name and the key_file"],
    ),
    ("second-model", "networkPolicy: {scraperNamespaces: [gke-gmp-system]}", ["admits only Google's collectors"]),
    ("second-model", "networkPolicy: {scraperNamespaces: []}", ["admits only Google's collectors"]),
]


VALUES = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def reported(helm: Helm, tmp_path_factory) -> list[list[str]]:
    """The problems that the chart reports for each of BAD."""
    found = []
    for case, text, _ in BAD:
        with pytest.raises(Refused) as caught:
            helm.render(*_values(case, text, tmp_path_factory.mktemp("bad")))
        found.append(re.findall(r"^- (.*)", str(caught.value), re.MULTILINE))
    return found


def _values(case: str, text: str, folder: Path) -> list[str]:
    """Return the options for an example with a values file on top."""
    file = folder / "bad.yaml"
    file.write_text(text, encoding="utf-8")
    return [option for path in (*Helm.values(case), file) for option in ("--values", str(path))]


def test_all_contradictions_are_in_one_message(reported) -> None:
    """`helm template` renders nothing and reports each contradiction on a line of its own."""
    for (_, text, problems), lines in zip(BAD, reported, strict=True):
        assert len(lines) == len(problems), (text, lines)
        assert [part for part, line in zip(problems, lines, strict=True) if part not in line] == []


@pytest.mark.parametrize("number", range(len(BAD)))
def test_helm_lint_reports_the_same_contradictions(helm: Helm, reported, number: int, tmp_path) -> None:
    """`helm lint` fails with the lines of `helm template`."""
    passed, printed = helm.lint(*_values(*BAD[number][:2], tmp_path))
    assert not passed
    assert [line for line in reported[number] if line.replace('"', '\\"') not in printed] == []


def test_every_problem_that_the_chart_reports_is_provoked(helm: Helm, reported) -> None:
    """Each problem in _checks.tpl is one of those above, or a name that is too long."""
    text = (CHART / "templates/_checks.tpl").read_text(encoding="utf-8")
    problems = [line[2:] for line in text.splitlines() if line.startswith("- ")]
    with pytest.raises(Refused, match="is not a valid name of an InferenceService") as caught:
        helm.render(name="n" * 47)
    provoked = [*str(caught.value).replace("\n- ", "\n").splitlines(), *(line for lines in reported for line in lines)]
    patterns = {problem: ".*".join(map(re.escape, re.split(r"{{.*?}}", problem))) for problem in problems}
    unseen = [problem for problem in problems if not any(re.fullmatch(patterns[problem], line) for line in provoked)]
    assert (len(problems) > 50, unseen) == (True, [])


@pytest.mark.parametrize(
    ("case", "change"),
    [
        ("second-model", "networkPolicy.scraperNamespaces={gmp-system,monitoring}"),
        ("second-model", "networkPolicy.scraperNamespaces={gmp-system},networkPolicy.enabled=false"),
        ("production-gke", "auth.scopeClaims={scope,roles},auth.scopePrefix=risk:"),
        ("production-gke", "server.metrics=scope,monitoring.kind=none"),
        ("production-gke", "server.keepAliveSeconds=601"),
        ("production-gke", "serviceAccount.create=false,serviceAccount.name=default"),
        ("production-gke", "podDisruptionBudget.maxUnavailable=,podDisruptionBudget.minAvailable=2"),
        ("batch", "record.customerId=hashed,record.keySecret.name=key,batch.settings.record.enabled=false"),
        ("local", "terminationGracePeriodSeconds=null,logs.project=null"),
    ],
)
def test_values_that_only_resemble_a_contradiction_are_accepted(helm: Helm, case: str, change: str) -> None:
    """One scraper, a batch without a record, and null for values that allow it are accepted."""
    options = [option for path in Helm.values(case) for option in ("--values", path)]
    assert "kind: InferenceService" in helm.render(*options, "--set", change)


def _defaults(values: dict[str, Any], *above: str) -> Iterator[tuple[str, ...]]:
    """Yield the paths of all sections and values whose default isn't null, except Kubernetes' resources."""
    for key, value in values.items():
        if value is not None:
            yield (*above, key)
        if isinstance(value, dict) and key not in {"requests", "limits"}:
            yield from _defaults(value, *above, key)


@pytest.mark.parametrize("depth", range(1, 5))
def test_a_null_is_refused_by_name(helm: Helm, depth: int) -> None:
    """Helm removes a section or a value that is set to null; the message names each one that is missing."""
    paths = [path for path in _defaults(VALUES) if len(path) == depth]
    assert paths
    with pytest.raises(Refused) as caught:
        helm.render("--set", ",".join(f"{'.'.join(path)}=null" for path in paths))
    missing = {
        f"{section.replace('/', '.')}.{name}".strip(".")
        for section, names in re.findall(r"at '(.*)': missing propert(?:y|ies) (.*)", str(caught.value))
        for name in re.findall(r"'([^']+)'", names)
    }
    assert {".".join(path) for path in paths} - missing == set()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("server.drain_seconds=5", "drain_seconds"),
        ("surprise=1", "surprise"),
        ("autoscaling.targetCpu=0", "targetCpu"),
        ("image.digest=sha256:abc", "digest"),
        ("image.repository=customer-risk:latest", "repository"),
        ("model.bundle=champion", "bundle"),
        ("record.sinks[0].type=s3", "sinks"),
        ("record.sinks[0].buckets=b", "sinks"),
        ("environment=prod", "environment"),
        ("route.pathBase=ai", "pathBase"),
        ("shipper.resources.limits.memory=512", "memory"),
        ("extraEnv[0].value=a", "extraEnv"),
        ("topologySpreadConstraints[0].whenUnsatisfiable=Never", "whenUnsatisfiable"),
        ("affinity.nodes=a", "affinity"),
    ],
)
def test_an_invalid_value_is_named(helm: Helm, change: str, said: str) -> None:
    """The schema refuses unknown keys, other types and other choices; `helm lint` does too."""
    options = [option for path in Helm.values("staging") for option in ("--values", path)]
    with pytest.raises(Refused, match="don't meet the specifications") as caught:
        helm.render(*options, "--set", change)
    assert said in str(caught.value)
    passed, printed = helm.lint(*options, "--set", change)
    assert (passed, said in printed) == (False, True)
