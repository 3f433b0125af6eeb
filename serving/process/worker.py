"""One serving process, from its start to its last response."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from customer_risk.model.errors import CustomerRiskError
from customer_risk.serving.offload import run_on_daemon_thread
from customer_risk.serving.process.listener import url_of
from customer_risk.serving.process.memory import give_back_memory

if TYPE_CHECKING:
    import socket

    from customer_risk.serving.decisions.reload import Reloader
    from customer_risk.serving.http.server import HttpServer
    from customer_risk.serving.http.settings import ServerSettings
    from customer_risk.serving.process.component import Component

_SWITCH_SECONDS = 0.001  # how long the event loop waits for a thread that reads a large body; Python's default is 5 ms
_log = logging.getLogger("serving")


class Drains(Protocol):
    """A service that can be set to draining: callers should send it no new requests."""

    draining: bool


class Worker:
    """Serves on a listening socket with `http` and `components` (made here, after the fork).

    It isn't ready until `reloader` has loaded a bundle, which it does while serving unless a bundle was loaded
    before. SIGTERM and SIGINT drain and end it; on SIGHUP it loads the bundle again.
    """

    def __init__(
        self,
        http: HttpServer,
        reloader: Reloader,
        service: Drains,
        settings: ServerSettings,
        components: Callable[[], Sequence[Component]] = tuple,
    ) -> None:
        self._http = http
        self._reloader = reloader
        self._service = service
        self._settings = settings
        self._components = components
        self._asked: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hurry = False
        self._failure: Exception | None = None

    def run(self, listening: socket.socket) -> None:
        """Serve until a signal or `stop`; raises the error of the first bundle unless `stay_up`, or of a component."""
        give_back_memory()
        sys.setswitchinterval(_SWITCH_SECONDS)
        with asyncio.Runner(loop_factory=self._http.config.get_loop_factory()) as runner:
            runner.run(self._run(listening))
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Drain and end; any thread may call. A second call ends without draining."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop)

    async def _run(self, listening: socket.socket) -> None:
        self._loop, self._asked = asyncio.get_running_loop(), asyncio.Event()
        for each in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(each, self._stop)
        tasks: set[asyncio.Task[object]] = set()
        self._loop.add_signal_handler(signal.SIGHUP, lambda: tasks.add(asyncio.ensure_future(self._reloader.reload())))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        async with self._started_components():
            serving = asyncio.create_task(self._http.run_on(listening))
            tasks.add(asyncio.create_task(self._begin(url_of(listening))))
            asked = asyncio.create_task(self._asked.wait())
            await asyncio.wait({asked, serving}, return_when=asyncio.FIRST_COMPLETED)
            self._service.draining = True
            if not self._hurry and self._settings.drain_seconds and self._failure is None:
                self._http.drain()
                self._asked.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._asked.wait(), self._settings.drain_seconds)
            self._http.end()
            await serving
            for task in (asked, *tasks):
                task.cancel()
            await asyncio.gather(asked, *tasks, return_exceptions=True)

    def _stop(self) -> None:
        if self._asked is not None:
            self._hurry = self._asked.is_set()
            self._asked.set()

    @contextlib.asynccontextmanager
    async def _started_components(self) -> AsyncIterator[None]:
        """Start every component; at the end stop the started ones in the opposite order."""
        async with contextlib.AsyncExitStack() as stack:
            for component in self._components():
                await component.start()
                stack.push_async_callback(component.stop)
            yield

    async def _begin(self, url: str) -> None:
        """Load the bundle while serving, if that wasn't done; then watch for another one."""
        if self._reloader.state.version is None and self._reloader.state.refusal is None:
            try:
                await run_on_daemon_thread(self._reloader.load)
            except Exception as error:  # noqa: BLE001  raised again once the socket is closed, or logged
                if not self._settings.stay_up:
                    self._failure = error
                    self._stop()
                    return
                _log.error("not ready: %s", error, exc_info=not isinstance(error, CustomerRiskError))
            else:
                freeze_memory()
                _log.info(
                    "ready: POST %s/ai/v1/risk, bundle %s verified", url, (self._reloader.state.version or "")[:12]
                )
        if self._settings.reload_seconds:
            await self._reloader.watch(self._settings.reload_seconds)


def freeze_memory() -> None:
    """Exclude loaded objects from garbage collection: scanning them frees nothing and copies shared pages."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)  # a request's objects are freed by reference counting
