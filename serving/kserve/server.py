"""The server: the HTTP application in one process, or in several on one port."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from customer_risk.model.errors import CustomerRiskError
from customer_risk.serving.decisions.reload import Reloader
from customer_risk.serving.http.admission import Admission
from customer_risk.serving.http.budget import Budget
from customer_risk.serving.http.connections import Connections
from customer_risk.serving.http.protocol import Bounds, protocol_with
from customer_risk.serving.http.server import HttpServer
from customer_risk.serving.http.settings import ServerSettings
from customer_risk.serving.process.listener import listeners, url_of
from customer_risk.serving.process.supervisor import Lost, Supervisor
from customer_risk.serving.process.worker import Worker, freeze_memory
from customer_risk.serving.telemetry.metrics import Metrics


@contextmanager
def _no_arguments() -> Iterator[None]:
    """Hide the command line: KServe parses it on import, and ends the process if it is invalid for KServe."""
    kept, sys.argv = sys.argv, sys.argv[:1]
    try:
        yield
    finally:
        sys.argv = kept


with _no_arguments():
    from kserve import ModelServer

    from customer_risk.serving.kserve.application import application
    from customer_risk.serving.kserve.data_plane import FixedModels, ModelDataPlane

if TYPE_CHECKING:
    import socket

    from customer_risk.serving.http.scoring_app import Mount
    from customer_risk.serving.kserve.model import RiskModel
    from customer_risk.serving.process.component import Component
    from customer_risk.serving.store.idempotency import Idempotency

_log = logging.getLogger("serving")


class RiskServer(ModelServer):  # type: ignore[misc]  # KServe ships no types
    """KServe's server for one model, which answers from the bundle in `folder`.

    `endpoints` and `keys` are those of the application. `components` returns what each worker runs beside it, after the
    fork. `metrics` counts a worker's events. `lost` is notified of each worker that ended.
    """

    def __init__(
        self,
        model: RiskModel,
        folder: Path,
        settings: ServerSettings,
        *,
        endpoints: Mapping[str, Mount] | None = None,
        keys: Callable[[], Idempotency] | None = None,
        components: Callable[[], Sequence[Component]] = tuple,
        metrics: Metrics | None = None,
        budget: Budget | None = None,
        lost: Lost = lambda *_, **__: None,
    ) -> None:
        super().__init__(
            http_port=settings.port,
            workers=settings.workers,
            enable_grpc=False,
            enable_docs_url=False,
            enable_latency_logging=False,
            grace_period=int(settings.grace_seconds),
        )
        self._settings = settings
        self._lost = lost
        self.dataplane = ModelDataPlane(model_registry=self.registered_models)
        self.model_repository_extension = FixedModels(model_registry=self.registered_models)
        self.register_model(model)
        metrics = metrics or Metrics()
        app = application(
            model.exchange,
            self.dataplane,
            self.model_repository_extension,
            endpoints=endpoints,
            keys=keys,
            in_flight=metrics.in_flight,
            budget=budget,
        )
        if model.service.answering:  # by rules, before there is a bundle
            model.service.require("the first answers", lambda: model.warm)
        self.reloader = reloader = Reloader(folder, model.use, before=model.warm_up, after=metrics.reloaded)
        self.admission = Admission(
            settings.most_wait_ms / 1000, lenient=lambda: reloader.loading, shed=metrics.shed, waited=metrics.waited
        )
        bounds = Bounds(
            self.admission,
            Connections(settings.most_connections, settings.most_connections_each),
            budget or Budget(settings.most_body_bytes, settings.most_body_bytes_each),
            settings,
        )
        http = HttpServer(app, protocol_with(bounds, app.direct, app.finish, metrics.refused), settings)
        self._worker = Worker(http, self.reloader, model.service, settings, components)

    def run(self) -> None:
        """Serve until a signal or `stop`.

        Raises ConfigError if the port is in use, and the errors of loading the bundle unless `stay_up`.
        """
        settings = self._settings
        with ExitStack() as stack:
            sockets = [stack.enter_context(each) for each in listeners(settings.host, settings.port, settings.workers)]
            if len(sockets) == 1:
                self._worker.run(sockets[0])
            else:
                self._load(sockets[0])
                patience = settings.drain_seconds + settings.grace_seconds
                killed = Supervisor(sockets, self._worker.run, patience=patience, lost=self._lost).run()
                if killed:
                    _log.error("%d workers were killed: their last requests took too long", killed)

    def stop(self, sig: int = 0) -> None:  # noqa: ARG002  KServe passes it
        """Drain and end a server of one worker; any thread may call."""
        self._worker.stop()

    def _load(self, listening: socket.socket) -> None:
        """Load the bundle once for all workers, which share its memory."""
        began = time.perf_counter()
        try:
            self.reloader.load()
        except CustomerRiskError as error:
            if not self._settings.stay_up:
                raise
            _log.error("not ready: %s", error)
        else:
            url, version, workers = url_of(listening), self.reloader.state.version or "", self._settings.workers
            took = time.perf_counter() - began
            _log.info(
                "ready: POST %s/ai/v1/risk, bundle %s verified in %.1f s, %d workers", url, version[:12], took, workers
            )
        freeze_memory()
