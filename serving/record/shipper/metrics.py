"""The shipper's own metrics for Prometheus, on a port of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from customer_risk.model.errors import ConfigError
from customer_risk.serving.record.shipper.status import Status
from customer_risk.serving.telemetry.shared_metrics import PREFIX

_OF_SINKS: Final = {
    "lag_records": (GaugeMetricFamily, "Records that the sink doesn't have yet."),
    "lag_bytes": (GaugeMetricFamily, "Approximate bytes of these records."),
    "lag_seconds": (GaugeMetricFamily, "Age of the oldest of these records, in seconds."),
    "shipped": (CounterMetricFamily, "Records that the sink stored."),
    "failures": (CounterMetricFamily, "Writes to the sink that failed; each is tried again."),
    "dead_letters": (CounterMetricFamily, "Records that the sink refused for good; they are in the folder `dead`."),
}
_OF_THE_OUTBOX: Final = {
    "quarantined": (CounterMetricFamily, "quarantined", "Records of the outbox that can't be read."),
    "outbox_bytes": (GaugeMetricFamily, "bytes", "Bytes in the outbox."),
    "outbox_files": (GaugeMetricFamily, "files", "Files in the outbox."),
    "adopted": (GaugeMetricFamily, "adopted", "Outboxes of ended pods, from the spool, that are being shipped."),
}


class Exposed:
    """Collects the latest status for Prometheus; `status()` is called at each scrape."""

    def __init__(self, status: Callable[[], Status]) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        status = self._status()
        for name, (family, text) in _OF_SINKS.items():
            made = family(f"{PREFIX}record_{name}", text, labels=["sink"])
            for sink, counts in status.sinks.items():
                made.add_metric([sink], getattr(counts, name))
            yield made
        for name, (family, field, text) in _OF_THE_OUTBOX.items():
            yield family(f"{PREFIX}record_{name}", text, value=getattr(status, field))


@contextmanager
def serve(host: str, port: int, status: Callable[[], Status]) -> Iterator[None]:
    """Serve the metrics while the context lasts, in a registry of their own. Raises ConfigError if it can't listen."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Exposed(status))
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise ConfigError(
            f"record.ship.metrics_port: can't listen on {host}:{port}: {error}.", remedy="Choose another port."
        ) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
