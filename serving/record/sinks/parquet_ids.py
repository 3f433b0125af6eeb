"""Reads the ids of a segment's records from Parquet, without the other columns."""

from __future__ import annotations

import tempfile
from pathlib import Path

import duckdb

from customer_risk.serving.contract.sql import pattern_of


class ParquetIds:
    """Reads the column of ids; only one thread may call it."""

    def __init__(self) -> None:
        self._base = duckdb.connect(
            ":memory:",
            config={"threads": 1, "autoinstall_known_extensions": False, "autoload_known_extensions": False},
        )

    def read(self, data: bytes) -> list[str]:
        """Return the ids in order; raises ValueError if the bytes are not a segment."""
        with tempfile.NamedTemporaryFile(prefix="customer-risk-") as file:
            Path(file.name).write_bytes(data)
            try:
                rows = self._base.execute(
                    "SELECT decision_id FROM read_parquet($1, hive_partitioning = false)", [pattern_of(Path(file.name))]
                )
                ids = [record_id for (record_id,) in rows.fetchall()]
            except duckdb.Error as error:
                raise ValueError(f"not a segment: {error}") from error
        if not all(isinstance(each, str) for each in ids):
            raise ValueError("not a segment: a record has no decision_id")
        return ids
