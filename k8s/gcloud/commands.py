"""The commands `python -m k8s.gcloud setup`, `bind` and `values`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import click
import yaml

from customer_risk.model.terminal import echo, echo_lines
from k8s.gcloud.resources import bindings, steps
from k8s.gcloud.site import ENVIRONMENTS, Site
from k8s.gcloud.step import Step, StepError
from k8s.gcloud.step import run as run_steps
from k8s.gcloud.values import values as site_values

_MEMBER: Final = re.compile(r"(group|user|serviceAccount):[\w.+-]+@[\w.-]+")


def _member(_: click.Context, __: click.Parameter, value: str) -> str:
    if value and not _MEMBER.fullmatch(value):
        raise click.BadParameter(f"{value!r} isn't group:ADDRESS, user:ADDRESS or serviceAccount:ADDRESS.")
    return value


@click.group()
@click.option("--project", required=True, help="The id of the Google Cloud project.")
@click.option(
    "--region", default=Site.region, show_default=True, help="Region of the cluster, the images and the builds."
)
@click.option("--location", default=Site.location, show_default=True, help="Location of the buckets and datasets.")
@click.pass_context
def main(context: click.Context, project: str, region: str, location: str) -> None:
    """Set up Google Cloud for the service.

    `setup` and `bind` print their commands; with `--apply` they run them.
    """
    context.obj = Site(project=project, region=region, location=location)


@main.command()
@click.option("--apply", "apply_", is_flag=True, help="Run the commands instead of printing them.")
@click.option("--staging-host", default=dict(Site.hosts)["staging"], show_default=True, help="Host name of staging.")
@click.option("--host", default=dict(Site.hosts)["production"], show_default=True, help="Host name of production.")
@click.option(
    "--repository",
    default="",
    help="Cloud Build's resource name of the connected repository. Without it, no triggers are created.",
)
@click.option(
    "--promoters", default="", callback=_member, help="Who adds and promotes bundles, for example group:ADDRESS."
)
@click.option("--approvers", default="", callback=_member, help="Who approves production's builds.")
@click.option("--auditors", default="", callback=_member, help="Who reads the decision record.")
@click.option("--erasers", default="", callback=_member, help="Who erases a person's data from it.")
@click.pass_obj
def setup(site: Site, /, *, apply_: bool, staging_host: str, host: str, repository: str, **groups: str) -> None:
    """Create network, accounts, buckets, datasets, cluster, certificates, roles and triggers.

    Existing resources are kept. Settings of existing buckets are updated.
    """
    whole = Site(
        project=site.project,
        region=site.region,
        location=site.location,
        hosts=(("staging", staging_host), ("production", host)),
        repository=repository,
        groups=tuple((name, member) for name, member in groups.items() if member),
    )
    _do(steps(whole), apply_=apply_)


@main.command()
@click.option("--apply", "apply_", is_flag=True, help="Run the commands instead of printing them.")
@click.pass_obj
def bind(site: Site, /, *, apply_: bool) -> None:
    """Grant the account of each build the right to deploy to its namespace.

    Run `kubectl apply -k k8s/overlays/gke` first.
    """
    _do(bindings(site), apply_=apply_)


@main.command()
@click.argument("environment", type=click.Choice(ENVIRONMENTS))
@click.option("--image", required=True, help="REPOSITORY@sha256:DIGEST.")
@click.option("--bundle", required=True, help="The bundle's hash.")
@click.option("--host", required=True, help="Host name of the route.")
@click.option("--issuer", required=True, help="Issuer of the accepted tokens.")
@click.option("--audience", required=True, help="Audience of the accepted tokens.")
@click.pass_obj
def values(site: Site, /, environment: str, **given: str) -> None:
    """Print the chart's values for the project: image, bundle, route, account and record sinks."""
    try:
        found = site_values(site, environment, **given)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    echo_lines(yaml.safe_dump(found, sort_keys=False).rstrip("\n"))


def _do(made: Iterable[Step], *, apply_: bool) -> None:
    if not apply_:
        echo_lines("set -eu\n\n" + "\n\n".join(step.shell() for step in made))
        return
    try:
        run_steps(made, lambda line: echo(line, err=True))
    except StepError as error:
        raise click.ClickException(str(error)) from error
