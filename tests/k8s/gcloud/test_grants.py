"""Which roles are granted, and which rights no account has."""

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
    """Return the permissions of a custom role; none for Google's roles."""
    return ROLES.get(grant.role.rpartition("/")[2], ())


def _of(site: Site, account: str) -> list[Grant]:
    return [grant for grant in grants(site) if grant.member == f"serviceAccount:{site.account(account)}"]


def test_no_basic_or_administrator_role_is_granted(site) -> None:
    """No basic role and no administrator is granted, except that of scans, which has no smaller role."""
    broad = [grant.role for grant in grants(site) if re.search(r"roles/(owner|editor|viewer)$|[aA]dmin$", grant.role)]
    assert broad == ["roles/ondemandscanning.admin"]


def test_pods_have_only_the_rights_for_sinks_and_bundle(site) -> None:
    """Pods have the rights in docs/guide/record-bigquery.md, three permissions on the bucket, and read bundles."""
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
        "bigquery.tables.get",  # to read the columns before the first row
        "bigquery.tables.getData",  # to query which rows arrived
        "bigquery.tables.updateData",
    }


def test_pods_and_builds_cannot_change_or_delete_data(site) -> None:
    """Only erasers and promoters can change or delete an object of the record or the registry, or drop a table."""
    able = {
        grant.member
        for grant in grants(site)
        if grant.role in DESTROYS
        or any(re.search(r"\.(delete|update|setIamPolicy)$", each) for each in _permissions(grant))
    }
    assert able == {"group:erasers@example.com", "group:promoters@example.com"}


def test_the_build_of_main_has_no_right_on_production(site) -> None:
    """The build of main can start the production build, but can't deploy there, use its accounts or approve."""
    granted = _of(site, "customer-risk-build")
    assert not any("production" in grant.on or "release" in grant.on for grant in granted)
    assert not any(
        re.search(r"approver|serviceAccount(User|TokenCreator)|builds\.editor", each.role) for each in granted
    )
    assert "cloudbuild.builds.approve" not in ROLES["customerRiskProposer"]
    assert "cloudbuild.builds.update" not in ROLES["customerRiskProposer"]


def test_the_build_of_production_cant_push_an_image(site) -> None:
    """The build of production has no right to push to Artifact Registry."""
    assert "roles/artifactregistry.writer" not in {grant.role for grant in _of(site, "customer-risk-release")}


def test_reaching_the_cluster_gives_no_right_in_it() -> None:
    """The role only connects to the cluster; the namespace's RoleBinding has the other rights."""
    assert set(ROLES["customerRiskClusterUser"]) == {
        "container.clusters.connect",
        "container.clusters.get",
        "container.clusters.list",
    }


def test_only_the_releases_pods_can_use_their_account(site) -> None:
    """Only the release's Kubernetes account in the environment's namespace can use the environment's account."""
    bound = {grant.on: grant.member for grant in grants(site) if grant.role == "roles/iam.workloadIdentityUser"}
    assert bound == {
        f"account:{site.pod(each)}": f"serviceAccount:{site.project}.svc.id.goog[customer-risk-{each}/customer-risk]"
        for each in ("staging", "production")
    }


def test_auditors_only_read(site) -> None:
    """Auditors read the record and its bundles, and run queries."""
    roles = {grant.role for grant in grants(site) if grant.member == "group:auditors@example.com"}
    assert roles == {"roles/storage.objectViewer", "roles/bigquery.dataViewer", "roles/bigquery.jobUser"}


def test_without_groups_no_group_has_a_role(site) -> None:
    """Without configured groups, no group has a role."""
    assert not any(grant.member.startswith("group:") for grant in grants(Site(project=site.project)))


def test_the_guides_table_has_every_role(site) -> None:
    """The guide's table has exactly the granted roles."""
    section = GUIDE.read_text(encoding="utf-8").split("## Who may do what")[1].split("\n## ")[0]
    table = "\n".join(line for line in section.splitlines() if line.startswith("|"))
    told = set(re.findall(r"`(roles/[\w.]+|customerRisk\w+)`", table))
    assert told == {
        grant.role.rpartition("/roles/")[2] if "/roles/" in grant.role else grant.role for grant in grants(site)
    }
