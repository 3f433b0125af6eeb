"""What `customer-risk ship` does."""

from __future__ import annotations

from pathlib import Path

from customer_risk.model.terminal import echo_json
from customer_risk.serving.record.shipper.main import leave, run
from customer_risk.serving.record.shipper.status import read
from customer_risk.serving.settings import load_settings
from customer_risk.serving.telemetry.logs import configure


def ship(config: Path, *, status: bool) -> None:
    """Ship the record until SIGTERM; with `status`, print what is shipped and what waits instead."""
    settings = load_settings(config, server={})
    settings.record.check()
    shipper_config = settings.record.shipper_config(settings.logs)
    if status:
        echo_json(read(Path(shipper_config.folder)))
        return
    configure(settings.logs)
    leave(run(shipper_config))
