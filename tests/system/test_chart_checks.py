"""Values that can't be meant: the chart says what is wrong with them before anything reaches a cluster."""

from __future__ import annotations

import pytest

from tests.chart.helm import CHART, Helm, Refused

pytestmark = pytest.mark.system

# What is set on top of an example, and what is said.
CONTRADICTIONS = [
    ("production-gke", "autoscaling.minReplicas=9,autoscaling.maxReplicas=8", "minReplicas (9) is above"),
    ("production-gke", "autoscaling.minReplicas=2", "production keeps three pods"),
    ("production-gke", "autoscaling.minReplicas=1", "production keeps three pods"),
    ("staging", "autoscaling.minReplicas=1", "staging keeps two pods"),
    ("production-gke", "disruption.maxUnavailable=null", "both null: give one"),
    ("production-gke", "disruption.minAvailable=2", "both given: set one to null"),
    ("production-gke", "disruption.maxUnavailable=null,disruption.minAvailable=3", "no node could ever be drained"),
    ("production-gke", "disruption.maxUnavailable=0", "no node could ever be drained"),
    ("production-gke", "terminationGracePeriodSeconds=84", "is too short"),
    ("local", "image.tag=", "image.tag and image.digest are both empty"),
    ("local", "image.tag=latest", "another image next week"),
    ("production-gke", "image.digest=,image.tag=0123abc", "production runs an image by its digest"),
    ("production-gke", "model.baked=true", "production fetches its bundle"),
    ("local", "model.bundle=", "model.bundle is empty"),
    ("local", "model.registry=", "model.registry is empty"),
    ("local", "model.registry=/mnt/registry", "no volume has it"),
    (
        "local",
        "model.registry=/models,model.registryVolume.persistentVolumeClaim.claimName=models",
        "mounted at /mnt/registry",
    ),
    ("staging", "record.sinks=null", "record.sinks is empty"),
    ("staging", "record.sinks[0].bucket=", "the gcs sink has no bucket"),
    ("staging", "record.sinks[1].dataset=", "needs a project and a dataset"),
    ("staging", "record.sinks[1].project=", "needs a project and a dataset"),
    ("staging", "record.sinks[1].table=", "sink's table is empty"),
    ("production-gke", "record.enabled=false", "production records every decision"),
    ("production-gke", "record.keySecret.name=", "hashing takes a key"),
    ("production-gke", "record.spool.hostPath=/spool", "a spool is one of them"),
    ("local", "record.outboxSize=16Mi", "more than a fifth"),
    ("production-gke", "auth.enabled=false", "lets nobody in without a token"),
    ("production-gke", "auth.jwksConfigMap=keys", "come from one of them"),
    ("production-gke", "auth.scopeClaims={scope,roles}", "every administrator of another service"),
    ("production-gke", "auth.issuer=", "which takes auth.issuer"),
    ("production-gke", "auth.jwks=", "which takes auth.issuer"),
    ("production-gke", "test.tokenSecret=", "`helm test` would be refused"),
    ("production-gke", "store.urlSecret.name=", "says where it is"),
    ("production-gke", "store.url=redis://redis:6379/0", "both given: the address"),
    ("production-gke", "store.urlSecret.name=,store.url=redis://u:p@redis:6379/0", "which a ConfigMap would show"),
    ("production-gke", "store.kind=file", "a pod that doesn't know it"),
    ("production-gke", "route.gateway.name=", "takes route.gateway.name"),
    ("production-gke", "route.host=", "takes route.gateway.name"),
    ("production-gke", "route.timeout=10s", "GKE's gateway, which refuses"),
    ("production-gke", "server.drainSeconds=5", "requests to a closed port"),
    ("production-gke", "route.gke.healthCheck.timeoutSeconds=6", "which Google refuses"),
    ("production-gke", "networkPolicy.egress.also=null,store.kind=file,jobs.enabled=false", "reach no issuer"),
    ("production-gke", "networkPolicy.egress.also=null,auth.jwks=,auth.jwksConfigMap=keys", "reach no Redis"),
    ("production-gke", "networkPolicy.gatewayCidrs=null", "lets no gateway in"),
    ("batch", "batch.settings.input=null", "lacks `input` or `output`"),
    ("batch", "batch.settings.output=null", "lacks `input` or `output`"),
    ("batch", "batch.settings.record.folder=/data", "has a disk for it"),
    ("batch", "record.customerId=hashed,record.keySecret.name=key", "the ids of the same customers as they are"),
    ("batch", "batch.settings.record.customer_id=hashed,record.keySecret.name=key", "batch's pod has that key"),
    (
        "batch",
        "batch.settings.record.customer_id=hashed,batch.settings.record.key_file=/etc/customer-risk/secrets/record-key",
        "batch's pod has that key",
    ),
    ("batch", "batch.settings.record.ship.spool=/var/lib/customer-risk/spool", "to their own sinks"),
    ("second-model", "networkPolicy.scraperNamespaces={gmp-system}", "lets only Google's collectors in"),
    ("second-model", "networkPolicy.scraperNamespaces={gke-gmp-system,gmp-system}", "lets only Google's collectors in"),
    ("second-model", "networkPolicy.scraperNamespaces=null", "lets only Google's collectors in"),
    ("production-gke", "server.metrics=scope", "of the chart sends no token"),
    ("local", "model.endpoint=http://user:password@emulators:4443", "holds a user or password in a URL"),
    ("staging", "record.outboxSize=3Gi", "disks of a server's pod"),
    ("staging", "resources.limits.ephemeral-storage=3Gi", "disks of a server's pod"),
    ("staging", "scratchSize=1536Mi", "disks of the test's pod"),
    ("batch", "batch.scratchSize=5Gi", "disks of the batch's pod"),
    ("local", "fullnameOverride=", "at most 46 small letters"),
]


def _with(case: str) -> list[str]:
    return [option for path in Helm.values(case) for option in ("--values", str(path))]


@pytest.mark.parametrize(("case", "change", "said"), CONTRADICTIONS)
def test_a_contradiction_ends_the_command_with_a_sentence(helm: Helm, case: str, change: str, said: str) -> None:
    """Nothing is rendered, and the message names the values."""
    name = "n" * 47 if "fullname" in change else "risk"
    with pytest.raises(Refused) as caught:
        helm.render(*_with(case), "--set", change, name=name)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("case", "change"),
    [
        ("second-model", "networkPolicy.scraperNamespaces={gmp-system,monitoring}"),
        ("second-model", "networkPolicy.scraperNamespaces=null,networkPolicy.enabled=false"),
        ("production-gke", "auth.scopeClaims={scope,roles},auth.scopePrefix=risk:"),
        ("production-gke", "server.metrics=scope,monitoring.kind=none"),
        ("batch", "record.customerId=hashed,record.keySecret.name=key,batch.settings.record.enabled=false"),
    ],
)
def test_what_only_looks_like_a_contradiction_is_taken(helm: Helm, case: str, change: str) -> None:
    """One scraper that comes in is enough, without a policy all do; a batch without a record has no ids to hash."""
    assert "kind: InferenceService" in helm.render(*_with(case), "--set", change)


def test_every_sentence_of_the_chart_is_provoked() -> None:
    """A check that nothing provokes might never fire."""
    text = (CHART / "templates/_checks.tpl").read_text(encoding="utf-8")
    sentences = [line for line in text.splitlines() if "fail " in line and "{{-" in line]
    unseen = [line for line in sentences if not any(said in line for said in _said())]
    assert (len(sentences) > 30, unseen) == (True, [])


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
        ("resources.limits=null", "resources"),
        ("shipper.resources.limits.memory=512", "memory"),
    ],
)
def test_a_value_that_cannot_be_is_named(helm: Helm, change: str, said: str) -> None:
    """By the schema: unknown keys, other types, words that aren't choices."""
    with pytest.raises(Refused, match="don't meet the specifications") as caught:
        helm.render(*_with("staging"), "--set", change)
    assert said in str(caught.value)


def _said() -> set[str]:
    # In a template, a number stands as its verb.
    return {said.replace("(9)", "(%d)") for _, _, said in CONTRADICTIONS} | {
        "record.sinks: a folder of the pod ends with it",
        "record.sinks has two of type",
    }


@pytest.mark.parametrize(
    ("sinks", "said"),
    [
        ('[{"type":"folder","path":"/data"}]', "a folder of the pod ends with it"),
        ('[{"type":"gcs","bucket":"a"},{"type":"gcs","bucket":"b"}]', "has two of type gcs"),
    ],
)
def test_sinks_that_cannot_be_meant_are_refused(helm: Helm, sinks: str, said: str) -> None:
    """A folder that goes with the pod; two of one type."""
    with pytest.raises(Refused, match=said):
        helm.render(*_with("staging"), "--set-json", f"record.sinks={sinks}")
