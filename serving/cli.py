"""The commands that serve, and those that stand beside a server."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click
import msgspec

from customer_risk.model.errors import ConfigError, GoldenMismatch


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
def serve(
    bundle: Path,
    config: Path | None,
    host: str | None,
    port: int | None,
    workers: int | None,
    drain: float | None,
    model_name: str | None,
    stay_up: bool | None,
) -> None:
    """Answer risk requests over HTTP from BUNDLE, the folder that `customer-risk train` wrote (RUN/bundle).

    \b
    POST /ai/v1/risk                       a profile and transactions, or features
    POST /v1/models/customer-risk:predict  the same objects as KServe V1 `instances`
    GET  /v2/health/ready                  200 once the bundle's hashes and golden requests hold, 503 until then
    GET  /healthz                          200 while the process lives

    SIGTERM (or Ctrl-C) ends it once the requests under way are answered. Another bundle put in BUNDLE's place, or
    SIGHUP, is verified and taken without a pause; one that doesn't hold is refused.
    """  # noqa: D301  click wants the character itself, which keeps lines as they are
    click.echo(
        f"starting: importing the server, then checking {bundle} (a minute the first time, seconds later)", err=True
    )
    # Importing KServe takes seconds, which `--help` shouldn't.
    from customer_risk.serving.settings import load_settings  # noqa: PLC0415

    given = {"host": host, "port": port, "workers": workers, "drain_seconds": drain, "stay_up": stay_up}
    settings = load_settings(
        config, model_name=model_name, server={name: value for name, value in given.items() if value is not None}
    )
    folder = Path(settings.run_folder or tempfile.mkdtemp(prefix="customer-risk-"))
    from customer_risk.serving.telemetry.metrics_folder import prepare  # noqa: PLC0415

    prepare(folder / "metrics")  # before anything imports prometheus_client, as KServe does
    from customer_risk.serving.app import assemble  # noqa: PLC0415

    assemble(bundle, settings, folder).run()


@click.command(name="compile")
def compile_() -> None:
    """Compile every kernel and keep it beside the installed code: servers started from such an image compile nothing.

    What is kept is valid on every CPU of the level that CUSTOMER_RISK_CPU names (x86-64-v3 unless set), and is read
    where nothing can be written.
    """
    from customer_risk.model.scoring.compiled import counts, target  # noqa: PLC0415  importing Numba takes a second
    from customer_risk.serving.warm_up import warm  # noqa: PLC0415

    warm()
    click.echo(f"{counts.compiled} functions compiled for {target()}, {counts.loaded} were there", err=True)
    if counts.lost:
        raise ConfigError(
            f"{counts.lost} compiled functions could not be kept.", remedy="Run it where the install can be written to."
        )


@click.command()
@click.option("--config", required=True, type=click.Path(path_type=Path), help="The server's YAML file of settings.")
@click.option("--status", is_flag=True, help="Show what is shipped and what waits, and end.")
def ship(config: Path, *, status: bool) -> None:
    """Ship the decision record from its outbox to the sinks that the settings name (record.ship), until SIGTERM.

    Ends with 1 where records are left in the outbox.
    """
    from customer_risk.serving.record.shipper.main import leave, run  # noqa: PLC0415
    from customer_risk.serving.record.shipper.status import read  # noqa: PLC0415
    from customer_risk.serving.settings import load_settings  # noqa: PLC0415
    from customer_risk.serving.telemetry.logs import configure  # noqa: PLC0415  as above

    settings = load_settings(config, server={})
    settings.record.check()
    orders = settings.record.orders(settings.logs)
    if status:
        click.echo(msgspec.json.format(msgspec.json.encode(read(Path(orders.folder)))).decode())
        return
    configure(settings.logs)
    leave(run(orders))


@click.command()
@click.argument("url")
@click.option("--bundle", required=True, type=click.Path(path_type=Path), help="The bundle that should be answering.")
@click.option("--host", help="The service's name where URL is an address that stands for several.")
@click.option("--token-file", type=click.Path(path_type=Path), help="A file with a token of scope `score`.")
def golden(url: str, bundle: Path, host: str | None, token_file: Path | None) -> None:
    """Send a bundle's golden requests to the server at URL, which should answer as the bundle did where it was made.

    Ends with 1 where it doesn't, or where it can't be asked.
    """
    from customer_risk.serving.client import ClientError, RiskClient  # noqa: PLC0415  as above
    from customer_risk.serving.golden_check import check  # noqa: PLC0415

    try:
        token = token_file.read_text().strip() if token_file else None
    except OSError as error:
        raise ConfigError(f"{token_file} can't be read: {error}.", remedy="Name a file with a token.") from error
    try:
        with RiskClient(url, token=token, host=host) as client:
            count = check(client, bundle)
    except (ClientError, GoldenMismatch) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    click.echo(f"{count} golden requests answered as they should be by {url}")
