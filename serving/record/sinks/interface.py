"""The interface of sinks, and the errors that they raise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from customer_risk.model.errors import CustomerRiskError


class SinkUnavailable(CustomerRiskError):
    """A sink can't be written to now; the same write may succeed later."""


class RecordRefused(CustomerRiskError):
    """A sink can't accept some of a segment's records, and stored none of the segment.

    `refused` has the reason by record number.
    """

    def __init__(self, refused: Mapping[int, str]) -> None:
        super().__init__(f"The sink refuses {len(refused)} records.", remedy="See the outbox's folder `dead`.")
        self.refused = dict(refused)


@dataclass(frozen=True)
class Segment:
    """Consecutive records of one outbox file, which a sink writes once.

    source       the outbox file's id
    first, last  number of its first and its last record; records between them that are left out were damaged or refused
    documents    the records' documents, in order: a `RecordBatch` or a list of dictionaries
    seqs         the records' numbers; empty if no number is left out
    """

    source: str
    first: int
    last: int
    documents: Sequence[dict[str, Any]]
    seqs: Sequence[int] = ()

    @property
    def numbers(self) -> Sequence[int]:
        """Return the record number of each document, as in `RecordRefused`."""
        return self.seqs or range(self.first, self.last + 1)


class Sink(Protocol):
    """Stores segments, each once; only one thread may call its methods."""

    name: str  # key of its progress

    def check(self) -> None:
        """Raise ConfigError, which names the setting, if the sink can't work; SinkUnavailable if this is unknown."""

    def place(self) -> bytes:
        """Return the place of the next write, with which the write can be repeated."""

    def write(self, segment: Segment, place: bytes) -> bytes:
        """Write a segment and return the place after it; repeating it with the same place has no effect.

        Returns within a bounded time. Raises SinkUnavailable if it is unknown whether the segment was written, and
        RecordRefused if nothing was written.
        """

    def close(self) -> None:
        """Close the connections; nothing may be written afterwards."""
