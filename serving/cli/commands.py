"""`customer-risk serve`, `compile`, `ship`, `golden` and `batch`: their arguments, options and help."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from customer_risk.model.cli.loading import run
from customer_risk.model.terminal import echo


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--config", type=click.Path(path_type=Path), help="YAML file of settings; options override it.")
@click.option("--host", help="Address to listen on; 0.0.0.0 for all addresses.  [127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 for any free port.  [8080]")
@click.option(
    "--workers", type=click.IntRange(1, 256), help="Number of processes that share the port; one for each core.  [1]"
)
@click.option("--drain", type=click.FloatRange(0), help="On SIGTERM, seconds from not ready to closing the port.  [0]")
@click.option("--model-name", help="The model's name in KServe's paths.  [customer-risk]")
@click.option(
    "--stay-up/--no-stay-up",
    default=None,
    help="If the bundle can't be used, keep running and stay not ready, as pods need, instead of ending.",
)
def serve(**given: Any) -> None:
    """Answer risk requests over HTTP.

    BUNDLE is the folder RUN/bundle that `customer-risk train` wrote, or a bundle of a registry.

    \b
    POST /ai/v1/risk                       a profile and transactions, or features
    POST /v1/models/customer-risk:predict  the same objects as KServe V1 `instances`
    GET  /v2/health/ready                  200 if the bundle is verified and requests are answered, else 503
    GET  /healthz                          200 while the process runs

    SIGTERM (or Ctrl-C) ends the server after the current requests are answered. A new bundle in the folder BUNDLE, or
    SIGHUP, makes the server verify the bundle and use it without a pause; an invalid bundle is refused.
    """  # noqa: D301  click needs the character itself, which keeps lines unwrapped
    echo(
        f"starting: importing the server and verifying {given['bundle']} (a minute the first time, then seconds)",
        err=True,
    )
    run("customer_risk.serving.cli.serve_command:serve", **given)


@click.command(name="compile")
def compile_() -> None:
    """Compile all kernels and keep them with the installed code.

    Servers that start from such an image compile nothing, also on a read-only disk. The kernels run on every CPU of
    the level in CUSTOMER_RISK_CPU (by default x86-64-v3).
    """
    run("customer_risk.serving.cli.compile_command:compile_")


@click.command()
@click.option("--config", required=True, type=click.Path(path_type=Path), help="The server's YAML file of settings.")
@click.option("--status", is_flag=True, help="Show how much is shipped and how much waits, and end.")
def ship(**given: Any) -> None:
    """Ship the decision record from the outbox to its sinks.

    The settings name the sinks (record.ship). It runs until SIGTERM. The exit code is 1 if records are left in the
    outbox.
    """
    run("customer_risk.serving.cli.ship_command:ship", **given)


@click.command()
@click.argument("url")
@click.option("--bundle", required=True, type=click.Path(path_type=Path), help="The bundle that the server should use.")
@click.option("--host", help="Host header, if URL is an address that several services share.")
@click.option("--token-file", type=click.Path(path_type=Path), help="File with a token of the scope `score`.")
def golden(**given: Any) -> None:
    """Send golden requests to a server and compare the answers.

    The server at URL must answer as the bundle did on the machine that made it. The exit code is 1 if an answer
    differs or the server doesn't answer.
    """
    run("customer_risk.serving.cli.golden_command:golden", **given)


@click.command()
@click.option("--config", required=True, type=click.Path(path_type=Path), help="YAML file of the batch's settings.")
@click.option("--bundle", required=True, type=click.Path(path_type=Path), help="Folder of the bundle.")
@click.option("--run", "day", type=click.DateTime(["%Y-%m-%d"]), help="The run's day; overrides the file.")
def batch(**given: Any) -> None:
    """Score all customers of a table or of Parquet files once.

    A day names a run. The same command continues an interrupted run, and does nothing for a finished one.

    \b
    Exit codes:
    0  every row was scored or refused
    1  the run isn't finished, since a service that it needs failed: run it again
    2  the settings, the bundle or the input can't be used
    3  the run is finished, but the share of refused rows is greater than most_refused
    """  # noqa: D301  click needs the character itself, which keeps lines unwrapped
    day = given.pop("day")
    sys.exit(run("customer_risk.serving.bulk.tables.main:main", day=None if day is None else day.date(), **given))
