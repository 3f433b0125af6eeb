"""Input and results of jobs as Parquet, by DuckDB."""

from __future__ import annotations

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
from customer_risk.serving.bulk.forms import BORN, ID, Form, NoForm, birth_is_moment, day_of, duckdb_kind, form_of
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
_FIELDS: Final = ("customer_id", "profile", "transactions", "history_complete", "features")
# Not inferred from the texts: a customer_id could become a UUID or a date.
_RESULT: Final = duckdb_columns(columns_of(BatchItem))


class ParquetReader(FileReader):
    """Reads Parquet in one of the three forms of `form_of`; positions are in rows.

    NaN is a missing value. An infinite value becomes a text, which the request's parser refuses.
    Timestamps without a zone are UTC; texts are read as those of a request. A customer_id that is an integer becomes
    its decimal text. Other columns aren't read. A file without one of the forms is refused.
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
        form = self._form(kinds)
        read = {name: _as_json(kinds[name]) for name in form.columns} | {ID: ("VARCHAR", None)}
        for name, fix in _births(form, kinds).items():
            read[name] = (read[name][0], _both(read[name][1], fix))
        names = tuple(read)
        columns = ", ".join(f"CAST({identifier(name)} AS {kind})" for name, (kind, _) in read.items())
        fixes = [(place, fix) for place, (_, fix) in enumerate(read.values()) if fix is not None]
        query = f"SELECT {columns} FROM read_parquet(?, hive_partitioning = false) OFFSET {self.at}"  # noqa: S608  names are quoted

        def lines() -> Iterator[bytes]:
            for number, values in enumerate(_fetched(base.execute(query, [path])), self.at + 1):
                self._check()
                for place, fix in fixes:
                    values[place] = fix(values[place])
                row = form.request_of(dict(zip(names, values, strict=True)))
                line = encode({name: row[name] for name in _FIELDS if name in row})
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
        if len(kinds) > MOST_COLUMNS:
            raise unusable(f"has {len(kinds):,} columns; expected at most {MOST_COLUMNS:,}")
        return kinds

    def _form(self, columns: Mapping[str, Any]) -> Form:
        try:
            form = form_of({name: duckdb_kind(kind) for name, kind in columns.items()}, self._known)
        except NoForm as error:
            raise unusable(str(error)) from error
        self.ignored = form.ignored
        return form


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


def _as_json(kind: Any, *, within: bool = False) -> tuple[str, Callable[[Any], Any] | None]:
    """Return the type to read a column as, and a function that converts its values to JSON's (None if not needed).

    `within` is true for values within others: timestamps there are times of transactions. DuckDB doesn't convert to
    JSON here, because it would convert 2,048 rows at once.
    """
    if str(kind) == "JSON":
        return "VARCHAR", _parsed
    if kind.id in _EXACT or kind.id in _REAL:
        return (str(kind), None) if kind.id in _EXACT else ("DOUBLE", finite)
    read = {name: _as_json(child, within=True) for name, child in kind.children} if kind.id in _NESTING else {}
    fixes = {name: fix for name, (_, fix) in read.items() if fix is not None}
    if kind.id == "struct":
        fields = ", ".join(f"{identifier(name)} {made}" for name, (made, _) in read.items())
        return f"STRUCT({fields})", partial(_each_field, fixes) if fixes else None
    if kind.id == "list":
        return f"{read['child'][0]}[]", partial(_each_item, fixes["child"]) if fixes else None
    if kind.id == "map":
        fix = fixes.get("value")
        return f"MAP(VARCHAR, {read['value'][0]})", None if fix is None else partial(_each_value, fix)
    return "VARCHAR", _zoned if within and kind.id.startswith("timestamp") else None


def _births(form: Form, columns: Mapping[str, Any]) -> Mapping[str, Callable[[Any], Any]]:
    """Return the functions that convert times at midnight to dates, by the columns with dates of birth as times."""
    if not birth_is_moment(form, {name: duckdb_kind(kind) for name, kind in columns.items()}):
        return {}
    return {"profile": partial(_each_field, {BORN: day_of})} if "profile" in form.nested else {BORN: day_of}


def _both(first: Callable[[Any], Any] | None, second: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return second if first is None else lambda value: second(first(value))


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


def _zoned(time: str | None) -> str | None:
    """Return a timestamp as DuckDB writes it, in UTC, with its zone."""
    return None if time is None else time.removesuffix("+00") + "Z"
