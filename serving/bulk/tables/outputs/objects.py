"""Results as Parquet: objects of a bucket or files of a folder, which are never overwritten.

PREFIX/run=NAME-DAY/part-00000-00000.parquet    the first part of the first file
PREFIX/run=NAME-DAY/summary.json                written last: if it exists, every part exists
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from customer_risk.serving.bulk.database import database
from customer_risk.serving.bulk.tables.errors import ResultsAltered, UnusableInput
from customer_risk.serving.bulk.tables.outputs.rows import COLUMNS, Place
from customer_risk.serving.contract.columns import duckdb_columns
from customer_risk.serving.contract.sql import literal, pattern_of
from customer_risk.serving.record.sinks.objects import Objects, fetch

_SUFFIX: Final = ".parquet"
_COUNTS: Final = (
    "SELECT plan, COALESCE(segment, 'refused'), count(*) FROM read_parquet(?, hive_partitioning = false) GROUP BY ALL"
)


class ObjectsOutput:
    """Objects, each created if it doesn't exist; `where` names the place in messages."""

    def __init__(self, objects: Objects, name: str, where: str) -> None:
        self._objects = objects
        self._name = name
        self._run = f"run={name}/"
        self._where = where

    def check(self) -> None:
        """Raise ConfigError if objects can't be written."""
        self._objects.check()

    def summary(self) -> dict[str, Any] | None:
        """Return the summary, or None if it is missing."""
        found = self._objects.get(f"{self._run}summary.json")
        return None if found is None else msgspec.json.decode(found, type=dict[str, Any])

    def begin(self, plan: str) -> Mapping[str, Mapping[str, int]]:
        """Return the stored parts' numbers of rows by segment."""
        counted: dict[str, dict[str, int]] = {}
        keys = [key for key in self._objects.list(self._run) if key.endswith(_SUFFIX)]
        for key, data in fetch(self._objects, keys):
            of_this = counted.setdefault(key.removeprefix(f"{self._run}part-").removesuffix(_SUFFIX), {})
            for found, segment, rows in _counted(data or b""):
                if found != plan:
                    raise UnusableInput(
                        f"{self._where}: {key} was made from other input than the present one.",
                        remedy="Give the run another name, or remove its unfinished results.",
                    )
                of_this[segment] = rows
        return counted

    def store(self, place: Place, lines: Path) -> None:
        """Write a part as Parquet, unless it exists."""
        self._objects.create(f"{self._run}part-{place.part}{_SUFFIX}", _parquet(lines))

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Write the summary, unless it exists."""
        found = sum(key.endswith(_SUFFIX) for key in self._objects.list(self._run))
        if found != summary["parts"]:
            raise ResultsAltered(self._where, self._name, found, summary["parts"], "parts")
        self._objects.create(f"{self._run}summary.json", msgspec.json.encode(summary))

    def close(self) -> None:
        """Close the connections."""
        self._objects.close()


def _parquet(lines: Path) -> bytes:
    with tempfile.TemporaryDirectory(prefix="customer-risk-") as folder, database() as base:
        path = Path(folder) / f"part{_SUFFIX}"
        form = f"format = 'newline_delimited', columns = {duckdb_columns(COLUMNS)}"
        read = f"read_json({literal(pattern_of(lines))}, {form})"
        base.execute(f"COPY (SELECT * FROM {read}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)")  # noqa: S608  paths are quoted
        return path.read_bytes()


def _counted(data: bytes) -> list[tuple[str, str, int]]:
    """Count a part's rows by plan and segment."""
    with tempfile.TemporaryDirectory(prefix="customer-risk-") as folder, database() as base:
        path = Path(folder) / f"part{_SUFFIX}"
        path.write_bytes(data)
        return base.execute(_COUNTS, [pattern_of(path)]).fetchall()
