"""What `customer-risk serve` does."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from customer_risk.serving.settings import load_settings
from customer_risk.serving.telemetry.metrics_folder import prepare


def serve(
    *,
    bundle: Path,
    config: Path | None,
    host: str | None,
    port: int | None,
    workers: int | None,
    drain: float | None,
    model_name: str | None,
    stay_up: bool | None,
) -> None:
    """Serve `bundle` until SIGTERM, with the settings of the file `config`; the other options override them."""
    given = {"host": host, "port": port, "workers": workers, "drain_seconds": drain, "stay_up": stay_up}
    settings = load_settings(
        config, model_name=model_name, server={name: value for name, value in given.items() if value is not None}
    )
    folder = Path(settings.run_folder or tempfile.mkdtemp(prefix="customer-risk-"))
    prepare(folder / "metrics")  # before anything imports prometheus_client, as KServe does
    # Set before gRPC is imported. Otherwise gRPC writes bytes from clients to standard error.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from customer_risk.serving.app import assemble  # noqa: PLC0415  as above

    assemble(bundle, settings, folder).run()
