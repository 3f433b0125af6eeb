"""The shipper's own metrics for Prometheus, on a port of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from customer_risk.model.errors import ConfigError
from customer_risk.serving.record.shipper.status import Status
from customer_risk.serving.telemetry.shared_metrics import PREFIX


class Exposed:
    """Collects the latest status for Prometheus; `status()` is called at each scrape."""

    def __init__(self, status: Callable[[], Status]) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        status = self._status()
        of_sinks: dict[str, GaugeMetricFamily | CounterMetricFamily] = {
            "lag_records": GaugeMetricFamily(f"{PREFIX}record_lag_records", "Records yet to ship.", labels=["sink"]),
            "lag_bytes": GaugeMetricFamily(f"{PREFIX}record_lag_bytes", "Bytes yet to ship.", labels=["sink"]),
            "lag_seconds": GaugeMetricFamily(
                f"{PREFIX}record_lag_seconds", "Age of the oldest record yet to ship.", labels=["sink"]
            ),
            "shipped": CounterMetricFamily(f"{PREFIX}record_shipped", "Records shipped.", labels=["sink"]),
            "failures": CounterMetricFamily(f"{PREFIX}record_failures", "Writes that failed.", labels=["sink"]),
            "dead_letters": CounterMetricFamily(
                f"{PREFIX}record_dead_letters", "Records that a sink will never take.", labels=["sink"]
            ),
        }
        for name, sink in status.sinks.items():
            for each, family in of_sinks.items():
                family.add_metric([name], getattr(sink, each))
        yield from of_sinks.values()
        yield CounterMetricFamily(
            f"{PREFIX}record_quarantined", "Records that couldn't be read.", value=status.quarantined
        )
        yield GaugeMetricFamily(f"{PREFIX}record_outbox_bytes", "Bytes in the outbox.", value=status.bytes)
        yield GaugeMetricFamily(f"{PREFIX}record_outbox_files", "Files in the outbox.", value=status.files)
        yield GaugeMetricFamily(
            f"{PREFIX}record_adopted", "Spooled outboxes of other pods being shipped.", value=status.adopted
        )


@contextmanager
def serve(host: str, port: int, status: Callable[[], Status]) -> Iterator[None]:
    """Serve the metrics while the context lasts, in a registry of their own. Raises ConfigError where it can't."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Exposed(status))
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise ConfigError(
            f"record.ship.metrics_port: {host}:{port} can't be listened on: {error}.", remedy="Choose another."
        ) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
