"""The interface of sinks, and the errors that they raise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from customer_risk.model.errors import CustomerRiskError


class SinkUnavailable(CustomerRiskError):
    """A sink can't be written to now; the same write may succeed later."""


class RecordRefused(CustomerRiskError):
    """A sink will never accept some of a segment's records, and stored none of the others.

    `refused` has the reason by record number.
    """

    def __init__(self, refused: Mapping[int, str]) -> None:
        super().__init__(f"The sink refuses {len(refused)} records.", remedy="See the outbox's folder `dead`.")
        self.refused = dict(refused)


@dataclass(frozen=True)
class Segment:
    """Consecutive records of one outbox file, which a sink writes once.

    source      the outbox file's id
    first, last number of its first and last record; those left out between them were damaged or refused
    documents   the document of each, in order: a `RecordBatch` or a list of dictionaries
    seqs        number of each; empty if no number is left out
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
    """Stores segments, each once; called by one thread, `close` included."""

    name: str  # key of its progress

    def check(self) -> None:
        """Raise ConfigError, naming the setting, if the sink can't work; SinkUnavailable if that isn't known."""

    def place(self) -> bytes:
        """Return what the next write needs to be repeatable; empty if nothing."""

    def write(self, segment: Segment, place: bytes) -> bytes:
        """Write a segment and return the place after it; repeating it with the same place has no effect.

        Returns within a time that the sink bounds. Raises SinkUnavailable (nothing is known to have been
        written) and RecordRefused (nothing was).
        """

    def close(self) -> None:
        """Close connections; nothing is written afterwards."""
