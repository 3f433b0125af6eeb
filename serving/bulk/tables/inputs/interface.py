"""What every input offers a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Block:
    """A piece of the input that is opened by itself: a file, or the whole of a table.

    name    as messages call it
    weight  its share of the work, in any unit
    """

    name: str
    weight: float


class Rows(Protocol):
    """A block that was opened; its rows have an order that stays."""

    count: int

    def lines(self, first: int) -> Iterator[Sequence[bytes]]:
        """Return the rows from number `first` on, some hundreds at a time, each a request as JSON."""


class Source(Protocol):
    """An input, unchanging while a run lasts; all raise SinkUnavailable where it can't be had now."""

    def identity(self) -> str:
        """Return which data this is, so that a run that goes on never mixes two; before `blocks` and `open`.

        Raises ConfigError and UnusableInput.
        """

    def blocks(self) -> Sequence[Block]:
        """Return the blocks, in an order that stays."""

    def open(self, place: int) -> AbstractContextManager[Rows]:
        """Open the block at a place of that order; raises UnusableInput."""

    def close(self) -> None:
        """Close connections and files."""
