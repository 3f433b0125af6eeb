"""`customer-risk registry`: its subcommands' arguments, options and help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from customer_risk.model.cli.loading import run

_where = click.option(
    "--registry",
    "where",
    default="registry",
    show_default=True,
    envvar="CUSTOMER_RISK_REGISTRY",
    show_envvar=True,
    help="The registry's folder, or gs://BUCKET/PREFIX.",
)
_endpoint = click.option(
    "--endpoint", default="", help="For gs://: another server than Google's; no credentials are sent to http://."
)
_by = click.option("--by", help="Who makes the change; your login name by default.")
_why = click.option("--why", required=True, help="The reason for the change; the history keeps it.")


@click.group()
def registry() -> None:
    """Keep bundles by hash; say which is champion, challenger and previous, with who, when and why.

    A deployment pins the hash that `resolve` prints; nothing that runs follows an alias by itself.
    """


@registry.command()
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_where
@_endpoint
@_by
@click.option("--why", default="", help="A note for the history.")
def add(**given: Any) -> None:
    """Keep a copy of BUNDLE after its hashes and golden rows check; print its hash. Adding it again changes nothing."""
    run("customer_risk.model.registry.commands:add", **given)


@registry.command()
@click.argument("reference", metavar="HASH|ALIAS")
@click.option(
    "--alias",
    type=click.Choice(["champion", "challenger"]),
    default="champion",
    show_default=True,
    help="Which alias comes to point at it.",
)
@_where
@_endpoint
@_by
@_why
def promote(**given: Any) -> None:
    """Make a bundle the champion (or the challenger): by its hash, a unique start of it, or an alias.

    The old champion becomes `previous`; a challenger that becomes champion is no challenger any more.
    """
    run("customer_risk.model.registry.commands:promote", **given)


@registry.command()
@_where
@_endpoint
@_by
@_why
def rollback(**given: Any) -> None:
    """Swap champion and previous; a second rollback swaps them back."""
    run("customer_risk.model.registry.commands:rollback", **given)


@registry.command(name="list")
@_where
@_endpoint
@click.option("--history", is_flag=True, help="Show every change instead, oldest first.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with whole hashes.")
def list_(**given: Any) -> None:
    """Show the bundles held and their aliases, or every change with who, when and why."""
    run("customer_risk.model.registry.commands:list_", **given)


@registry.command()
@click.argument("reference", metavar="ALIAS|HASH")
@_where
@_endpoint
def resolve(**given: Any) -> None:
    """Print the whole hash that an alias, or a unique start of a hash, stands for."""
    run("customer_risk.model.registry.commands:resolve", **given)


@registry.command()
@click.argument("version", metavar="HASH")
@_where
@_endpoint
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder that comes to hold the bundle.")
def pull(**given: Any) -> None:
    """Fetch the bundle HASH (all 64 digits) into a folder, verified by its hash and each file's: a pod's first step.

    Whole or not at all; a folder that holds that bundle already is left as it is. Follows no alias.
    """
    run("customer_risk.model.registry.pull_command:pull", **given)
