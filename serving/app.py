"""Assembles the server from its settings."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Awaitable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

# Import this first: it hides the command line, which KServe parses on import.
from customer_risk.serving.kserve.server import RiskServer  # isort: split

from customer_risk.model.errors import ConfigError
from customer_risk.serving.auth.access import AccessControl
from customer_risk.serving.auth.factory import create_authenticator
from customer_risk.serving.auth.rate_limits import Limiter
from customer_risk.serving.bulk.jobs.endpoints import PATH as JOBS_PATH
from customer_risk.serving.bulk.jobs.endpoints import JobsEndpoint
from customer_risk.serving.bulk.jobs.repository import JobRepository
from customer_risk.serving.bulk.jobs.runner import WorkerConfig
from customer_risk.serving.bulk.jobs.store_watch import StoreWatch
from customer_risk.serving.decisions.factory import create_service
from customer_risk.serving.decisions.switches import SwitchFile
from customer_risk.serving.errors import StoreUnavailable
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.exchange.observers import LogObserver, MetricsObserver, SpanObserver
from customer_risk.serving.http.budget import Budget
from customer_risk.serving.http.endpoints.admin import PATH as ADMIN_PATH
from customer_risk.serving.http.endpoints.admin import Admin
from customer_risk.serving.http.endpoints.counters import PATH as COUNTERS_PATH
from customer_risk.serving.http.endpoints.counters import CountersEndpoint
from customer_risk.serving.http.endpoints.metrics import PATH as METRICS_PATH
from customer_risk.serving.http.endpoints.metrics import MetricsEndpoint
from customer_risk.serving.http.endpoints.pages import Page
from customer_risk.serving.http.scoring_app import ANSWERING, Mount
from customer_risk.serving.kserve.model import RiskModel
from customer_risk.serving.kserve.v2.grpc import GrpcServer
from customer_risk.serving.offload import Offload
from customer_risk.serving.openapi import render_document, render_page
from customer_risk.serving.process.child_process import ChildProcess
from customer_risk.serving.process.memory import trim_memory
from customer_risk.serving.process.metrics_server import MetricsServer
from customer_risk.serving.record.recorder import recording
from customer_risk.serving.store.factory import open_store
from customer_risk.serving.store.idempotency import Idempotency
from customer_risk.serving.telemetry.decision_counters import DecisionCounters
from customer_risk.serving.telemetry.factory import create_spans
from customer_risk.serving.telemetry.logs import RequestLog, configure
from customer_risk.serving.telemetry.loop_lag import LoopLag
from customer_risk.serving.telemetry.metrics import Metrics
from customer_risk.serving.telemetry.state import WorkerState

if TYPE_CHECKING:
    from customer_risk.serving.process.component import Component
    from customer_risk.serving.settings import Settings
    from customer_risk.serving.store.interface import Store

OPENAPI_PATH = "/ai/v1/openapi.json"
DOCS_PATH = "/ai/v1/docs"
_log = logging.getLogger("serving")
_ENDING_SECONDS = 5  # time that a shipper needs to end after its drain period


def assemble(bundle: Path, settings: Settings, folder: Path) -> RiskServer:
    """Return the server that answers with `bundle`; raises ConfigError for invalid settings.

    `folder` has the files that the workers share while they run.
    """
    service = create_service(settings.model_name, settings.rules)
    service.offload = Offload(trim_memory)
    authenticator = create_authenticator(settings.auth)
    if authenticator is not None:
        service.require("the issuer's keys", lambda: authenticator.introduced)
    limited = bool(settings.limits.requests_per_second)
    limiter = Limiter(settings.limits, share=1 / settings.server.workers) if limited else None
    metrics = Metrics(routes=_answering_routes(settings))
    counters = DecisionCounters(folder / "metrics", workers=settings.server.workers)
    spans = create_spans(settings.tracing, settings.model_name)
    service.timed = bool(spans)
    exchange = Exchange(
        service,
        access=AccessControl(authenticator, limiter),
        record=recording(settings.record, metrics.unrecorded),
        observers=(
            MetricsObserver(metrics, counters),
            LogObserver(RequestLog(settings.logs)),
            *map(SpanObserver, spans),
        ),
    )
    metrics.look = WorkerState(service, lambda: exchange.record_failing, authenticator)
    service.require("the decision record", lambda: exchange.recordable)
    model = RiskModel(exchange, bundle)

    shared = _Shared(settings, folder)
    with contextlib.suppress(OSError):  # choose the temporary folder now, while a descriptor is free
        tempfile.gettempdir()

    def reload() -> Awaitable[object]:
        return server.reloader.reload()

    logs = configure(settings.logs, metrics.dropped_log_lines)
    switches = SwitchFile(folder, service, reload)
    admin = Admin(service, switches, lambda: server.reloader.state)

    jobs = WorkerConfig(
        bundle=str(bundle.absolute()),
        folder=str(folder.absolute()),
        model_name=settings.model_name,
        jobs=settings.jobs,
        store=settings.store,
        rules=settings.rules,
        record=settings.record,
        logs=settings.logs,
    )
    endpoints = _pages(service.name)
    endpoints[ADMIN_PATH] = Mount(admin, "admin")
    endpoints[COUNTERS_PATH] = Mount(CountersEndpoint(counters.read), "monitor")
    metrics_endpoint = MetricsEndpoint(metrics)
    if settings.server.metrics != "port":
        endpoints[METRICS_PATH] = Mount(metrics_endpoint, "monitor" if settings.server.metrics == "scope" else None)
    else:
        MetricsServer(metrics_endpoint.standalone, settings.server).require_free()
    budget = Budget(settings.server.most_body_bytes, settings.server.most_body_bytes_each)
    if settings.jobs.enabled:
        endpoints[JOBS_PATH] = Mount(
            JobsEndpoint(settings.jobs, lambda: shared.repository, lambda: shared.keys, budget=budget), "batch"
        )

    shipper = _shipper(settings)

    def components() -> Sequence[Component]:
        """Return the components that a worker runs beside its HTTP server."""
        # The shipper ends after the components that record, so that it also ships the last records.
        shipping = [] if shipper is None else [shipper]
        watching = StoreWatch(lambda: shared.repository, metrics, jobs=settings.jobs.enabled)
        made: list[Component] = [
            logs,
            *shipping,
            *spans,
            metrics,
            counters,
            exchange,
            LoopLag(metrics.lagged),
            switches,
            watching,
        ]
        if authenticator is not None:
            made.append(authenticator)
        if settings.jobs.enabled:
            made.append(
                ChildProcess("customer_risk.serving.bulk.jobs", msgspec.json.encode(jobs), folder / "jobs.lock")
            )
        if settings.grpc.enabled:
            made.append(GrpcServer(exchange, settings.grpc, server.admission, budget))
        if settings.server.metrics == "port":
            made.append(MetricsServer(metrics_endpoint.standalone, settings.server))
        return made

    server = RiskServer(
        model,
        bundle,
        settings.server,
        endpoints=endpoints,
        keys=lambda: shared.keys,
        components=components,
        metrics=metrics,
        budget=budget,
        lost=metrics.worker_ended,
    )
    return server


def _answering_routes(settings: Settings) -> Sequence[str]:
    return (*ANSWERING, "grpc:ModelInfer") if settings.grpc.enabled else ANSWERING


def _shipper(settings: Settings) -> ChildProcess | None:
    record = settings.record
    if not (record.enabled and record.ship.embedded):
        return None
    config = msgspec.json.encode(record.shipper_config(settings.logs))
    lock, seconds = Path(record.folder) / "keeper.lock", record.ship.drain_seconds + _ENDING_SECONDS
    return ChildProcess("customer_risk.serving.record.shipper.main", config, lock, end_seconds=seconds)


class _Shared:
    """Objects over the store that workers share; created on first use, after the fork."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder

    @cached_property
    def store(self) -> Store:
        try:
            return open_store(self._settings.store, self._folder)
        except ConfigError as error:  # opening also fails while no descriptor is free
            _log.error("the store can't be opened: %s", error)
            raise StoreUnavailable from error

    @cached_property
    def keys(self) -> Idempotency:
        return Idempotency(self.store, self._settings.idempotency_seconds)

    @cached_property
    def repository(self) -> JobRepository:
        return JobRepository(self.store, lease_seconds=self._settings.jobs.lease_seconds)


def _pages(model_name: str) -> dict[str, Mount]:
    document = render_document(model_name)
    page, policy = render_page(document)
    return {
        OPENAPI_PATH: Mount(Page(OPENAPI_PATH, document, "application/json"), None),
        DOCS_PATH: Mount(Page(DOCS_PATH, page, "text/html; charset=utf-8", ("content-security-policy", policy)), None),
    }
