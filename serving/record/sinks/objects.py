"""The interface of stores of objects that are written once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class Objects(Protocol):
    """A store of objects by key, none of which is ever overwritten; all raise SinkUnavailable, in bounded time."""

    def check(self) -> None:
        """Raise ConfigError if the store can't be used."""

    def get(self, key: str) -> bytes | None:
        """Return an object, None if there is none."""

    def create(self, key: str, data: bytes) -> bool:
        """Write a complete object; return False, without writing, if it exists."""

    def list(self, prefix: str) -> Iterator[str]:
        """Return the keys that begin with `prefix`, in order."""

    def delete(self, key: str) -> None:
        """Delete an object, if there is one."""

    def close(self) -> None:
        """Close the connections."""
