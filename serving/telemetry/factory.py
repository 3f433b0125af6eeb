"""Makes the handlers and exporters whose libraries are loaded only if they are used."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from customer_risk.model.errors import ConfigError
from customer_risk.serving.telemetry.tracing import TracingSettings

if TYPE_CHECKING:
    from customer_risk.serving.telemetry.spans import SpanExporter


def cloud_handler(project: str | None, endpoint: str) -> Callable[[], logging.Handler]:
    """Return a function that makes the handler; call it after the fork.

    Raises ConfigError without credentials or a project.
    """
    from customer_risk.serving.telemetry import cloud_logging

    client = cloud_logging.create_client(project, endpoint)
    return lambda: cloud_logging.create_handler(client)


def create_spans(settings: TracingSettings, model_name: str) -> list[SpanExporter]:
    """Return the worker's component that exports spans, or no component without an endpoint; raises ConfigError."""
    if not settings.endpoint:
        return []
    try:
        url = urlsplit(settings.endpoint)
        valid = url.scheme in {"http", "https"} and url.hostname and url.port and url.path in {"", "/"}
        valid = valid and not (url.username or url.query or url.fragment)
    except ValueError:  # an invalid port
        valid = False
    if not valid:
        raise ConfigError(
            f"tracing.endpoint: {settings.endpoint!r} is not the URL of a collector.",
            remedy="Name scheme, host and port, for example http://collector:4317.",
        )
    from customer_risk.serving.telemetry.spans import SpanExporter

    return [SpanExporter(settings, model_name)]
