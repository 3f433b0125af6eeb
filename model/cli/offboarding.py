"""`customer-risk score`, `explain` and `offboarding`: their arguments, options and help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from customer_risk.model.cli import options
from customer_risk.model.cli.loading import run

_cohort = click.option(
    "--cohort",
    type=click.Choice(["unlabelled", "labelled"]),
    default="unlabelled",
    show_default=True,
    help="Which customers of TABLES to score.",
)


@click.command()
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("tables", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder to write; all files are written or none."
)
@options.config
@options.mapping
@_cohort
@click.option(
    "--earlier",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    multiple=True,
    help="Folder of an earlier run that was signed off; the lists show its decisions. Can be repeated.",
)
@click.option(
    "--force", is_flag=True, help="Replace an earlier scoring run in the folder; a signed-off run is never replaced."
)
def score(**given: Any) -> None:
    """Score customers; write off-boarding and review lists.

    Every customer of TABLES is scored with BUNDLE.

    \b
    scores.csv, .parquet             a row for each customer, those without transactions too
    segments.csv, .html              what Low, Medium and High look like
    offboarding.xlsx, .csv, .parquet, .html
                                     proposed for off-boarding: High with enough patterns; to be signed off
    review.csv, .parquet, .html      to review: High with too few patterns, and Medium
    evidence.csv, .parquet           the transactions behind each pattern
    run.json                         the hashes of everything that the files were made from
    """  # noqa: D301  click needs the character itself, which keeps lines unwrapped
    run("customer_risk.model.offboarding.score_command:score", **given)


@click.command()
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("tables", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("customer")
@click.option("--out", type=click.Path(path_type=Path), help="HTML file to write as well, with the customer's card.")
@options.config
@options.mapping
@_cohort
@click.option("--force", is_flag=True, help="Replace the file named by --out if it exists.")
def explain(**given: Any) -> None:
    """Explain the score and the action of one customer.

    CUSTOMER is a customer_id of TABLES, or at least its first four characters; BUNDLE gives the score. The explanation
    shows the distance to each cut-off, the reasons that raise and lower the score, every pattern of the action rule,
    the profile, and how certain the score is.
    """
    run("customer_risk.model.offboarding.explain_command:explain", **given)


@click.group()
def offboarding() -> None:
    """Sign off and approve the off-boarding list. The model proposes; named people decide."""


_scores = click.argument("scores", type=click.Path(exists=True, file_okay=False, path_type=Path))
_out = click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the sign-offs; by default the folder `signed` in the run's folder.",
)
_by = click.option("--by", help="Your name; by default your login name. Without a token the name is only claimed.")
_token_file = click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="CUSTOMER_RISK_TOKEN_FILE",
    help="A file with your OpenID Connect ID token, which proves who you are.  [env: CUSTOMER_RISK_TOKEN_FILE]",
)


@offboarding.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--scores",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder that `score` wrote; FILE's own by default.",
)
@_out
@_by
@_token_file
@click.option("--partial", is_flag=True, help="Accept a list with open lines. Sign these lines off later.")
@click.option("--supersede", is_flag=True, help="Replace earlier decisions on the same lines; needs --why.")
@click.option("--why", default="", help="Why earlier decisions no longer count.")
@click.option(
    "--dates",
    type=click.Choice(["iso", "day-first", "month-first"]),
    default="iso",
    show_default=True,
    help="How to read a date such as 05/01/2026 that a spreadsheet has rewritten.",
)
def sign(**given: Any) -> None:
    """Accept a list with decisions and keep a copy.

    FILE is offboarding.xlsx, .csv or .parquet, filled in; the copy can't be changed. Each line needs a decision
    (off-board, keep or review-again), the name of the person who made it, a date and a note. All other cells must be
    unchanged. Otherwise the command names the lines at fault and keeps nothing. The bank itself carries out the
    off-boarding.
    """
    run("customer_risk.model.offboarding.sign_command:sign", **given)


@offboarding.command()
@_scores
@_out
@_by
@_token_file
@click.option(
    "--receipt",
    type=click.IntRange(min=1),
    help="Number of the receipt whose decisions to approve; by default every waiting decision.",
)
@click.option("--note", default="", help="Note to keep with the approval.")
def approve(**given: Any) -> None:
    """Approve decisions as a second person.

    SCORES is the folder that `score` wrote. The run must require a second approver (sign_off.second_approver). You
    can't approve lines that you decided on or handed in; they stay open for another approver.
    """
    run("customer_risk.model.offboarding.sign_command:approve", **given)


@offboarding.command()
@_scores
@_out
def status(**given: Any) -> None:
    """Count the decided, open and waiting lines of a list.

    SCORES is the folder that `score` wrote. Waiting lines need a second approver.
    """
    run("customer_risk.model.offboarding.sign_command:status", **given)
