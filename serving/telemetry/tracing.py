"""The calls that a server exports as spans, and their settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, NamedTuple, Protocol

import msgspec

if TYPE_CHECKING:
    from customer_risk.serving.contract.trace import Trace


class TracingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of the spans.

    endpoint  URL of a collector that speaks OTLP over gRPC, such as http://collector:4317; https:// for TLS; empty: no
              span is made
    share     share of the calls without a `traceparent` header that are traced; for the others, the caller decides
    """

    endpoint: str = ""
    share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.01


class Stage(NamedTuple):
    """A part of a call; times are in nanoseconds since 1970."""

    name: str
    began: int
    ended: int


class Call(NamedTuple):
    """A call, as it is exported; times are in nanoseconds since 1970. `trace` is None if the caller sent none."""

    route: str
    trace: Trace | None
    began: int
    ended: int
    failed: bool
    attributes: Mapping[str, str | int]
    stages: tuple[Stage, ...]


class Spans(Protocol):
    """Exports calls as spans."""

    def sampled(self, trace: Trace | None) -> bool:
        """Whether a call is traced."""

    def add(self, call: Call) -> None:
        """Export a call."""
