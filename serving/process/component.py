"""What else a worker runs beside its HTTP server."""

from __future__ import annotations

from typing import Protocol


class Component(Protocol):
    """Something that a worker starts before it listens and stops after its last answer: a gRPC server, a monitor."""

    async def start(self) -> None:
        """Begin; an error raised here ends the worker."""

    async def stop(self) -> None:
        """End; called for each component that was started, in the opposite order."""
