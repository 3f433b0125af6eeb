"""Grants: every role that is granted, on the smallest resource that works, with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from k8s.gcloud.site import DEPLOYERS, ENVIRONMENTS, RELEASE, Site
from k8s.gcloud.step import Command, Step

# Custom roles, for cases in which Google's smallest role permits too much.
ROLES: Final = {
    # Connect to the cluster. A role of Kubernetes grants the rights there (k8s/base/deployer.yaml).
    "customerRiskClusterUser": ("container.clusters.connect", "container.clusters.get", "container.clusters.list"),
    # Start a build of a trigger. Cloud Build's Editor could also remove the approval from the trigger.
    "customerRiskProposer": ("cloudbuild.builds.create", "cloudbuild.builds.get", "cloudbuild.builds.list"),
    # Append to the record's table, and query it. Data Editor could also drop or replace the table.
    "customerRiskRecorder": ("bigquery.tables.get", "bigquery.tables.getData", "bigquery.tables.updateData"),
}


@dataclass(frozen=True, slots=True)
class Grant:
    """A role for a member, on "project", "images", "sboms", "bucket:gs://...", "dataset:NAME" or "account:ADDRESS"."""

    member: str
    role: str
    on: str
    why: str

    def step(self, site: Site) -> Step:
        """Return the step that grants the role. It can be repeated."""
        kind, _, name = self.on.partition(":")
        if kind == "dataset":
            return Step(
                self.why, sql(site, f"GRANT `{self.role}` ON SCHEMA `{site.project}.{name}` TO '{self.member}'")
            )
        target = {
            "project": ("projects", "add-iam-policy-binding", site.project, "--condition=None"),
            "images": ("artifacts", "repositories", "add-iam-policy-binding", RELEASE, f"--location={site.region}"),
            "sboms": (
                "artifacts",
                "repositories",
                "add-iam-policy-binding",
                f"{RELEASE}-sbom",
                f"--location={site.region}",
            ),
            "bucket": ("storage", "buckets", "add-iam-policy-binding", name),
            "account": ("iam", "service-accounts", "add-iam-policy-binding", name),
        }[kind]
        project = () if kind == "project" else (f"--project={site.project}",)
        return Step(self.why, ("gcloud", *target, *project, f"--member={self.member}", f"--role={self.role}"))


def grants(site: Site) -> Iterator[Grant]:
    """Return every grant, in the order of the guide's table."""
    nodes = _member(site.account("customer-risk-nodes"))
    yield Grant(nodes, "roles/container.defaultNodeServiceAccount", "project", "nodes write logs and metrics")
    yield Grant(nodes, "roles/artifactregistry.reader", "images", "nodes pull the image")
    for environment in ENVIRONMENTS:
        yield from _pod(site, environment)
    for environment, name in DEPLOYERS.items():
        yield from _deployer(site, environment, _member(site.account(name)))
    build = _member(site.account(DEPLOYERS["staging"]))
    yield Grant(build, "roles/artifactregistry.writer", "images", "the build pushes the image")
    yield Grant(build, "roles/artifactregistry.writer", "sboms", "the build pushes the image's package list (SBOM)")
    yield Grant(build, "roles/ondemandscanning.admin", "project", "the build scans the image")
    yield Grant(build, site.role("customerRiskProposer"), "project", "the build starts production's build")
    yield from _people(site)
    pool = f"{site.project}.svc.id.goog"
    adapter = f"serviceAccount:{pool}[custom-metrics/custom-metrics-stackdriver-adapter]"
    yield Grant(adapter, "roles/monitoring.viewer", "project", "the metrics adapter reads requests in flight")


def _pod(site: Site, environment: str) -> Iterator[Grant]:
    address, record = site.pod(environment), f"bucket:{site.record(environment)}"
    pod, dataset = _member(address), f"dataset:{site.dataset(environment)}"
    subject = f"serviceAccount:{site.project}.svc.id.goog[{site.namespace(environment)}/{RELEASE}]"
    of = f"{environment}'s pods"
    yield Grant(
        subject, "roles/iam.workloadIdentityUser", f"account:{address}", f"{of} act as their account, without a key"
    )
    yield Grant(pod, "roles/storage.objectViewer", f"bucket:{site.registry}", f"{of} fetch their bundle")
    yield Grant(pod, "roles/storage.objectCreator", record, f"{of} write segments; they can't change or delete any")
    yield Grant(pod, "roles/storage.objectViewer", record, f"{of} look up written segments")
    yield Grant(pod, site.role("customerRiskRecorder"), dataset, f"{of} write the record's rows")
    yield Grant(pod, "roles/bigquery.jobUser", "project", f"{of} query which rows arrived")


def _deployer(site: Site, environment: str, member: str) -> Iterator[Grant]:
    of = f"{environment}'s build"
    yield Grant(member, "roles/logging.logWriter", "project", f"{of} writes its log")
    yield Grant(member, site.role("customerRiskClusterUser"), "project", f"{of} connects to the cluster")
    yield Grant(member, "roles/storage.objectViewer", f"bucket:{site.registry}", f"{of} resolves and checks the bundle")
    if environment == "production":
        yield Grant(member, "roles/artifactregistry.reader", "images", f"{of} checks the image that it deploys")


def _people(site: Site) -> Iterator[Grant]:
    groups = dict(site.groups)
    if promoters := groups.get("promoters"):
        yield Grant(promoters, "roles/storage.objectUser", f"bucket:{site.registry}", "promoters add bundles")
    if approvers := groups.get("approvers"):
        yield Grant(approvers, "roles/cloudbuild.builds.approver", "project", "approvers approve production's build")
    record, dataset = f"bucket:{site.record('production')}", f"dataset:{site.dataset('production')}"
    if auditors := groups.get("auditors"):
        yield Grant(auditors, "roles/storage.objectViewer", record, "auditors read and verify the record")
        yield Grant(
            auditors,
            "roles/storage.objectViewer",
            f"bucket:{site.registry}",
            "auditors replay decisions with the bundles",
        )
        yield Grant(auditors, "roles/bigquery.dataViewer", dataset, "auditors query the record")
        yield Grant(auditors, "roles/bigquery.jobUser", "project", "auditors query the record")
    if erasers := groups.get("erasers"):
        yield Grant(erasers, "roles/storage.objectUser", record, "erasers replace segments with a person's data")
        yield Grant(erasers, "roles/bigquery.dataEditor", dataset, "erasers blank rows with a person's data")
        yield Grant(erasers, "roles/bigquery.jobUser", "project", "erasers blank rows with a person's data")


def _member(address: str) -> str:
    return f"serviceAccount:{address}"


def sql(site: Site, statement: str) -> Command:
    """Return the command for a statement in BigQuery's SQL. gcloud has no command that grants on a dataset."""
    where = (f"--project_id={site.project}", f"--location={site.location}")
    return ("bq", *where, "query", "--nouse_legacy_sql", statement)
