"""Connections to BigQuery, made at their first use; their failures raise SinkUnavailable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import Any, Final

import grpc
from google.cloud.bigquery import Client, QueryJobConfig
from google.cloud.bigquery_storage_v1 import BigQueryWriteClient
from google.cloud.bigquery_storage_v1.services.big_query_write.transports import BigQueryWriteGrpcTransport

from customer_risk.model.errors import ConfigError
from customer_risk.model.google_cloud.credentials import SECONDS, client_arguments, credentials_for, is_plain
from customer_risk.model.google_cloud.errors import REFUSED, passes, translated
from customer_risk.serving.record.sinks.interface import SinkUnavailable
from customer_risk.serving.record.sinks.settings import SINKS, BigQuerySettings

_SCOPE: Final = "https://www.googleapis.com/auth/bigquery"
_WRITE: Final = "bigquerystorage.googleapis.com"
_CHANNEL: Final = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),  # so that a new channel doesn't inherit another's failures
)


class Connections:
    """A table's clients: `write` for rows, `rest` for all else. Messages name `setting`."""

    def __init__(self, settings: BigQuerySettings, setting: str = SINKS) -> None:
        self._settings = settings
        self._setting = f"{setting}: bigquery"

    @cached_property
    def rest(self) -> Any:
        """The client of the REST interface; raises ConfigError without credentials."""
        settings = self._settings
        return Client(project=settings.project, **client_arguments(settings.endpoint, _SCOPE, self._setting))

    @cached_property
    def write(self) -> Any:
        """The client of the Storage Write API; raises ConfigError without credentials."""
        endpoint = self._settings.grpc_endpoint
        if is_plain(endpoint):
            channel = grpc.insecure_channel(endpoint.removeprefix("http:").strip("/"), options=_CHANNEL)
        else:
            channel = BigQueryWriteGrpcTransport.create_channel(
                endpoint.removeprefix("https:").strip("/") or _WRITE,
                credentials=credentials_for(endpoint, _SCOPE, self._setting),
                options=_CHANNEL,
            )
        return BigQueryWriteClient(transport=BigQueryWriteGrpcTransport(channel=channel))  # type: ignore[no-untyped-call]

    def query(
        self, query: str, parameters: Sequence[Any] = (), *, seconds: float = SECONDS, wait: float | None = None
    ) -> Any:
        """Run a query once and return its rows.

        Each request may take `seconds`, and the whole query `wait` seconds (by default `seconds`).
        """
        return self.rest.query_and_wait(
            query,
            job_config=QueryJobConfig(query_parameters=list(parameters), use_query_cache=False),
            api_timeout=seconds,
            wait_timeout=seconds if wait is None else wait,
            retry=None,
            job_retry=None,
        )

    def reaching(self, *answers: type[Exception]) -> AbstractContextManager[None]:
        """Raise SinkUnavailable for every error except `answers`."""
        return translated(lambda error: unavailable(self._settings.path, str(error) or repr(error)), answers)

    @contextmanager
    def translating(self, done: str, remedy: str, *also: type[Exception]) -> Iterator[None]:
        """Raise ConfigError for permanent errors and for `also`, SinkUnavailable for all others.

        The message says that the table can't be `done`, for example "read".
        """
        refused = (*REFUSED, *also)
        try:
            with self.reaching(*refused):
                yield
        except refused as error:
            path = self._settings.path
            if passes(error):
                raise unavailable(path, str(error)) from error
            raise ConfigError(f"{self._setting}: {path} can't be {done}: {error}.", remedy=remedy) from error

    def close(self) -> None:
        """Close the connections."""
        self.hang_up()
        if "rest" in self.__dict__:
            self.rest.close()
            del self.rest

    def hang_up(self) -> None:
        """Close the connection of `write`, which would wait for up to two minutes before it connects again."""
        if "write" in self.__dict__:
            self.write.transport.close()
            del self.write


def unavailable(table: str, why: str) -> SinkUnavailable:
    """Return the error of a table that can't be used now."""
    return SinkUnavailable(
        f"The table {table} fails: {why}.",
        remedy="The request is repeated; check the network, the table and this identity's permissions.",
    )
