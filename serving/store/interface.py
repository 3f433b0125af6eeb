"""The interface: bytes under text keys, each with a time to live."""

from __future__ import annotations

from typing import Protocol


class Store(Protocol):
    """Values by key for `seconds`; every method is safe from any thread and raises errors.StoreUnavailable.

    An operation may be carried out twice, since the response to the first attempt can be lost. `add` and `replace`
    therefore return True if the key already has the new value. If several threads or processes add values under one
    key, each value must have a random part.
    """

    def get(self, key: str) -> bytes | None:
        """Return a key's value; None if it has no value, or the value has expired."""

    def put(self, key: str, value: bytes, *, seconds: float) -> None:
        """Set a value."""

    def add(self, key: str, value: bytes, *, seconds: float) -> bool:
        """Set a value if the key has none; return whether the key has this value now."""

    def replace(self, key: str, old: bytes, new: bytes, *, seconds: float) -> bool:
        """Set the value `new` if the value is `old`; return whether the key has the value `new` now."""

    def remove(self, key: str, old: bytes | None = None) -> bool:
        """Delete a value, with `old` only if it equals `old`; return whether it was deleted."""

    def keys(self, prefix: str) -> list[str]:
        """Return the keys with a prefix that haven't expired, in order; for prefixes with few keys."""

    def drop(self, prefix: str) -> bool:
        """Delete some of the keys with a prefix, in one short step; return whether there may be more."""

    def close(self) -> None:
        """Close the store."""
