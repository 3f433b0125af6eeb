"""Input and results of jobs as Parquet, by DuckDB."""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec
from duckdb import DuckDBPyConnection

from customer_risk.serving.bulk.database import database
from customer_risk.serving.bulk.jobs.readers import (
    MOST_COLUMNS,
    MOST_RESULT,
    FileReader,
    Interrupted,
    Lines,
    by_pieces,
    encode,
    finite,
    read_too_much,
    too_large,
    unusable,
)
from customer_risk.serving.bulk.jobs.results import pack
from customer_risk.serving.bulk.jobs.types import JobSettings
from customer_risk.serving.contract.batch import BatchItem
from customer_risk.serving.contract.columns import columns_of, duckdb_columns
from customer_risk.serving.contract.sql import identifier, literal, pattern_of
from customer_risk.serving.errors import BodyTooLarge
from customer_risk.serving.http.body import MOST_BYTES

_FETCHED: Final = 16  # rows fetched from Parquet at once
_ROW_GROUP: Final = 8192  # rows of results that are held in memory to write Parquet
_EXACT: Final = frozenset(
    ("boolean", "tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger", "ubigint")
)
_NESTING: Final = frozenset(("struct", "list", "map"))
_REAL: Final = frozenset(("float", "double", "decimal", "hugeint", "uhugeint"))
_NAIVE: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?(\+00)?")
_NESTED: Final = frozenset(("profile", "features"))  # not transactions, which is a feature's name too
_FIELDS: Final = ("customer_id", "profile", "transactions", "history_complete", "features")
# Given, not guessed from the texts: that would make a UUID of one customer_id, a date of another.
_RESULT: Final = duckdb_columns(columns_of(BatchItem))


class ParquetReader(FileReader):
    """Reads Parquet: the columns of a request, or customer_id with a column a feature; positions are in rows.

    NaN is a missing value. An infinite value becomes a text, so that the request's reader refuses it by its name. Times
    without a zone are UTC. A file without customer_id is refused.
    """

    costly = True
    _base: DuckDBPyConnection | None = None

    def interrupt(self) -> None:
        """Interrupt `read`."""
        super().interrupt()
        base = self._base
        if base is not None:
            with suppress(duckdb.Error):  # another thread is closing it
                base.interrupt()

    def _read(self, parts: Iterable[bytes]) -> Generator[Lines]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "input.parquet"
            with path.open("wb") as file:
                for part in parts:
                    self._check()
                    file.write(part)
            memory = f"{self._settings.most_memory_bytes}B"
            with closing(database(memory=memory, only=Path(folder))) as base:
                self._base = base
                try:
                    yield from self._rows_of(base, pattern_of(path))
                except duckdb.InterruptException as error:
                    raise Interrupted from error
                except duckdb.OutOfMemoryException as error:
                    raise MemoryError from error
                except duckdb.Error as error:
                    said = str(error).partition("\n")[0].replace(str(path), "the file")[:300]
                    raise unusable(f"isn't Parquet that can be read: {said}") from error
                finally:
                    self._base = None

    def _rows_of(self, base: DuckDBPyConnection, path: str) -> Iterator[Lines]:
        counted = base.execute("SELECT num_rows FROM parquet_file_metadata(?)", [path]).fetchone()
        self._rows = int(counted[0]) if counted else 0
        self._few_enough(self._rows)
        kinds = self._columns(base, path)
        sized = base.execute("SELECT sum(total_uncompressed_size) FROM parquet_metadata(?)", [path]).fetchone()
        if sized and (sized[0] or 0) > self._settings.most_read_bytes:
            raise read_too_much(self._settings)
        names = tuple(kinds)
        read = {name: _as_json(kind) for name, kind in kinds.items()}
        columns = ", ".join(f"CAST({identifier(name)} AS {kind})" for name, (kind, _) in read.items())
        fixes = [(place, fix) for place, (_, fix) in enumerate(read.values()) if fix is not None]
        query = f"SELECT {columns} FROM read_parquet(?, hive_partitioning = false) OFFSET {self.at}"  # noqa: S608  names are quoted
        stamped = "TIMESTAMP" in str(kinds.get("transactions", ""))
        nested = bool(kinds.keys() & _NESTED)

        def lines() -> Iterator[bytes]:
            for number, values in enumerate(_fetched(base.execute(query, [path])), self.at + 1):
                self._check()
                for place, fix in fixes:
                    values[place] = fix(values[place])
                row = dict(zip(names, values, strict=True))
                line = _request_line(row, stamped=stamped) if nested else _features_line(row)
                if len(line) > MOST_BYTES:
                    raise too_large(f"Row {number:,}")
                yield line

        for piece in by_pieces(lines()):
            yield Lines(piece, self.at + len(piece), self._rows)

    def _columns(self, base: DuckDBPyConnection, path: str) -> dict[str, Any]:
        """Return the columns' names and types."""
        described = (
            base.execute("SELECT * FROM read_parquet(?, hive_partitioning = false) LIMIT 0", [path]).description or ()
        )
        kinds = {str(name): kind for name, kind, *_ in described}
        if "customer_id" not in kinds:
            raise unusable("expected a column customer_id")
        if len(kinds) > MOST_COLUMNS:
            raise unusable(f"has {len(kinds):,} columns; expected at most {MOST_COLUMNS:,}")
        return kinds


def to_parquet(packed: Iterable[bytes], path: Path, settings: JobSettings) -> None:
    """Write results, lines of JSON compressed by gzip, as Parquet: status, answer, problem.

    Raises BodyTooLarge if it takes more memory or time than the settings allow.
    """
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        source = Path(folder) / "results.ndjson.gz"
        with source.open("wb") as file:
            file.write(pack(()))  # a job without rows has no piece, and an empty file isn't gzip
            file.writelines(packed)
        form = f"format='newline_delimited', compression='gzip', maximum_object_size={MOST_RESULT}, columns={_RESULT}"
        read = f"read_json({literal(pattern_of(source))}, {form})"
        to = f"{literal(str(path))} (FORMAT parquet, ROW_GROUP_SIZE {_ROW_GROUP})"
        copy = f"COPY (SELECT * FROM {read}) TO {to}"  # noqa: S608  paths are quoted
        with closing(database(memory=f"{settings.most_memory_bytes}B", only=path.parent)) as base:
            late = threading.Timer(settings.most_read_seconds, base.interrupt)
            late.start()
            try:
                base.execute(copy)
            except (duckdb.InterruptException, duckdb.OutOfMemoryException) as error:
                raise BodyTooLarge("These results are too large for Parquet.", remedy="Fetch NDJSON.") from error
            finally:
                late.cancel()


def _as_json(kind: Any) -> tuple[str, Callable[[Any], Any] | None]:
    """Return the type to read a column as, and the function that makes its values JSON's; None if no change is needed.

    Values aren't converted to JSON by DuckDB, which would convert 2,048 rows at once.
    """
    if str(kind) == "JSON":
        return "VARCHAR", _parsed
    if kind.id in _EXACT or kind.id in _REAL:
        return (str(kind), None) if kind.id in _EXACT else ("DOUBLE", finite)
    read = {name: _as_json(child) for name, child in kind.children} if kind.id in _NESTING else {}
    fixes = {name: fix for name, (_, fix) in read.items() if fix is not None}
    if kind.id == "struct":
        fields = ", ".join(f"{identifier(name)} {made}" for name, (made, _) in read.items())
        return f"STRUCT({fields})", partial(_each_field, fixes) if fixes else None
    if kind.id == "list":
        return f"{read['child'][0]}[]", partial(_each_item, fixes["child"]) if fixes else None
    if kind.id == "map":
        fix = fixes.get("value")
        return f"MAP(VARCHAR, {read['value'][0]})", None if fix is None else partial(_each_value, fix)
    return "VARCHAR", None


def _parsed(text: str | None) -> Any:
    try:
        return None if text is None else msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text


def _each_field(fixes: Mapping[str, Callable[[Any], Any]], value: dict[str, Any] | None) -> dict[str, Any] | None:
    if value is not None:
        for name, fix in fixes.items():
            value[name] = fix(value[name])
    return value


def _each_item(fix: Callable[[Any], Any], value: list[Any] | None) -> list[Any] | None:
    return None if value is None else [fix(each) for each in value]


def _each_value(fix: Callable[[Any], Any], value: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if value is None else {name: fix(each) for name, each in value.items()}


def _fetched(table: DuckDBPyConnection) -> Iterator[list[Any]]:
    while rows := table.fetchmany(_FETCHED):
        yield from map(list, rows)


def _features_line(row: dict[str, Any]) -> bytes:
    customer_id = row.pop("customer_id")
    return encode({"customer_id": customer_id, "features": row})


def _request_line(row: dict[str, Any], *, stamped: bool) -> bytes:
    """Write a row as a request; `stamped` says that its times are timestamps, which DuckDB writes in its own form."""
    request = {name: row[name] for name in _FIELDS if row.get(name) is not None}
    sent = request.get("transactions")
    for each in (sent if isinstance(sent, list) else [sent] if isinstance(sent, dict) else []) if stamped else []:
        for name in ("created_at", "completed_at"):
            if name in each:
                times = each[name]
                each[name] = [_zoned(time) for time in times] if isinstance(times, list) else _zoned(times)
    return encode(request)


def _zoned(time: Any) -> Any:
    if isinstance(time, str) and _NAIVE.fullmatch(time):
        return time.removesuffix("+00") + "Z"
    return time
