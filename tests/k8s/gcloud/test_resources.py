"""The created resources: each step can be repeated, the order is correct, and the settings are the intended ones."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from k8s.gcloud import resources
from k8s.gcloud.resources import bindings, steps
from k8s.gcloud.step import Step


def _option(step: Step, name: str) -> str:
    return dict(word.partition("=")[::2] for word in step.make)[name]


def _making(site, *group: str) -> list[Step]:
    return [step for step in steps(site) if step.make[1 : 1 + len(group)] == group]


def test_every_create_is_preceded_by_a_check(site) -> None:
    """Each `create` has a command that says whether the resource exists; other commands can be repeated."""
    again = {"enable", "add-iam-policy-binding", "query"}  # commands that change nothing the second time
    for step in [*steps(site), *bindings(site)]:
        if "create" in step.make:
            assert set(step.there) & {"describe", "get"}, step.why
        else:
            assert set(step.make) & again, step.why


def test_the_check_names_the_created_resource(site) -> None:
    """The command that looks for a resource names the same resource as the command that creates it."""
    for step in [*steps(site), *bindings(site)]:
        if step.there:
            made, looked = step.make, set(step.there) - {"describe", "get"}
            known = {*made, *(word.removeprefix("--name=") for word in made)}
            known |= {word.partition("@")[0] for word in looked if word.partition("@")[0] in made}
            assert {word.partition("@")[0] if "@" in word else word for word in looked} <= known, step.why


def test_bigquery_statements_can_be_repeated(site) -> None:
    """BigQuery's statements can be repeated."""
    said = [step.make[-1] for step in steps(site) if step.make[0] == "bq"]
    assert said
    assert all(text.startswith(("CREATE SCHEMA IF NOT EXISTS ", "GRANT ")) for text in said)


def test_every_command_names_the_project(site) -> None:
    """Each command has the project, so that none uses the project in gcloud's configuration."""
    for step in steps(site):
        for command in step.commands():
            assert any(site.project in word for word in command), command
            if command[0] == "gcloud" and "projects" not in command[:2]:
                assert f"--project={site.project}" in command, command


def test_no_project_is_named_in_the_sources() -> None:
    """The sources have no project's id."""
    for path in Path(resources.__file__).parent.glob("*.*"):
        assert not re.search(r"gs://(?!\{)\w|projects/(?!\{|P/)\w|@(?!\{)[\w-]+\.iam", path.read_text()), path.name


def test_the_cluster_has_what_the_chart_and_the_gateway_need(site) -> None:
    """The cluster has Gateway API, Workload Identity, network policies, Managed Prometheus and no public address."""
    (cluster,) = _making(site, "container", "clusters")
    for word in (
        "--gateway-api=standard",
        "--enable-dataplane-v2",
        "--enable-managed-prometheus",
        "--workload-metadata=GKE_METADATA",
        f"--workload-pool={site.project}.svc.id.goog",
        "--enable-private-nodes",
        "--no-enable-ip-access",
        f"--service-account={site.account('customer-risk-nodes')}",
    ):
        assert word in cluster.make
    assert "DEPLOYMENT" in _option(cluster, "--monitoring")  # for the alert on KServe's controller


def test_workload_identities_are_bound_after_the_cluster_is_created(site) -> None:
    """Roles for workload identities come after the cluster, since IAM refuses a member of a missing pool."""
    every = list(steps(site))
    cluster = next(i for i, step in enumerate(every) if step.make[1:3] == ("container", "clusters"))
    pools = [i for i, step in enumerate(every) if any(f"{site.project}.svc.id.goog[" in word for word in step.make)]
    assert pools
    assert min(pools) > cluster


def test_accounts_and_stores_come_before_their_grants(site) -> None:
    """Accounts and stores are created before the grants that name them."""
    every = [" ".join(step.make) for step in steps(site)]
    first = next(i for i, line in enumerate(every) if "add-iam-policy-binding" in line or "GRANT" in line)
    last = max(
        i
        for i, line in enumerate(every)
        if any(kind in line for kind in ("accounts create", "buckets create", "CREATE SCHEMA", "roles create"))
    )
    assert last < first


def test_the_records_lifecycle_is_the_documented_one() -> None:
    """Segments are archived after 90 days and deleted after five years."""
    root = Path(resources.__file__).parent.parent.parent
    told = (root / "docs/data-storage.md").read_text(encoding="utf-8")
    rules = json.loads((Path(resources.__file__).parent / "record-lifecycle.json").read_text())
    assert rules == json.loads(re.search(r"```json\n(.*?)```", told, re.DOTALL)[1])


def test_the_record_can_be_erased(site) -> None:
    """The record has no retention policy, which would forbid erasing a person's data."""
    assert not any("retention" in word for step in steps(site) for command in step.commands() for word in command)


def test_without_a_repository_no_trigger_is_made(site) -> None:
    """Without a repository, which a person must connect in a browser, only the triggers are missing."""
    without = type(site)(project=site.project)
    assert _making(site, "builds", "triggers")
    assert not _making(without, "builds", "triggers")


def test_a_printed_step_runs_as_the_step_does(site) -> None:
    """A printed step is quoted, so that a shell passes each argument unchanged."""
    for step in steps(site):
        lines = [line for line in step.shell().replace(">/dev/null 2>&1 ||\n  ", "\n").splitlines() if line[0] != "#"]
        assert [tuple(shlex.split(line)) for line in lines] == step.commands(), step.why
