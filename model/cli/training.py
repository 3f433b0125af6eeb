"""`customer-risk train`: its arguments, options and help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from customer_risk.model.cli import options
from customer_risk.model.cli.loading import run


@click.command()
@click.argument("tables", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="New folder RUN; all files are written or none."
)
@options.config
@options.mapping
def train(**given: Any) -> None:
    """Train and evaluate a model; write its bundle and report.

    It learns from the labelled customers of TABLES.

    \b
    bundle/          the model, for `customer-risk score` and `customer-risk serve`
    report.html      the report: data, metrics with intervals, plots, fairness, limits
    MODEL_CARD.md    a summary of the report
    evaluation.json  the report's numbers, for programs
    conversions.csv  amounts converted to EUR, if the mapping names exchange rates

    Training fails if a feature could know the outcome. The time depends on evaluation.repeats and training.trials in
    the configuration.
    """  # noqa: D301  click needs the character itself, which keeps lines unwrapped
    run("customer_risk.model.training.train_command:train", **given)
