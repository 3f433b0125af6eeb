"""The interface of components that a worker runs beside its HTTP server."""

from __future__ import annotations

from typing import Protocol


class Component(Protocol):
    """A part that a worker starts before it listens and stops after its last response, such as a gRPC server."""

    async def start(self) -> None:
        """Start; an error raised here ends the worker."""

    async def stop(self) -> None:
        """Stop; called for each started component, in the opposite order."""
