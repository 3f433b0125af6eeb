"""The folder in which workers share their metrics."""

from __future__ import annotations

import pytest

from customer_risk.serving.telemetry.metrics_folder import prepare


def test_the_folder_must_be_known_first(tmp_path) -> None:
    """Preparing it after the library is imported would count each process by itself, so it is refused."""
    import prometheus_client  # noqa: F401  imported is what it has to be

    with pytest.raises(RuntimeError, match="before its folder is known"):
        prepare(tmp_path)
