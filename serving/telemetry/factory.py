"""Makes the handler that sends log lines to Cloud Logging's API; loads Google's libraries."""

from __future__ import annotations

import logging
from collections.abc import Callable


def cloud_handler(project: str | None, endpoint: str) -> Callable[[], logging.Handler]:
    """Return a function that makes the handler; call it after the fork.

    Raises ConfigError without credentials or a project.
    """
    from customer_risk.serving.telemetry import cloud_logging

    client = cloud_logging.create_client(project, endpoint)
    return lambda: cloud_logging.create_handler(client)
