"""The folder in which workers share their metrics."""

from __future__ import annotations

import pytest

from customer_risk.serving.telemetry.metrics_folder import prepare


def test_the_folder_must_be_prepared_before_the_import(tmp_path) -> None:
    """Preparing the folder after prometheus_client was imported is refused."""
    import prometheus_client  # noqa: F401  imported is what it has to be

    with pytest.raises(RuntimeError, match="before its folder was set"):
        prepare(tmp_path)
