"""Uvicorn's server without its signal handlers, with checks for slow connections."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import uvicorn

from customer_risk.serving.http.acceptor import Acceptor
from customer_risk.serving.http.protocol import GuardedProtocol

if TYPE_CHECKING:
    import socket

    from customer_risk.serving.http.scoring_app import Application
    from customer_risk.serving.http.settings import ServerSettings

_SWEEP_SECONDS: Final = 0.5


class HttpServer(uvicorn.Server):
    """Serves `app` on one listening socket until `end` is called; `protocol` is the class of its connections."""

    def __init__(self, app: Application, protocol: type[GuardedProtocol], settings: ServerSettings) -> None:
        self._protocol = protocol
        self._acceptors: list[Acceptor] = []
        super().__init__(
            uvicorn.Config(
                app,
                http=self._protocol,
                loop="uvloop",
                ws="none",
                log_config=None,
                access_log=False,
                lifespan="off",
                interface="asgi3",
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=int(settings.keep_alive_seconds),
                timeout_graceful_shutdown=int(settings.grace_seconds),
            )
        )

    async def run_on(self, listening: socket.socket) -> None:
        """Serve until `end` is called; then close the socket and finish the requests under way."""
        sweeping = asyncio.create_task(self._sweep())
        try:
            await self.serve(sockets=[listening])
        finally:
            sweeping.cancel()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections with `Acceptor` instead of uvicorn's servers."""
        self._acceptors = [Acceptor(listening, self._connected) for listening in sockets or []]
        await super().startup([])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more connections, then shut down as uvicorn does."""
        for acceptor in self._acceptors:
            acceptor.close()
        await super().shutdown(sockets)

    def drain(self) -> None:
        """Close each connection after its next response, which announces it."""
        self._protocol.draining = True
        for connection in self._connections():
            connection.drain()

    def end(self) -> None:
        """Make `run_on` close the socket, finish the requests under way and return."""
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handlers: the worker has its own."""
        yield

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + _SWEEP_SECONDS
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            now = loop.time()
            halted, due = max(0.0, now - due), now + _SWEEP_SECONDS
            for connection in self._connections():
                connection.sweep(now, halted)

    def _connected(self) -> GuardedProtocol:
        return self._protocol(self.config, self.server_state, self.lifespan.state)

    def _connections(self) -> list[GuardedProtocol]:
        return [each for each in self.server_state.connections if isinstance(each, GuardedProtocol)]
