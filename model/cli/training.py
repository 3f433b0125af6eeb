"""`customer-risk train`: its arguments, options and help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from customer_risk.model.cli import options
from customer_risk.model.cli.loading import run


@click.command()
@click.argument("tables", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="RUN, a new folder; whole or not at all.")
@options.config
@options.mapping
def train(**given: Any) -> None:
    """Train on the labelled customers of TABLES, judge the procedure, and leave RUN.

    \b
    bundle/          the model, for `customer-risk score` and `customer-risk serve`
    report.html      everything that was found out, for people
    MODEL_CARD.md    the short form
    evaluation.json  the report's numbers, for programs
    conversions.csv  amounts converted to EUR, if the mapping names exchange rates

    Features are examined for leaks first; one that would see the outcome ends the run. How long it takes follows from
    evaluation.repeats and training.trials in the configuration.
    """  # noqa: D301  click wants the character itself, which keeps lines as they are
    run("customer_risk.model.training.train_command:train", **given)
