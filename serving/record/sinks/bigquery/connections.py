"""Connections to BigQuery, made when first asked for; whatever fails on them becomes SinkUnavailable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final

from customer_risk.model.errors import ConfigError
from customer_risk.serving.record.sinks.bigquery.settings import BigQuerySettings
from customer_risk.serving.record.sinks.interface import SinkUnavailable

SECONDS: Final = 5.0  # for any one answer
ONCE: Final[dict[str, Any]] = {"timeout": SECONDS, "retry": None}  # the shipper tries again, and says so
_SCOPE: Final = "https://www.googleapis.com/auth/bigquery"
_WRITE: Final = "bigquerystorage.googleapis.com"
_CHANNEL: Final = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),  # so that a new channel doesn't wait for what failed on another
)


class Connections:
    """A table's clients: `rest` for all but rows, `write` for rows."""

    def __init__(self, settings: BigQuerySettings) -> None:
        self._settings = settings

    @cached_property
    def rest(self) -> Any:
        """Give the client of the REST interface; raises ConfigError without credentials."""
        from google.auth.transport.requests import AuthorizedSession  # noqa: PLC0415  a second that only this needs
        from google.cloud.bigquery import Client  # noqa: PLC0415

        settings = self._settings
        credentials = self._credentials(settings.endpoint)
        return Client(
            project=settings.project,
            credentials=credentials,
            _http=AuthorizedSession(credentials, refresh_timeout=SECONDS),  # type: ignore[no-untyped-call]
            client_options={"api_endpoint": settings.endpoint} if settings.endpoint else None,
        )

    @cached_property
    def write(self) -> Any:
        """Give the client of the Storage Write API; raises ConfigError without credentials."""
        import grpc  # noqa: PLC0415  as above
        from google.cloud.bigquery_storage_v1 import BigQueryWriteClient  # noqa: PLC0415
        from google.cloud.bigquery_storage_v1.services.big_query_write.transports import (  # noqa: PLC0415
            BigQueryWriteGrpcTransport,
        )

        endpoint = self._settings.grpc_endpoint
        if endpoint.startswith("http:"):
            channel = grpc.insecure_channel(endpoint.removeprefix("http:").strip("/"), options=_CHANNEL)
        else:
            channel = BigQueryWriteGrpcTransport.create_channel(
                endpoint.removeprefix("https:").strip("/") or _WRITE,
                credentials=self._credentials(endpoint),
                options=_CHANNEL,
            )
        return BigQueryWriteClient(transport=BigQueryWriteGrpcTransport(channel=channel))  # type: ignore[no-untyped-call]

    @contextmanager
    def reaching(self, *answers: type[Exception]) -> Iterator[None]:
        """Raise SinkUnavailable for whatever goes wrong, but for `answers`."""
        import grpc  # noqa: PLC0415  as above
        import requests  # noqa: PLC0415
        import urllib3  # noqa: PLC0415
        from google.api_core.exceptions import GoogleAPIError  # noqa: PLC0415
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415

        faults = (GoogleAPIError, GoogleAuthError, OSError, grpc.RpcError)
        try:
            yield
        except answers:
            raise
        except (*faults, requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise unavailable(self._settings.path, str(error) or repr(error)) from error

    def close(self) -> None:
        """Close connections, if any were made."""
        self.hang_up()
        if "rest" in self.__dict__:
            self.rest.close()
            del self.rest

    def hang_up(self) -> None:
        """Close the connection of `write`, which would wait for up to two minutes before it tries a server again."""
        if "write" in self.__dict__:
            self.write.transport.close()
            del self.write

    def _credentials(self, endpoint: str) -> Any:
        import google.auth  # noqa: PLC0415  as above
        from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415
        from google.auth.exceptions import DefaultCredentialsError  # noqa: PLC0415

        if endpoint.startswith("http:"):
            return AnonymousCredentials()  # type: ignore[no-untyped-call]
        try:
            credentials, _ = google.auth.default(scopes=[_SCOPE])
        except DefaultCredentialsError as error:
            raise ConfigError(
                f"record.ship.sinks: bigquery: there are no credentials: {error}",
                remedy="Run with Workload Identity, or set GOOGLE_APPLICATION_CREDENTIALS.",
            ) from error
        return credentials


def unavailable(table: str, why: str) -> SinkUnavailable:
    """Make the error of a table that can't be written to now."""
    return SinkUnavailable(
        f"The table {table} fails: {why}.",
        remedy="It is tried again; see to the network, the table and this identity's rights.",
    )
