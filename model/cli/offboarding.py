"""`customer-risk score` and `customer-risk offboarding`: their arguments, options and help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from customer_risk.model.cli import options
from customer_risk.model.cli.loading import run


@click.command()
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("tables", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder to write; it appears whole or not at all."
)
@options.config
@options.mapping
@click.option(
    "--cohort",
    type=click.Choice(["unlabelled", "labelled"]),
    default="unlabelled",
    show_default=True,
    help="Which customers of TABLES to score.",
)
@click.option(
    "--force", is_flag=True, help="Replace an earlier scoring run in the folder, unless its list was signed off."
)
def score(**given: Any) -> None:
    """Score every customer of TABLES with BUNDLE; write scores, segments, and who is proposed for what.

    \b
    scores.csv, .parquet             a row for each customer, those without transactions too
    segments.csv, .html              what Low, Medium and High look like
    offboarding.csv, .parquet, .html proposed for off-boarding: High and a corroborating pattern; to be signed off
    review.csv, .parquet, .html      to look at: High without such a pattern, and Medium
    evidence.csv, .parquet           the transactions behind each pattern
    run.json                         what all of this was made of, by hash
    """  # noqa: D301  click wants the character itself, which keeps lines as they are
    run("customer_risk.model.offboarding.score_command:score", **given)


@click.group()
def offboarding() -> None:
    """Take the decided off-boarding list back. The service proposes; named people decide."""


@offboarding.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--scores",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder that `score` wrote; FILE's own by default.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to keep it; the folder `signed` in --scores by default.",
)
@click.option("--by", help="Who hands the list in; your login name by default.")
@click.option("--supersede", is_flag=True, help="Take the place of an earlier sign-off of the same list; needs --why.")
@click.option("--why", default="", help="Why an earlier sign-off no longer counts.")
@click.option(
    "--dates",
    type=click.Choice(["iso", "day-first", "month-first"]),
    default="iso",
    show_default=True,
    help="How a date like 05/01/2026 is meant, where a spreadsheet has rewritten the dates.",
)
def sign(**given: Any) -> None:
    """Accept the decided list FILE (offboarding.csv or .parquet, filled in) and keep an unchangeable copy.

    Each line needs a decision (off-board, keep or review-again), the name of the person who made it, a date and a
    note; all other cells must be as they were made. Otherwise every line at fault is named and nothing is kept.
    Off-boarding itself stays the bank's own step.
    """
    run("customer_risk.model.offboarding.sign_command:sign", **given)
