"""The forms that segments are stored in, told by their keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from customer_risk.model.errors import CustomerRiskError
from customer_risk.serving.record.sinks import ndjson as lines
from customer_risk.serving.record.sinks import parquet


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

    def __init__(self) -> None:
        self._forms: dict[str, Form] = {parquet.SUFFIX: parquet.Parquet(), lines.SUFFIX: lines.Lines()}

    def encode(self, key: str, documents: Sequence[dict[str, Any]]) -> bytes:
        """Write documents in the form of a key."""
        return self._of(key).encode(documents)

    def decode(self, key: str, data: bytes) -> list[dict[str, Any]]:
        """Read a segment's documents; raises SegmentUnreadable."""
        try:
            return self._of(key).decode(data)
        except ValueError as error:
            raise SegmentUnreadable(
                f"The segment {key} can't be read: {error}.", remedy="Verify the record: it may have been altered."
            ) from error

    def _of(self, key: str) -> Form:
        for suffix, form in self._forms.items():
            if key.endswith(suffix):
                return form
        raise ValueError(f"{key} is of no known form")
