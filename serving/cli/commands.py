"""The subcommands that serve, and those that work beside a server: their arguments, options and help."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from customer_risk.model.cli.loading import run
from customer_risk.model.terminal import echo


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--config", type=click.Path(path_type=Path), help="YAML file of settings; options go before it.")
@click.option("--host", help="Address to listen on; 0.0.0.0 for every one.  [127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 for a free one.  [8080]")
@click.option("--workers", type=click.IntRange(1, 256), help="Processes that share the port, one a core.  [1]")
@click.option("--drain", type=click.FloatRange(0), help="Seconds from turning unready to closing the port.  [0]")
@click.option("--model-name", help="The model's name in KServe's paths.  [customer-risk]")
@click.option(
    "--stay-up/--no-stay-up",
    default=None,
    help="With a bad bundle, stay alive and not ready (what a pod wants) instead of ending with an error.",
)
def serve(**given: Any) -> None:
    """Answer risk requests over HTTP from BUNDLE, the folder that `customer-risk train` wrote (RUN/bundle).

    \b
    POST /ai/v1/risk                       a profile and transactions, or features
    POST /v1/models/customer-risk:predict  the same objects as KServe V1 `instances`
    GET  /v2/health/ready                  200 once the bundle's hashes and golden requests hold, 503 until then
    GET  /healthz                          200 while the process lives

    SIGTERM (or Ctrl-C) ends it once the requests under way are answered. Another bundle put in BUNDLE's place, or
    SIGHUP, is verified and taken without a pause; one that doesn't hold is refused.
    """  # noqa: D301  click wants the character itself, which keeps lines as they are
    echo(
        f"starting: importing the server, then checking {given['bundle']} (a minute the first time, seconds later)",
        err=True,
    )
    run("customer_risk.serving.cli.serve_command:serve", **given)


@click.command(name="compile")
def compile_() -> None:
    """Compile every kernel and keep it beside the installed code: servers started from such an image compile nothing.

    What is kept is valid on every CPU of the level that CUSTOMER_RISK_CPU names (x86-64-v3 unless set), and is read
    where nothing can be written.
    """
    run("customer_risk.serving.cli.compile_command:compile_")


@click.command()
@click.option("--config", required=True, type=click.Path(path_type=Path), help="The server's YAML file of settings.")
@click.option("--status", is_flag=True, help="Show what is shipped and what waits, and end.")
def ship(**given: Any) -> None:
    """Ship the decision record from its outbox to the sinks that the settings name (record.ship), until SIGTERM.

    Ends with 1 where records are left in the outbox.
    """
    run("customer_risk.serving.cli.ship_command:ship", **given)


@click.command()
@click.argument("url")
@click.option("--bundle", required=True, type=click.Path(path_type=Path), help="The bundle that should be answering.")
@click.option("--host", help="The service's name where URL is an address that stands for several.")
@click.option("--token-file", type=click.Path(path_type=Path), help="A file with a token of scope `score`.")
def golden(**given: Any) -> None:
    """Send a bundle's golden requests to the server at URL, which should answer as the bundle did where it was made.

    Ends with 1 where it doesn't, or where it can't be asked.
    """
    run("customer_risk.serving.cli.golden_command:golden", **given)


@click.command()
@click.option("--config", required=True, type=click.Path(path_type=Path), help="YAML file of the batch's settings.")
@click.option("--bundle", required=True, type=click.Path(path_type=Path), help="Folder of the bundle to score with.")
@click.option("--run", "day", type=click.DateTime(["%Y-%m-%d"]), help="The run's day; goes before the file's.")
def batch(**given: Any) -> None:
    """Score every customer of a table, or of Parquet files, once, as the settings say.

    A run is named by its day: the same again goes on where it was, or, where it is over, does nothing.

    \b
    0  every row was scored or refused
    1  the run isn't over: something it needs fails; run it again
    2  the settings, the bundle or the input can't be used as they are
    3  the run is over, and a greater share of rows was refused than most_refused
    """  # noqa: D301  click wants the character itself, which keeps lines as they are
    day = given.pop("day")
    sys.exit(run("customer_risk.serving.bulk.tables.main:main", day=None if day is None else day.date(), **given))
