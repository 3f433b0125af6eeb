"""The forms that segments are stored in, told by their keys."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final, Protocol

from customer_risk.model.errors import CustomerRiskError
from customer_risk.serving.record.sinks.ndjson import SUFFIX, Lines

PARQUET: Final = ".parquet"


class SegmentUnreadable(CustomerRiskError):
    """A segment whose bytes aren't what its key says."""


class Form(Protocol):
    """Writes and reads segments; both raise ValueError."""

    def encode(self, documents: Sequence[dict[str, Any]]) -> bytes:
        """Write documents."""

    def decode(self, data: bytes) -> list[dict[str, Any]]:
        """Read them back."""


class Forms:
    """Reads and writes segments of every form."""

    def encode(self, key: str, documents: Sequence[dict[str, Any]]) -> bytes:
        """Write documents in the form of a key."""
        return self.of(key).encode(documents)

    def decode(self, key: str, data: bytes) -> list[dict[str, Any]]:
        """Read a segment's documents; raises SegmentUnreadable."""
        try:
            return self.of(key).decode(data)
        except ValueError as error:
            raise SegmentUnreadable(
                f"The segment {key} can't be read: {error}.", remedy="Verify the record: it may have been altered."
            ) from error

    def of(self, key: str) -> Form:
        """Return the form of a key, or of its suffix alone; raises ValueError for one that isn't known."""
        if key.endswith(PARQUET):
            return self._parquet
        if key.endswith(SUFFIX):
            return Lines()
        raise ValueError(f"{key} is of no known form")

    @cached_property
    def _parquet(self) -> Form:
        from customer_risk.serving.record.sinks.parquet import Parquet  # noqa: PLC0415  loads DuckDB

        return Parquet()
