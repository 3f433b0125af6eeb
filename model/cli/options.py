"""Options that several subcommands share."""

from __future__ import annotations

from pathlib import Path

import click

_file = click.Path(exists=True, dir_okay=False, path_type=Path)
config = click.option(
    "--config", type=_file, help="YAML file that replaces any part of the defaults (model/defaults.yaml)."
)
mapping = click.option(
    "--mapping",
    type=_file,
    help="YAML file: how your bank names files, columns and values, and where its exchange rates are.",
)
