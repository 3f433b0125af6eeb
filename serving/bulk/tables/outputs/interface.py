"""What every output offers a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from customer_risk.serving.bulk.tables.outputs.rows import Place


class Output(Protocol):
    """Stores a run's parts, each once, then its summary; all raise SinkUnavailable where that isn't possible now.

    Asked again for the same, whatever became of the first try, it stores nothing twice.
    """

    def check(self) -> None:
        """Raise ConfigError, naming the setting, where this can't work."""

    def summary(self) -> dict[str, Any] | None:
        """Return the summary of a run that is over, None of one that isn't."""

    def begin(self, plan: str) -> Mapping[str, Mapping[str, int]]:
        """Return what is stored of the run by part: its rows by segment, those refused as `refused`.

        Raises UnusableInput where that was made of other input.
        """

    def store(self, place: Place, lines: Path) -> None:
        """Store a part: a file of lines of JSON, each a ResultRow. Raises ConfigError where it never will be."""

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Store the summary: the run is over. Raises ResultsAltered where there are other results than it says."""

    def close(self) -> None:
        """Close the connections."""
