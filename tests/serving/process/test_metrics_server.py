"""A server for metrics only."""

from __future__ import annotations

import asyncio
import re

import httpx2
import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.serving.http.endpoints.metrics import MetricsEndpoint
from customer_risk.serving.http.settings import ServerSettings
from customer_risk.serving.process.listener import listener
from customer_risk.serving.process.metrics_server import MetricsServer


class Source:
    """A source of one metric."""

    def exposition(self, accept: str | None) -> tuple[str, bytes]:  # noqa: ARG002  a source's signature
        """Return the metric."""
        return "text/plain", b"up 1\n"


async def test_metrics_are_served_at_the_metrics_port(caplog) -> None:
    """At the metrics port, /metrics is answered and every other path is 404; once stopped, the port is closed."""
    caplog.set_level("INFO", logger="serving")

    server = MetricsServer(MetricsEndpoint(Source()).standalone, ServerSettings(metrics_port=0))
    await server.start()
    url = re.search(r"metrics at (http://[^/]+)/metrics", caplog.text)[1]
    async with httpx2.AsyncClient(base_url=url) as client:
        found = [await client.get(path) for path in ("/metrics", "/ai/v1/risk", "/healthz", "/")]
        await server.stop()
        with pytest.raises(httpx2.ConnectError):
            await client.get("/metrics")
    assert [(each.status_code, each.headers["content-type"]) for each in found] == [
        (200, "text/plain"),
        *[(404, "application/problem+json")] * 3,
    ]


async def test_a_slow_client_does_not_delay_the_end(caplog) -> None:
    """With half a head on a connection to the metrics port, the server ends before its grace period."""
    caplog.set_level("INFO", logger="serving")

    settings = ServerSettings(metrics_port=0, grace_seconds=6000, header_seconds=6000)
    server = MetricsServer(MetricsEndpoint(Source()).standalone, settings)
    await server.start()
    port = int(re.search(r"metrics at http://[^/]+:(\d+)/metrics", caplog.text)[1])
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHo")
    async with httpx2.AsyncClient() as client:  # the server reads both
        await client.get(f"http://127.0.0.1:{port}/metrics")
    await asyncio.wait_for(server.stop(), 600)
    writer.close()


def test_a_metrics_port_in_use_ends_the_start() -> None:
    """If another socket uses the metrics port, the start raises ConfigError."""

    async def start(port: int) -> None:
        await MetricsServer(MetricsEndpoint(Source()).standalone, ServerSettings(metrics_port=port)).start()

    with listener("127.0.0.1", 0) as taken, pytest.raises(ConfigError, match=r"another .*server.metrics_port"):
        asyncio.run(start(taken.getsockname()[1]))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_metrics_port_that_another_server_shares_is_refused(workers) -> None:
    """Before its workers are started, a server notices that another one uses the port, also if that one shares it."""
    with listener("127.0.0.1", 0, shared=True) as taken:
        settings = ServerSettings(metrics_port=taken.getsockname()[1], workers=workers)
        server = MetricsServer(MetricsEndpoint(Source()).standalone, settings)
        with pytest.raises(ConfigError, match="Can't listen"):
            server.require_free()
