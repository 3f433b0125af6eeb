"""Sends log lines to Cloud Logging's API with google-cloud-logging, for clusters without an agent for logs."""

from __future__ import annotations

import logging
from typing import Any, Final

from google.cloud.logging_v2 import Client
from google.cloud.logging_v2.handlers import CloudLoggingHandler

from customer_risk.model.errors import ConfigError
from customer_risk.model.google_cloud.credentials import client_arguments

_SCOPE: Final = "https://www.googleapis.com/auth/logging.write"
_SETTING: Final = "logs.client: cloud"


def create_client(project: str | None, endpoint: str) -> Any:
    """Return Cloud Logging's client; raises ConfigError if there are no credentials or no project."""
    arguments = client_arguments(endpoint, _SCOPE, _SETTING)
    try:
        # Over HTTP: gRPC's threads don't survive a fork.
        return Client(project=project, _use_grpc=False, **arguments)  # type: ignore[no-untyped-call]
    except OSError as error:
        raise ConfigError(f"{_SETTING}: there is no project: {error}", remedy="Set logs.project.") from error


def create_handler(client: Any) -> logging.Handler:
    """Return a handler that sends lines on its own thread: make it after the fork."""
    return CloudLoggingHandler(client, name="customer-risk")
