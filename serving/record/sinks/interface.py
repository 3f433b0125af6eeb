"""What every sink offers the shipper, and what it may raise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from customer_risk.model.errors import CustomerRiskError


class SinkUnavailable(CustomerRiskError):
    """A sink can't be written to now; the same again may succeed later."""


class RecordRefused(CustomerRiskError):
    """A sink will never take some of a segment's records, and took none of the others.

    `refused` gives the reason by record number.
    """

    def __init__(self, refused: Mapping[int, str]) -> None:
        super().__init__(f"The sink refuses {len(refused)} records.", remedy="See the outbox's folder `dead`.")
        self.refused = dict(refused)


@dataclass(frozen=True)
class Segment:
    """An unchanging run of records of one outbox file: what a sink writes once.

    source      the outbox file's id
    first, last number of its first and last record; those left out between them were damaged or refused
    documents   `document(record, names)` of each, in order
    seqs        number of each; none where no number is left out
    """

    source: str
    first: int
    last: int
    documents: Sequence[dict[str, Any]]
    seqs: Sequence[int] = ()

    @property
    def numbers(self) -> Sequence[int]:
        """Return the record number of each document: what `RecordRefused` speaks of."""
        return self.seqs or range(self.first, self.last + 1)


class Sink(Protocol):
    """Stores segments, each once; called by one thread, `close` included."""

    name: str  # progress is kept by it

    def check(self) -> None:
        """Raise ConfigError, naming the setting, where this can't work; SinkUnavailable where that can't be told."""

    def place(self) -> bytes:
        """Return what must be known before the next write to make it repeatable; empty if nothing."""

    def write(self, segment: Segment, place: bytes) -> bytes:
        """Write a segment and return the place after it; the same segment with the same place again has no effect.

        Returns within a time that the sink bounds itself. Raises SinkUnavailable (nothing is known to have been
        written) and RecordRefused (nothing was).
        """

    def close(self) -> None:
        """Close connections; nothing is written afterwards."""
