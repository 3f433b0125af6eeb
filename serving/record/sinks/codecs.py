"""The interface of a form of segments: it writes documents as bytes and reads them back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

from customer_risk.model.errors import CustomerRiskError

PARQUET: Final = ".parquet"


class SegmentUnreadable(CustomerRiskError):
    """The bytes of the segment `key` can't be read in the form that the key names."""

    def __init__(self, key: str, reason: Exception) -> None:
        super().__init__(
            f"The segment {key} can't be read: {reason}.", remedy="Verify the record: it may have been altered."
        )
        self.key = key


class Form(Protocol):
    """Writes and reads segments; all methods raise ValueError."""

    def encode(self, documents: Sequence[dict[str, Any]]) -> bytes:
        """Return documents as bytes."""

    def decode(self, data: bytes) -> list[dict[str, Any]]:
        """Return the documents, in order."""

    def ids(self, data: bytes) -> list[str]:
        """Return the ids of the records, in order, in a tenth of the time of `decode`."""

    def check_exact(self, data: bytes, documents: Sequence[dict[str, Any]]) -> None:
        """Raise ValueError if the bytes hold more than the documents from `decode`, or hold them in another form."""
