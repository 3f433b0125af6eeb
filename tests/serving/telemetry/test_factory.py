"""The factory of exporters whose libraries are loaded only if they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.serving.telemetry.factory import create_spans
from customer_risk.serving.telemetry.tracing import TracingSettings


@pytest.mark.parametrize(
    "endpoint",
    [
        "collector:4317",
        "http://collector",
        "ftp://c:4317",
        "http://c:port",
        "http://u:p@c:4317",
        "http://c:4317/v1/traces",
    ],
)
def test_an_endpoint_that_is_no_collectors_is_refused(endpoint) -> None:
    """The error names the setting and shows a valid URL."""
    with pytest.raises(ConfigError, match=r"tracing\.endpoint: .* Name scheme, host and port"):
        create_spans(TracingSettings(endpoint=endpoint), "customer-risk")


def test_without_an_endpoint_opentelemetrys_sdk_is_not_loaded() -> None:
    """The server's modules don't import the SDK or its exporter, and no span is made."""
    code = (
        "import sys\n"
        "from customer_risk.serving.app import assemble\n"
        "from customer_risk.serving.telemetry.factory import create_spans\n"
        "from customer_risk.serving.telemetry.tracing import TracingSettings\n"
        "assert create_spans(TracingSettings(), 'm') == []\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
