"""A server for metrics only, at a port of its own."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

import msgspec

from customer_risk.serving.http.admission import Admission
from customer_risk.serving.http.budget import Budget
from customer_risk.serving.http.connections import Connections
from customer_risk.serving.http.protocol import Bounds, protocol_with
from customer_risk.serving.http.server import HttpServer
from customer_risk.serving.process.listener import listener, require_free, url_of

if TYPE_CHECKING:
    from customer_risk.serving.http.scoring_app import Application
    from customer_risk.serving.http.settings import ServerSettings

_MOST_CONNECTIONS: Final = 64
_MOST_BYTES: Final = 1024 * 1024
_GRACE_SECONDS: Final = 1  # a response takes milliseconds: the worker's end doesn't wait for a slow client
_SETTINGS: Final = "server.host or server.metrics_port"
_log = logging.getLogger("serving")


class MetricsServer:
    """Serves `app` at `host` and `metrics_port` of the settings; all workers share the port."""

    def __init__(self, app: Application, settings: ServerSettings) -> None:
        self._app = app
        self._settings = settings
        self._server: HttpServer | None = None
        self._task: asyncio.Task[None] | None = None

    def require_free(self) -> None:
        """Raise ConfigError if another process uses the port; workers that share it wouldn't notice."""
        require_free(self._settings.host, self._settings.metrics_port, settings=_SETTINGS)

    async def start(self) -> None:
        """Listen, on the running event loop; raises ConfigError if it can't."""
        settings = self._settings
        shared = settings.workers > 1
        listening = listener(settings.host, settings.metrics_port, shared=shared, settings=_SETTINGS)
        connections = Connections(_MOST_CONNECTIONS, _MOST_CONNECTIONS)
        bounds = Bounds(Admission(0), connections, Budget(_MOST_BYTES, _MOST_BYTES), settings)
        brief = msgspec.structs.replace(settings, grace_seconds=min(settings.grace_seconds, _GRACE_SECONDS))
        self._server = HttpServer(self._app, protocol_with(bounds), brief)
        self._task = asyncio.create_task(self._server.run_on(listening))
        _log.info("metrics at %s/metrics", url_of(listening))

    async def stop(self) -> None:
        """Close the port, and finish the requests under way."""
        if self._server is not None and self._task is not None:
            self._server.end()
            await self._task
