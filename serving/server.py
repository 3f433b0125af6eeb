"""The process: a listener that is up at once, a bundle verified beside it, requests finished before it ends."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn
from kserve import ModelServer

from model.errors import ConfigError, CustomerRiskError
from serving.application import application
from serving.direct import protocol_with
from serving.readiness import FixedModels, TruthfulDataPlane

if TYPE_CHECKING:
    from serving.predictor import RiskModel

GRACE_SECONDS = 30  # for requests that are under way when the process is asked to end

_log = logging.getLogger("serving")


@dataclass(frozen=True, slots=True)
class Settings:
    """Where to listen (port 0: any free one), whether callers see explanations, and what a bad bundle leads to.

    With `stay_up` a bad bundle leaves the process alive and not ready, as a pod wants it; without, the process ends.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    explain: bool = True
    stay_up: bool = False


class RiskServer(ModelServer):  # type: ignore[misc]  # KServe ships no types
    """KServe's server for one model, on one event loop of its own."""

    def __init__(self, model: RiskModel, settings: Settings) -> None:
        super().__init__(
            http_port=settings.port,
            workers=1,
            enable_grpc=False,
            enable_docs_url=False,
            enable_latency_logging=False,
            grace_period=GRACE_SECONDS,
        )
        self._settings = settings
        self._model = model
        self._failure: Exception | None = None
        self.dataplane = TruthfulDataPlane(model_registry=self.registered_models)
        self.model_repository_extension = FixedModels(model_registry=self.registered_models)
        self.register_model(model)
        lane = application(model.service, self.dataplane, self.model_repository_extension)
        self._http = uvicorn.Server(
            uvicorn.Config(
                lane,
                http=protocol_with(lane.direct),
                loop="uvloop",
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_keep_alive=self.timeout_keep_alive,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )

    def run(self) -> None:
        """Serve until asked to end.

        Raises ConfigError where the port is taken, and whatever verifying the bundle raised unless `stay_up`.
        """
        with listener(self._settings.host, self._settings.port) as listening:
            self.register_signal_handler()
            with asyncio.Runner(loop_factory=self._http.config.get_loop_factory()) as runner:
                runner.run(self._run(listening))
        if self._failure is not None and not self._settings.stay_up:
            raise self._failure

    def stop(self, sig: int) -> None:  # noqa: ARG002  KServe passes it
        """End once the requests under way are answered. Uvicorn hears SIGINT and SIGTERM itself while it serves."""
        self._http.should_exit = True

    async def _run(self, listening: socket.socket) -> None:
        loading = asyncio.create_task(self._load(_url(listening)))
        await self._http.serve(sockets=[listening])
        self._model.stop()
        await loading

    async def _load(self, url: str) -> None:
        """Verify the bundle in a thread, so that probes are answered meanwhile."""
        started = time.perf_counter()
        try:
            await asyncio.to_thread(self._model.load)
        except Exception as error:  # noqa: BLE001  raised again once the listener is closed, or logged
            self._failure = error
            if self._settings.stay_up:
                unforeseen = not isinstance(error, CustomerRiskError)
                _log.error("not ready, and won't be: %s", error, exc_info=unforeseen)
            else:
                self.stop(0)
        else:
            gc.collect()
            gc.freeze()  # what is loaded stays; looking through it again and again finds nothing
            gc.set_threshold(50_000, 20, 50)  # a request's values are freed as it ends, without the collector
            took = time.perf_counter() - started
            version = self._model.service.model().version
            _log.info("ready: POST %s/ai/v1/risk, bundle %s verified in %.1f s", url, version[:12], took)


def listener(host: str, port: int) -> socket.socket:
    """Listen on a TCP port; raises ConfigError where that can't be done."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"Can't listen on {host}:{port}: {error}.", remedy="Choose another --host or --port."
        ) from error


def configure_logging() -> None:
    """Send our lines, and warnings of all others, to standard error; nothing is logged a request."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    _log.setLevel(logging.INFO)


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
