"""The `customer-risk` command: one subcommand a row of the `customer_risk.commands` entry points."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from typing import Final

import click

from customer_risk.model.errors import CustomerRiskError
from customer_risk.model.terminal import echo, echo_error


class Commands(click.Group):
    """Subcommands found by entry point and loaded when named, so that serving's install needs no training library."""

    def list_commands(self, _: click.Context) -> list[str]:
        """Return the name of every subcommand, in alphabetical order."""
        return sorted(found.name for found in metadata.entry_points(group="customer_risk.commands"))

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        """Load one subcommand, or None where there is none of that name."""
        for found in metadata.entry_points(group="customer_risk.commands", name=cmd_name):
            command: click.Command = found.load()
            return command
        return None


# Commands whose files other users read: compiled kernels, a shared registry, bundles. None has personal data.
_READABLE: Final = frozenset(("compile", "registry", "train"))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="customer-risk")
@click.pass_context
def customer_risk(context: click.Context) -> None:
    """Train, explain, score and serve customer risk.

    A first walk: synth a folder of tables, check them, train on them, score with the bundle, serve it.
    """
    if context.invoked_subcommand not in _READABLE:
        os.umask(0o077)  # records, lists and tables have personal data; child processes inherit the umask


def main() -> None:
    """Run the command; an error of ours becomes one clear message and exit code 2."""
    try:
        customer_risk()
    except CustomerRiskError as error:
        err = sys.stderr is not None  # None: it was closed, and standard output is left
        echo_error(error, err=err)
        sys.exit(2)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "customer_risk":
            raise
        echo(
            f"error: this install lacks {error.name}. Install the extra that brings it: "
            "customer-risk[training] for tables, training and lists; customer-risk[serving] for serve; "
            "customer-risk[google] for BigQuery and Cloud Storage.",
            err=True,
        )
        sys.exit(2)
