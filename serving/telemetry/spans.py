"""Exports spans of calls to a collector, by OpenTelemetry's SDK; loads the SDK."""

from __future__ import annotations

import asyncio
import random
import socket
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    INVALID_SPAN,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from customer_risk.serving.contract.trace import Trace
    from customer_risk.serving.telemetry.tracing import Call, TracingSettings

MOST_WAITING: Final = 4096  # spans; more are dropped while the collector is away
_EXPORT_SECONDS: Final = 2.0  # for an export, attempts included
_END_MS: Final = 3000  # for the last spans when the server ends
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)


class SpanExporter:
    """Exports a span for each call that is passed to it, with a child for each stage.

    A worker's component: the exporter's thread begins after the fork. A collector that is away delays nothing: at most
    4096 spans wait for it, and further ones are dropped.
    """

    def __init__(self, settings: TracingSettings, model_name: str) -> None:
        self._endpoint = settings.endpoint
        self._share = settings.share
        self._name = model_name
        self._ids = _Ids()
        self._provider: TracerProvider | None = None
        self._tracer: Tracer | None = None

    def sampled(self, trace: Trace | None) -> bool:
        """Whether a call is traced: as the caller decided, or by chance without a caller's trace."""
        return trace.sampled if trace is not None else random.random() < self._share  # noqa: S311  no secret

    async def start(self) -> None:
        """Begin to export."""
        resource = Resource.create(
            {
                "service.name": self._name,
                "service.version": version("customer-risk"),
                "service.instance.id": socket.gethostname(),
            }
        )
        exporter = OTLPSpanExporter(endpoint=self._endpoint, timeout=_EXPORT_SECONDS)
        self._provider = TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        self._processor = BatchSpanProcessor(exporter, max_queue_size=MOST_WAITING, schedule_delay_millis=1000)
        self._provider.add_span_processor(self._processor)
        self._tracer = self._provider.get_tracer("customer_risk")

    async def stop(self) -> None:
        """Export the remaining spans, for at most three seconds."""
        if self._provider is not None:
            await asyncio.to_thread(self._processor._batch_processor.shutdown, _END_MS)  # noqa: SLF001  the public method waits 30 s
            self._tracer = None

    def add(self, call: Call) -> None:
        """Export a call; does nothing before `start` and after `stop`."""
        if self._tracer is None:
            return
        trace, parent = call.trace, INVALID_SPAN
        if trace is not None:
            self._ids.next_span_id = int(trace.span_id, 16)
            if trace.parent_id is not None:
                ids = int(trace.trace_id, 16), int(trace.parent_id, 16)
                parent = NonRecordingSpan(SpanContext(*ids, is_remote=True, trace_flags=_SAMPLED))
        span = self._tracer.start_span(
            call.route,
            set_span_in_context(parent),
            kind=SpanKind.SERVER,
            attributes=call.attributes,
            start_time=call.began,
        )
        inside = set_span_in_context(span)
        for stage in call.stages:
            self._tracer.start_span(stage.name, inside, start_time=stage.began).end(stage.ended)
        if call.failed:
            span.set_status(StatusCode.ERROR)
        span.end(call.ended)


class _Ids(RandomIdGenerator):
    """Random ids, except that the next span has the id `next_span_id` if it is set."""

    next_span_id: int | None = None

    def generate_span_id(self) -> int:
        """Return the id of the next span."""
        chosen, self.next_span_id = self.next_span_id, None
        return super().generate_span_id() if chosen is None else chosen
