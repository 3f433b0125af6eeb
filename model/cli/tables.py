"""`customer-risk check` and `customer-risk synth`: their arguments, options and help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from customer_risk.model.cli.loading import run


@click.command()
@click.argument("tables", type=click.Path(path_type=Path))
@click.option(
    "--mapping",
    "mapping_file",
    type=click.Path(path_type=Path),
    help="YAML file: how your bank names files, columns and values, and where its exchange rates are.",
)
@click.option(
    "--config", "config_file", type=click.Path(path_type=Path), help="YAML file that replaces any part of the defaults."
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for all failing rows (.csv or .parquet): table, row, rule, layer, value, reason.",
)
@click.option(
    "--all", "show_all", is_flag=True, help="Show every rule, also those that hold, and the counts of the tables."
)
def check(**given: Any) -> None:
    """Check tables: print the rules that fail.

    TABLES is a folder with users_labelled and transactions_labelled, users_unlabelled and transactions_unlabelled, or
    one of these pairs (.csv or .parquet).

    \b
    Exit codes:
    0  no rule fails in more than the allowed share of a table's rows (checks.max_failing_share)
    1  a rule fails in more rows than that
    2  the tables can't be used
    """  # noqa: D301  click needs the character itself, which keeps lines unwrapped
    run("customer_risk.model.tables.check_command:check", **given)


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--customers", type=click.IntRange(min=2), default=2_000, show_default=True, help="Labelled customers.")
@click.option(
    "--unlabelled", type=click.IntRange(min=1), help="Customers to score; as many as labelled ones by default."
)
@click.option(
    "--risk-rate", type=float, default=0.1, show_default=True, help="Share of suspended customers, 0.005 to 0.2."
)
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed makes the same tables.")
@click.option(
    "--shift",
    "shift_text",
    metavar="BEHAVIOUR=FACTOR@DATE",
    help="Multiply a behaviour from a moment on, e.g. amount=2.0@2024-08-15. Behaviours: amount, night_share, "
    "crypto_share, failed_share, declined_share, pass_through, velocity.",
)
@click.option("--format", "file_format", type=click.Choice(["csv", "parquet"]), default="csv", show_default=True)
def synth(**given: Any) -> None:
    """Write synthetic tables to try everything with.

    They have the columns and the irregularities of real tables, but no real row. Suspended customers behave
    differently, with noise, so a model can learn from them. A million transactions take seconds.
    """
    run("customer_risk.model.tables.synth_command:synth", **given)
