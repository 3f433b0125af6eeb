"""The interface of outputs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from customer_risk.serving.bulk.tables.outputs.rows import Place


class Output(Protocol):
    """Stores a run's parts, each once, then its summary; every method raises SinkUnavailable if it can't do so now.

    Repeated calls store nothing twice, even if the first one failed.
    """

    def check(self) -> None:
        """Raise ConfigError, naming the setting, if the output can't work."""

    def summary(self) -> dict[str, Any] | None:
        """Return the summary of a finished run, None if it isn't finished."""

    def begin(self, plan: str) -> Mapping[str, Mapping[str, int]]:
        """Return the run's stored parts: the number of rows of each by segment, with `refused` for refused ones.

        Raises UnusableInput if they were made from other input.
        """

    def store(self, place: Place, lines: Path) -> None:
        """Store a part: a file of lines of JSON, each a ResultRow. Raises ConfigError if it can never be stored."""

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Store the summary of the finished run. Raises ResultsAltered if the stored results don't match it."""

    def close(self) -> None:
        """Close the connections."""
