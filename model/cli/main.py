"""The `customer-risk` command; its subcommands are the `customer_risk.commands` entry points."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from typing import Final

import click
from typing_extensions import override

from customer_risk.model.errors import CustomerRiskError
from customer_risk.model.terminal import echo, echo_error


class Commands(click.Group):
    """Subcommands that are loaded when they are named, so that a serving install needs no training library."""

    @override
    def list_commands(self, _: click.Context) -> list[str]:
        return sorted(found.name for found in metadata.entry_points(group="customer_risk.commands"))

    @override
    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
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

    To try it: `synth` makes tables, `check` checks them, `train` makes a bundle, `score` and `serve` use it.
    """
    if context.invoked_subcommand not in _READABLE:
        os.umask(0o077)  # records, lists and tables have personal data; child processes inherit the umask


def main() -> None:
    """Run the command; an error of this project is printed as one message, with exit code 2."""
    try:
        customer_risk()
    except CustomerRiskError as error:
        err = sys.stderr is not None  # it is None if it was closed; then standard output has the message
        echo_error(error, err=err)
        sys.exit(2)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "customer_risk":
            raise
        echo(
            f"error: {error.name} is not installed. Install the extra that has it: "
            "customer-risk[training] for tables, training and lists; customer-risk[serving] for serve; "
            "customer-risk[google] for BigQuery and Cloud Storage.",
            err=True,
        )
        sys.exit(2)
