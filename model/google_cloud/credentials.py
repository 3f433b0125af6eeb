"""Credentials and HTTP sessions for Google's APIs, or for another server with these APIs."""

from __future__ import annotations

from typing import Any, Final

import google.auth
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError
from google.auth.transport.requests import AuthorizedSession

from customer_risk.model.errors import ConfigError

SECONDS: Final = 5.0  # for a connection, and between two bytes of a response
ONCE: Final[dict[str, Any]] = {"timeout": SECONDS, "retry": None}  # of one request: the caller retries and logs
_REMEDY: Final = (
    "Run with Workload Identity, run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS."
)


def is_plain(endpoint: str) -> bool:
    """Whether an endpoint is plain HTTP, such as an emulator's: no credentials are sent to it."""
    return endpoint.startswith("http:")


def credentials_for(endpoint: str, scope: str, setting: str) -> Any:
    """Return the environment's credentials, or anonymous ones for a plain HTTP endpoint.

    Raises ConfigError, naming `setting`, if the environment has none.
    """
    if is_plain(endpoint):
        return AnonymousCredentials()  # type: ignore[no-untyped-call]
    try:
        credentials, _ = google.auth.default(scopes=[scope])
    except DefaultCredentialsError as error:
        raise ConfigError(f"{setting}: there are no credentials: {error}", remedy=_REMEDY) from error
    return credentials


def client_arguments(endpoint: str, scope: str, setting: str) -> dict[str, Any]:
    """Return the arguments of Google's REST clients for `endpoint`, by default Google's; raises ConfigError."""
    credentials = credentials_for(endpoint, scope, setting)
    return {
        "credentials": credentials,
        "_http": AuthorizedSession(credentials, refresh_timeout=SECONDS),  # type: ignore[no-untyped-call]
        "client_options": {"api_endpoint": endpoint} if endpoint else None,
    }
