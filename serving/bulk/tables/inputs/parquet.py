"""Rows of one Parquet file on this machine's disk, read by DuckDB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

from customer_risk.serving.bulk.database import database
from customer_risk.serving.bulk.forms import duckdb_kind
from customer_risk.serving.bulk.tables.errors import UnusableInput
from customer_risk.serving.bulk.tables.inputs.columns import DUCKDB, request_of

SUFFIX: Final = ".parquet"
ROWS: Final = 500  # at a time


class ParquetRows:
    """A file's rows as requests."""

    def __init__(self, base: duckdb.DuckDBPyConnection, path: Path, wanted: Sequence[str], name: str) -> None:
        self._base = base
        self._path = str(path)
        described = base.execute("SELECT * FROM read_parquet(?) LIMIT 0", [self._path]).description or ()
        columns = {str(column): duckdb_kind(kind) for column, kind, *_ in described}
        self._request = request_of(columns, wanted, DUCKDB, name)
        (counted,) = base.execute("SELECT count(*) FROM read_parquet(?)", [self._path]).fetchall()
        self.count: int = counted[0]

    def lines(self, first: int) -> Iterator[Sequence[bytes]]:
        """Return the rows from number `first` on, as requests."""
        query = f"SELECT {self._request} FROM (SELECT * FROM read_parquet(?) OFFSET {first})"  # noqa: S608  names are quoted
        rows = self._base.execute(query, [self._path])
        while some := rows.fetchmany(ROWS):
            yield [line.encode() for (line,) in some]


@contextmanager
def opened(path: Path, wanted: Sequence[str], name: str) -> Iterator[ParquetRows]:
    """Open a file, `name` in messages; raises UnusableInput if it can't be read or has other columns."""
    with database() as base:
        try:
            base.execute("SET TimeZone = 'UTC'")
            yield ParquetRows(base, path, wanted, name)
        except duckdb.Error as error:
            said = str(error).partition("\n")[0].replace(str(path), name)[:300]
            raise UnusableInput(f"{name} can't be read as Parquet: {said}.", remedy="Write it again.") from error
