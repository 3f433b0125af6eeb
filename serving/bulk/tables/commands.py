"""`customer-risk batch`."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

import click


@click.command()
@click.option("--config", required=True, type=click.Path(path_type=Path), help="YAML file of the batch's settings.")
@click.option("--bundle", required=True, type=click.Path(path_type=Path), help="Folder of the bundle to score with.")
@click.option("--run", "day", type=click.DateTime(["%Y-%m-%d"]), help="The run's day; goes before the file's.")
def batch(config: Path, bundle: Path, day: dt.datetime | None) -> None:
    """Score every customer of a table, or of Parquet files, once, as the settings say.

    A run is named by its day: the same again goes on where it was, or, where it is over, does nothing.

    \b
    0  every row was scored or refused
    1  the run isn't over: something it needs fails; run it again
    2  the settings, the bundle or the input can't be used as they are
    3  the run is over, and a greater share of rows was refused than most_refused
    """  # noqa: D301  click wants the character itself, which keeps lines as they are
    from customer_risk.serving.bulk.tables.main import main  # noqa: PLC0415  importing Numba takes a second

    sys.exit(main(config, bundle, None if day is None else day.date()))
