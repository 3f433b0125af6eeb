"""The interface of inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Block:
    """A part of the input that is opened separately: a file, or a whole table.

    name    as in messages
    weight  its share of the work, in any unit
    """

    name: str
    weight: float


class Rows(Protocol):
    """An open block; the order of its rows never changes."""

    count: int

    def lines(self, first: int) -> Iterator[Sequence[bytes]]:
        """Return the rows from number `first` on, some hundreds at a time, each a request as JSON."""


class Source(Protocol):
    """An input, which doesn't change during a run; every method raises SinkUnavailable if it can't be read now."""

    def identity(self) -> str:
        """Return an identifier of the data, so that a continued run never mixes two inputs; call it first.

        Raises ConfigError and UnusableInput.
        """

    def blocks(self) -> Sequence[Block]:
        """Return the blocks, always in the same order."""

    def open(self, place: int) -> AbstractContextManager[Rows]:
        """Open the block at an index of `blocks`; raises UnusableInput."""

    def close(self) -> None:
        """Close connections and files."""
