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
    "--endpoint",
    default="",
    help="URL of a server to use instead of Google's for gs://, such as an emulator. Credentials are never sent to http://.",
)
_by = click.option("--by", help="Who makes the change; your login name by default.")
_why = click.option("--why", required=True, help="The reason for the change; the history keeps it.")


@click.group()
def registry() -> None:
    """Keep bundles by hash, and name the champion.

    The aliases are champion, challenger and previous (the champion before). The history has the author, the time and
    the reason of each change. A deployment pins the hash that `resolve` prints; a running server follows no alias.
    """


@registry.command()
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_where
@_endpoint
@_by
@click.option("--why", default="", help="A note that the history keeps.")
def add(**given: Any) -> None:
    """Verify a bundle, keep a copy, and print its hash.

    The files' hashes and the answers to the golden requests must be right. Adding a bundle again changes nothing.
    """
    run("customer_risk.model.registry.commands:add", **given)


@registry.command()
@click.argument("reference", metavar="HASH|ALIAS")
@click.option(
    "--alias",
    type=click.Choice(["champion", "challenger"]),
    default="champion",
    show_default=True,
    help="The alias to change.",
)
@_where
@_endpoint
@_by
@_why
def promote(**given: Any) -> None:
    """Make a bundle the champion or the challenger.

    The bundle is named by its hash, a unique beginning of the hash, or an alias. The old champion becomes `previous`.
    If the challenger becomes champion, the alias challenger is removed.
    """
    run("customer_risk.model.registry.commands:promote", **given)


@registry.command()
@_where
@_endpoint
@_by
@_why
def rollback(**given: Any) -> None:
    """Swap champion and previous.

    A second rollback swaps them back.
    """
    run("customer_risk.model.registry.commands:rollback", **given)


@registry.command(name="list")
@_where
@_endpoint
@click.option("--history", is_flag=True, help="Show every change of an alias instead, oldest first.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON with full hashes.")
def list_(**given: Any) -> None:
    """Show the bundles and their aliases, or the history."""
    run("customer_risk.model.registry.commands:list_", **given)


@registry.command()
@click.argument("reference", metavar="ALIAS|HASH")
@_where
@_endpoint
def resolve(**given: Any) -> None:
    """Print the full hash of an alias or of a hash's beginning."""
    run("customer_risk.model.registry.commands:resolve", **given)


@registry.command()
@click.argument("version", metavar="HASH")
@_where
@_endpoint
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder to write; all files are written or none."
)
def pull(**given: Any) -> None:
    """Download a bundle and verify its hashes.

    HASH has all 64 digits; an alias is refused. A folder that already has this bundle isn't changed. A pod runs this
    before it serves.
    """
    run("customer_risk.model.registry.pull_command:pull", **given)
