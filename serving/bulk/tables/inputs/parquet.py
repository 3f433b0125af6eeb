"""Rows of one Parquet file on this machine's disk, read by DuckDB."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb

from customer_risk.model.files import open_file
from customer_risk.serving.bulk.database import database
from customer_risk.serving.bulk.forms import duckdb_kind
from customer_risk.serving.bulk.tables.errors import UnusableInput
from customer_risk.serving.bulk.tables.inputs.columns import DUCKDB, request_of
from customer_risk.serving.contract.sql import descriptor_path, identifier

SUFFIX: Final = ".parquet"
ROWS: Final = 500  # at a time


class ParquetRows:
    """A file's rows as requests."""

    def __init__(self, base: duckdb.DuckDBPyConnection, path: str, wanted: Sequence[str], name: str) -> None:
        self._base = base
        self._path = path
        described = base.execute("SELECT * FROM read_parquet(?) LIMIT 0", [self._path]).description or ()
        kinds = {str(column): kind for column, kind, *_ in described}
        columns = {column: duckdb_kind(kind) for column, kind in kinds.items()}
        self._request = request_of(columns, wanted, DUCKDB, name)
        self._rows = _rows(kinds)
        (counted,) = base.execute("SELECT count(*) FROM read_parquet(?)", [self._path]).fetchall()
        self.count: int = counted[0]

    def lines(self, first: int) -> Iterator[Sequence[bytes]]:
        """Return the rows from number `first` on, as requests."""
        query = f"SELECT {self._request} FROM ({self._rows} OFFSET {first})"  # noqa: S608  names are quoted
        rows = self._base.execute(query, [self._path])
        while some := rows.fetchmany(ROWS):
            yield [line.encode() for (line,) in some]


def _rows(kinds: Mapping[str, Any]) -> str:
    """Return the query of a file's rows, in whose transactions timestamps are texts with a zone."""
    if "transactions" not in kinds:
        return "SELECT * FROM read_parquet(?)"
    name = DUCKDB.name("transactions")
    return f"SELECT * REPLACE ({_with_zones(kinds['transactions'], name)} AS {name}) FROM read_parquet(?)"  # noqa: S608  names are quoted


def _with_zones(kind: Any, value: str, depth: int = 0) -> str:
    """Return the expression of a value in which each timestamp is a text in UTC; `kind` is the DuckDB type of `value`.

    A timestamp without a zone is UTC. Texts stay as they are: the request's parser reads them. The digits of
    nanoseconds stay too: a cast to microseconds would cut them towards 1970.
    """
    if "TIMESTAMP" not in str(kind):
        return value
    if kind.id.startswith("timestamp"):
        return rf"regexp_replace(replace(CAST({value} AS VARCHAR), ' ', 'T'), '(\+00)?$', 'Z')"
    if kind.id == "list":
        item = f"item{depth}"
        return f"list_transform({value}, lambda {item}: {_with_zones(kind.children[0][1], item, depth + 1)})"
    if kind.id == "struct":
        named = [(identifier(name), child) for name, child in kind.children]
        fields = ", ".join(f"{name} := {_with_zones(child, f'{value}.{name}', depth)}" for name, child in named)
        return f"CASE WHEN {value} IS NULL THEN NULL ELSE struct_pack({fields}) END"
    return value


@contextmanager
def opened(path: Path, wanted: Sequence[str], name: str) -> Iterator[ParquetRows]:
    """Open a file, `name` in messages; raises UnusableInput if it can't be read or has other columns."""
    # By its descriptor: DuckDB would take the path for a pattern, and make columns of folders such as `day=1`.
    try:
        opened_file = open_file(path)
    except OSError as error:
        raise UnusableInput(f"{name} can't be read: {error.strerror}.", remedy="Check its permissions.") from error
    with opened_file as file, database() as base:
        opened_path = descriptor_path(file.fileno())
        try:
            base.execute("SET TimeZone = 'UTC'")
            yield ParquetRows(base, opened_path, wanted, name)
        except duckdb.Error as error:
            said = str(error).partition("\n")[0].replace(opened_path, name)[:300]
            raise UnusableInput(f"{name} can't be read as Parquet: {said}.", remedy="Write it again.") from error
