"""A collector that speaks OTLP over gRPC, from OpenTelemetry's protobufs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as stubs
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.system.asking import PATIENCE


class Collector(stubs.TraceServiceServicer):
    """Keeps the spans that it receives; `port` is its port on the loopback interface."""

    def __init__(self) -> None:
        self.port = 0
        self.spans: list[Span] = []
        self.resources: list[dict[str, Any]] = []
        self._changed = threading.Condition()

    def Export(self, request: pb.ExportTraceServiceRequest, context: Any) -> pb.ExportTraceServiceResponse:  # noqa: ARG002, N802  of the protocol
        """Keep the spans of a request."""
        with self._changed:
            for resource in request.resource_spans:
                self.resources.append(attributes(resource.resource))
                self.spans += [span for scope in resource.scope_spans for span in scope.spans]
            self._changed.notify_all()
        return pb.ExportTraceServiceResponse()

    def of(self, trace_id: str, count: int) -> dict[str, Span]:
        """Return the spans of a trace by name, once there are at least `count` of them."""
        deadline = time.monotonic() + PATIENCE
        with self._changed:
            while len(found := [span for span in self.spans if span.trace_id.hex() == trace_id]) < count:
                assert time.monotonic() < deadline, f"{len(found)} spans of {trace_id}, not {count}"
                self._changed.wait(0.1)
        return {span.name: span for span in found}


def attributes(owner: Any) -> dict[str, Any]:
    """Return the attributes of a span or a resource."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in owner.attributes}


@contextmanager
def collecting(port: int = 0) -> Iterator[Collector]:
    """Run a collector during the context; port 0 is a free one."""
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(4))
    stubs.add_TraceServiceServicer_to_server(collector, server)
    collector.port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield collector
    finally:
        server.stop(None).wait()
