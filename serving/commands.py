"""`customer-risk serve` and `customer-risk compile`."""

from __future__ import annotations

from pathlib import Path

import click

from model.errors import ConfigError


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for every one.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 for a free one.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 256), help="Processes, one a core.")
@click.option(
    "--drain",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Seconds between turning unready and closing the port.",
)
@click.option("--model-name", default="customer-risk", show_default=True, help="The model's name in KServe's paths.")
@click.option(
    "--stay-up",
    is_flag=True,
    help="With a bad bundle, stay alive and not ready (what a pod wants) instead of ending with an error.",
)
def serve(bundle: Path, host: str, port: int, workers: int, drain: float, model_name: str, stay_up: bool) -> None:
    """Answer risk requests over HTTP from BUNDLE, the folder that `customer-risk train` wrote (RUN/bundle).

    \b
    POST /ai/v1/risk                       a profile and transactions, or features
    POST /v1/models/customer-risk:predict  the same objects as KServe V1 `instances`
    GET  /v2/health/ready                  200 once the bundle's hashes and golden rows hold, 503 until then
    GET  /healthz                          200 while the process lives

    SIGTERM (or Ctrl-C) ends it once the requests under way are answered. Another bundle put in BUNDLE's place, or
    SIGHUP, is verified and taken without a pause; one that doesn't hold is refused.
    """  # noqa: D301  click wants the character itself, which keeps lines as they are
    click.echo(
        f"starting: importing the server, then checking {bundle} (a minute the first time, seconds later)", err=True
    )
    # Importing KServe takes seconds, which `--help` shouldn't.
    from serving.server import RiskServer, configure_logging  # noqa: PLC0415, I001  it shields the command line
    from serving.predictor import RiskModel  # noqa: PLC0415
    from serving.process.settings import ServerSettings  # noqa: PLC0415

    configure_logging()
    settings = ServerSettings(host=host, port=port, workers=workers, drain_seconds=drain, stay_up=stay_up)
    RiskServer(RiskModel(model_name, bundle, explain=True), bundle, settings).run()


@click.command(name="compile")
def compile_() -> None:
    """Compile every kernel and keep it beside the installed code: servers started from such an image compile nothing.

    What is kept is valid on every CPU of the level that CUSTOMER_RISK_CPU names (x86-64-v3 unless set), and is read
    where nothing can be written.
    """
    from model.scoring.compiled import counts, target  # noqa: PLC0415  importing Numba takes a second
    from serving.process.warm import warm  # noqa: PLC0415

    warm()
    click.echo(f"{counts.compiled} functions compiled for {target()}, {counts.loaded} were there", err=True)
    if counts.lost:
        raise ConfigError(
            f"{counts.lost} compiled functions could not be kept.", remedy="Run it where the install can be written to."
        )
