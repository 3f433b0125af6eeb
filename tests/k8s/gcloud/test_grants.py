"""Who may do what, and what nobody may."""

from __future__ import annotations

import re
from pathlib import Path

from k8s.gcloud.grants import ROLES, Grant, grants
from k8s.gcloud.site import Site

GUIDE = Path(__file__).parents[3] / "docs/guide/gke.md"
# Google's roles that can delete or overwrite an object, or drop a table.
DESTROYS = {
    "roles/storage.objectUser",
    "roles/storage.objectAdmin",
    "roles/storage.admin",
    "roles/storage.legacyBucketOwner",
    "roles/bigquery.dataEditor",
    "roles/bigquery.dataOwner",
    "roles/bigquery.admin",
}


def _permissions(grant: Grant) -> tuple[str, ...]:
    """What a role of our own has; nothing for Google's."""
    return ROLES.get(grant.role.rpartition("/")[2], ())


def _of(site: Site, account: str) -> list[Grant]:
    return [grant for grant in grants(site) if grant.member == f"serviceAccount:{site.account(account)}"]


def test_nobody_owns_edits_or_administers_the_project(site) -> None:
    """No basic role, and no administrator but of scans, which has no smaller one."""
    broad = [grant.role for grant in grants(site) if re.search(r"roles/(owner|editor|viewer)$|[aA]dmin$", grant.role)]
    assert broad == ["roles/ondemandscanning.admin"]


def test_pods_have_what_the_records_sinks_and_the_bundle_need_and_no_more(site) -> None:
    """docs/guide/record-bigquery.md's rights and the bucket's three permissions; reading bundles; nothing else."""
    for environment in ("staging", "production"):
        record, dataset = f"bucket:{site.record(environment)}", f"dataset:{site.dataset(environment)}"
        assert {(each.role, each.on) for each in _of(site, f"customer-risk-{environment}")} == {
            ("roles/storage.objectViewer", f"bucket:{site.registry}"),
            ("roles/storage.objectCreator", record),
            ("roles/storage.objectViewer", record),
            (site.role("customerRiskRecorder"), dataset),
            ("roles/bigquery.jobUser", "project"),
        }
    assert set(ROLES["customerRiskRecorder"]) == {
        "bigquery.tables.get",  # the columns, before the first row
        "bigquery.tables.getData",  # which rows arrived
        "bigquery.tables.updateData",
    }


def test_no_pod_and_no_build_can_change_or_delete_an_object_or_drop_a_table(site) -> None:
    """Of the record or of the registry: only people can, and each only one of them."""
    able = {
        grant.member
        for grant in grants(site)
        if grant.role in DESTROYS
        or any(re.search(r"\.(delete|update|setIamPolicy)$", each) for each in _permissions(grant))
    }
    assert able == {"group:erasers@example.com", "group:promoters@example.com"}


def test_the_build_of_main_has_nothing_of_productions(site) -> None:
    """It can ask for production's build, and neither deploy there, nor act as its accounts, nor approve."""
    granted = _of(site, "customer-risk-build")
    assert not any("production" in grant.on or "release" in grant.on for grant in granted)
    assert not any(
        re.search(r"approver|serviceAccount(User|TokenCreator)|builds\.editor", each.role) for each in granted
    )
    assert "cloudbuild.builds.approve" not in ROLES["customerRiskProposer"]
    assert "cloudbuild.builds.update" not in ROLES["customerRiskProposer"]


def test_the_build_of_production_cant_push_an_image(site) -> None:
    """What it deploys was made by somebody else."""
    assert "roles/artifactregistry.writer" not in {grant.role for grant in _of(site, "customer-risk-release")}


def test_reaching_the_cluster_gives_no_right_in_it() -> None:
    """The role has connecting and looking the cluster up; the rest is the namespace's RoleBinding."""
    assert set(ROLES["customerRiskClusterUser"]) == {
        "container.clusters.connect",
        "container.clusters.get",
        "container.clusters.list",
    }


def test_pods_are_their_account_by_namespace_and_name(site) -> None:
    """Only the release's own Kubernetes account, in the environment's own namespace."""
    bound = {grant.on: grant.member for grant in grants(site) if grant.role == "roles/iam.workloadIdentityUser"}
    assert bound == {
        f"account:{site.pod(each)}": f"serviceAccount:{site.project}.svc.id.goog[customer-risk-{each}/customer-risk]"
        for each in ("staging", "production")
    }


def test_auditors_only_read(site) -> None:
    """Viewers of the record and of the bundles that replay it, and whoever queries runs jobs."""
    roles = {grant.role for grant in grants(site) if grant.member == "group:auditors@example.com"}
    assert roles == {"roles/storage.objectViewer", "roles/bigquery.dataViewer", "roles/bigquery.jobUser"}


def test_people_who_arent_named_get_nothing(site) -> None:
    """Groups are the site's to name; none is made up."""
    assert not any(grant.member.startswith("group:") for grant in grants(Site(project=site.project)))


def test_the_guides_table_says_every_role(site) -> None:
    """What an auditor reads of who has which role is what is granted."""
    section = GUIDE.read_text(encoding="utf-8").split("## Who may do what")[1].split("\n## ")[0]
    table = "\n".join(line for line in section.splitlines() if line.startswith("|"))
    told = set(re.findall(r"`(roles/[\w.]+|customerRisk\w+)`", table))
    assert told == {
        grant.role.rpartition("/roles/")[2] if "/roles/" in grant.role else grant.role for grant in grants(site)
    }
