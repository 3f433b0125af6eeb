"""Input of jobs as lines of JSON, each a request: cut from an upload, or made of CSV and Parquet.

Every reader holds one piece of the file in memory at a time, and refuses a file that exceeds the settings' bounds.
"""

from __future__ import annotations

import csv
import math
import re
import tempfile
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import msgspec

from customer_risk.model.errors import BadField, CustomerRiskError, InputError
from customer_risk.serving.bulk.database import database
from customer_risk.serving.bulk.jobs.results import pack
from customer_risk.serving.bulk.jobs.types import Job, JobSettings
from customer_risk.serving.contract.batch import BatchItem
from customer_risk.serving.contract.columns import columns_of, duckdb_columns
from customer_risk.serving.errors import BodyTooLarge
from customer_risk.serving.http.body import MOST_BYTES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PIECE_BYTES: Final = 1024 * 1024
PIECE_ROWS: Final = 500
_MOST_COLUMNS: Final = 1000
_MOST_RECORD: Final = 2 * MOST_BYTES + 64 * 1024  # bytes of a CSV record, in which each quote within a cell is doubled
MOST_RESULT: Final = 2 * MOST_BYTES  # bytes of one row's result
_SLICE: Final = 64 * 1024
_FETCHED: Final = 16  # rows fetched from Parquet at once
_CHECKED: Final = 20_000  # rows of CSV that are checked before another client's turn
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
_encode: Final = msgspec.json.Encoder().encode


class Cutter:
    """Cuts an upload into pieces, for NDJSON at the ends of lines; counts its rows.

    Raises BodyTooLarge where NDJSON has a line of more bytes than one request may have, or more lines than `most_rows`.
    """

    def __init__(self, *, lines: bool, most_rows: int = JobSettings().most_rows) -> None:
        self._lines = lines
        self._most_rows = most_rows
        self._piece: list[bytes] = []  # of whole lines, or of parts of the upload
        self._size = 0
        self._line: list[bytes] = []  # the parts of an incomplete line
        self._line_size = 0
        self._number = 0  # of complete lines
        self.rows = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take more of the upload; yield the pieces that are complete."""
        if not self._lines:
            yield from self._cut(data)
            return
        start = 0
        while end := data.find(b"\n", start) + 1:
            yield from self._add(data[start:end])
            start = end
        if start < len(data):
            self._keep_open(data[start:])

    def end(self) -> Iterator[bytes]:
        """Yield the last piece, if there is one."""
        if self._line:
            yield from self._add(b"")
        if self._piece:
            yield self._taken()

    def _cut(self, data: bytes) -> Iterator[bytes]:
        start = 0
        while len(data) - start >= (wanted := PIECE_BYTES - self._size):
            self._piece.append(data[start : start + wanted])
            start += wanted
            yield self._taken()
        if start < len(data):
            self._piece.append(data[start:])
            self._size += len(data) - start

    def _add(self, last: bytes) -> Iterator[bytes]:
        """Add a line whose last part is `last`; yield a piece if it is complete."""
        self._keep_open(last)
        line = b"".join(self._line)
        self._line, self._line_size = [], 0
        self._number += 1
        if self._number > self._most_rows:
            raise BodyTooLarge(
                f"The file has more than {self._most_rows:,} lines (jobs.most_rows).", remedy="Split it."
            )
        if self._piece and (self._size + len(line) > PIECE_BYTES or len(self._piece) >= PIECE_ROWS):
            yield self._taken()
        self._piece.append(line)
        self._size += len(line)
        self.rows += not line.isspace()

    def _keep_open(self, part: bytes) -> None:
        self._line.append(part)
        self._line_size += len(part)
        if self._line_size > MOST_BYTES:
            raise _too_large(f"Line {self._number + 1:,}")

    def _taken(self) -> bytes:
        piece = b"".join(self._piece)
        self._piece, self._size = [], 0
        return piece


def lines_of(piece: bytes) -> list[bytes]:
    """Take a piece of NDJSON apart; blank lines are none."""
    return [line for line in piece.split(b"\n") if line.strip()]


class Interrupted(CustomerRiskError):
    """Reading was interrupted from another thread."""

    def __init__(self) -> None:
        super().__init__("Reading was interrupted.", remedy="Continue later.")


class Lines(NamedTuple):
    """Requests read from a file, as lines of JSON, and the position after them.

    `rows` is the number of rows in the file, None if unknown. If `lines` is empty, the file is still being checked.
    """

    lines: list[bytes]
    at: int
    rows: int | None


class FileReader:
    """Reads a file piece by piece, from the position `at` on.

    `read` raises InputError where the file isn't in its declared format, BodyTooLarge where it exceeds the settings'
    bounds, and Interrupted after a call of `interrupt` from another thread.
    """

    def __init__(self, parts: Iterable[bytes], settings: JobSettings, *, at: int = 0, rows: int | None = None) -> None:
        self.at = at
        self._settings = settings
        self._rows = rows
        self._interrupted = threading.Event()
        self._lines = self._read(parts)

    def read(self) -> Lines | None:
        """Return the next piece, None at the end."""
        read = next(self._lines, None)
        if read is not None:
            self.at = read.at
        return read

    def interrupt(self) -> None:
        """Interrupt `read`, which can't be called again afterwards."""
        self._interrupted.set()

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

    def _read(self, parts: Iterable[bytes]) -> Generator[Lines]:
        raise NotImplementedError

    def _check(self) -> None:
        if self._interrupted.is_set():
            raise Interrupted

    def _few_enough(self, rows: int) -> None:
        if rows > self._settings.most_rows:
            raise BodyTooLarge(
                f"The file has {rows:,} rows or more; jobs.most_rows is {self._settings.most_rows:,}.",
                remedy="Split it.",
            )


class CsvReader(FileReader):
    """Reads CSV with a header: customer_id with a column a feature, or a column `request`; positions are in bytes.

    An empty cell is a missing value. The whole file is checked before its first row is returned. It is refused where it
    has no such header, a row has more or fewer cells than the header, quotes don't match or the text isn't UTF-8.
    """

    def __init__(
        self, parts: Callable[[], Iterable[bytes]], settings: JobSettings, *, at: int = 0, rows: int | None = None
    ) -> None:
        self._parts = parts
        super().__init__((), settings, at=at, rows=rows)

    def _read(self, parts: Iterable[bytes]) -> Generator[Lines]:  # noqa: ARG002  it reads them twice
        csv.field_size_limit(MOST_BYTES)
        text = _Text(self._parts())
        try:
            if self._rows is None:
                checked = 0
                for checked, _ in enumerate(self._cells(text, 0), 1):
                    self._few_enough(checked)
                    if checked % _CHECKED == 0:
                        yield Lines([], 0, None)
                self._rows = checked
                text = _Text(self._parts())
            for lines in _by_pieces(_csv_line(row) for row in self._cells(text, self.at)):
                yield Lines(lines, text.at, self._rows)
        except (UnicodeDecodeError, csv.Error) as error:
            if "field limit" in str(error):  # `csv` has only one error class
                raise _too_large(f"A cell at line {text.number:,}") from error
            raise _unusable(f"line {text.number} isn't CSV in UTF-8: {error}") from error

    def _cells(self, text: _Text, at: int) -> Iterator[dict[str, str]]:
        rows = csv.reader(text, strict=True)
        names = next(rows, [])
        if "request" not in names and "customer_id" not in names:
            raise _unusable("expected a header with customer_id, or with request")
        if len(names) > _MOST_COLUMNS:
            raise _unusable(f"has {len(names):,} columns; expected at most {_MOST_COLUMNS:,}")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise _unusable(f"has two columns {twice[0]!r}")
        text.skip(at)
        for row in rows:
            self._check()
            text.record = 0
            if not row:  # a blank line
                continue
            if len(row) != len(names):  # the columns of its cells can't be known
                raise _unusable(f"line {text.number} has {len(row):,} cells; the header has {len(names):,}")
            yield dict(zip(names, row, strict=True))


class _Text:
    """The lines of an upload as text, for `csv`; `number` counts them, and `at` the bytes read.

    `record` counts the bytes of the current record; its reader sets it to 0 at each record's end. Raises BodyTooLarge
    where a record is too large.
    """

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._lines = self._split(parts)
        self.at = self.number = self.record = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        text = line.decode("utf-8" if self.at else "utf-8-sig")
        self._count(line)
        return text

    def skip(self, at: int) -> None:
        """Skip to a position, which is the end of a record; do nothing if it was passed already."""
        while self.at < at:
            self._count(next(self._lines))
            self.record = 0
        self.record = 0

    def _count(self, line: bytes) -> None:
        self.number += 1
        self.at += len(line)
        self.record += len(line)
        if self.record > _MOST_RECORD:
            raise _too_large(f"The row at line {self.number:,}")

    def _split(self, parts: Iterable[bytes]) -> Iterator[bytes]:
        left: list[bytes] = []
        size = 0
        for part in parts:
            for start in range(0, len(part), _SLICE):
                for line in part[start : start + _SLICE].splitlines(keepends=True):
                    left.append(line)
                    size += len(line)
                    if size > _MOST_RECORD:
                        raise _too_large(f"Line {self.number + 1:,}")
                    if line.endswith((b"\n", b"\r")):
                        yield b"".join(left)
                        left, size = [], 0
        if left:
            yield b"".join(left)


class ParquetReader(FileReader):
    """Reads Parquet: the columns of a request, or customer_id with a column a feature; positions are in rows.

    NaN is a missing value. An infinite value becomes a text, so that the request's reader refuses it by its name. Times
    without a zone are UTC. A file without customer_id is refused.
    """

    _base: DuckDBPyConnection | None = None

    def interrupt(self) -> None:
        """Interrupt `read`."""
        import duckdb  # noqa: PLC0415  only for files of this form

        super().interrupt()
        base = self._base
        if base is not None:
            with suppress(duckdb.Error):  # another thread is closing it
                base.interrupt()

    def _read(self, parts: Iterable[bytes]) -> Generator[Lines]:
        import duckdb  # noqa: PLC0415  only for files of this form

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
                    yield from self._rows_of(base, str(path))
                except duckdb.InterruptException as error:
                    raise Interrupted from error
                except duckdb.OutOfMemoryException as error:
                    raise MemoryError from error
                except duckdb.Error as error:
                    said = str(error).partition("\n")[0].replace(str(path), "the file")[:300]
                    raise _unusable(f"isn't Parquet that can be read: {said}") from error
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
        columns = ", ".join(f"CAST({_quoted(name)} AS {kind})" for name, (kind, _) in read.items())
        fixes = [(place, fix) for place, (_, fix) in enumerate(read.values()) if fix is not None]
        query = f"SELECT {columns} FROM read_parquet(?) OFFSET {self.at}"  # noqa: S608  names are quoted
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
                    raise _too_large(f"Row {number:,}")
                yield line

        for piece in _by_pieces(lines()):
            yield Lines(piece, self.at + len(piece), self._rows)

    def _columns(self, base: DuckDBPyConnection, path: str) -> dict[str, Any]:
        """Return the columns' names and types."""
        described = base.execute("SELECT * FROM read_parquet(?) LIMIT 0", [path]).description or ()
        kinds = {str(name): kind for name, kind, *_ in described}
        if "customer_id" not in kinds:
            raise _unusable("expected a column customer_id")
        if len(kinds) > _MOST_COLUMNS:
            raise _unusable(f"has {len(kinds):,} columns; expected at most {_MOST_COLUMNS:,}")
        return kinds


def _as_json(kind: Any) -> tuple[str, Callable[[Any], Any] | None]:
    """Return the type to read a column as, and the function that makes its values JSON's; None if no change is needed.

    Values aren't converted to JSON by DuckDB, which would convert 2,048 rows at once.
    """
    if str(kind) == "JSON":
        return "VARCHAR", _parsed
    if kind.id in _EXACT or kind.id in _REAL:
        return (str(kind), None) if kind.id in _EXACT else ("DOUBLE", _finite)
    read = {name: _as_json(child) for name, child in kind.children} if kind.id in _NESTING else {}
    fixes = {name: fix for name, (_, fix) in read.items() if fix is not None}
    if kind.id == "struct":
        fields = ", ".join(f"{_quoted(name)} {made}" for name, (made, _) in read.items())
        return f"STRUCT({fields})", partial(_each_field, fixes) if fixes else None
    if kind.id == "list":
        return f"{read['child'][0]}[]", partial(_each_item, fixes["child"]) if fixes else None
    if kind.id == "map":
        fix = fixes.get("value")
        return f"MAP(VARCHAR, {read['value'][0]})", None if fix is None else partial(_each_value, fix)
    return "VARCHAR", None


def _finite(value: float | None) -> float | str | None:
    """Return a finite number as it is, None for NaN, and an infinite number as a text, which is refused later."""
    if value is None or math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)


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


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def open_file(job: Job, parts: Callable[[], Iterable[bytes]], settings: JobSettings) -> FileReader:
    """Return a reader of a job's file that begins after the rows with results; raises as `FileReader` does."""
    if job.format == "csv":
        return CsvReader(parts, settings, at=job.at, rows=job.rows)
    return ParquetReader(parts(), settings, at=job.at)


def read_too_much(settings: JobSettings) -> BodyTooLarge:
    """Return the error for a file whose requests have more than `most_read_bytes`."""
    return BodyTooLarge(
        f"The file becomes more than {settings.most_read_bytes:,} bytes of requests (jobs.most_read_bytes).",
        remedy="Split it.",
    )


def to_parquet(packed: Iterable[bytes], path: Path, settings: JobSettings) -> None:
    """Write results, lines of JSON compressed by gzip, as Parquet: status, answer, problem.

    Raises BodyTooLarge where it takes more memory or time than the settings allow.
    """
    import duckdb  # noqa: PLC0415  only for files of this form

    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        source = Path(folder) / "results.ndjson.gz"
        with source.open("wb") as file:
            file.write(pack(()))  # a job without rows has no piece, and an empty file isn't gzip
            file.writelines(packed)
        form = f"format='newline_delimited', compression='gzip', maximum_object_size={MOST_RESULT}, columns={_RESULT}"
        read = f"read_json('{source}', {form})"
        copy = f"COPY (SELECT * FROM {read}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE {_ROW_GROUP})"  # noqa: S608  paths of our own
        with closing(database(memory=f"{settings.most_memory_bytes}B", only=path.parent)) as base:
            late = threading.Timer(settings.most_read_seconds, base.interrupt)
            late.start()
            try:
                base.execute(copy)
            except (duckdb.InterruptException, duckdb.OutOfMemoryException) as error:
                raise BodyTooLarge("These results are too large for Parquet.", remedy="Fetch NDJSON.") from error
            finally:
                late.cancel()


def _fetched(table: DuckDBPyConnection) -> Iterator[list[Any]]:
    while rows := table.fetchmany(_FETCHED):
        yield from map(list, rows)


def _by_pieces(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    piece: list[bytes] = []
    size = 0
    for line in lines:
        if len(line) > MOST_BYTES:
            raise _too_large("A row")
        piece.append(line)
        size += len(line)
        if len(piece) == PIECE_ROWS or size >= PIECE_BYTES:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def _too_large(what: str) -> BodyTooLarge:
    return BodyTooLarge(
        f"{what} has more than {MOST_BYTES:,} bytes, the most that one request may have.",
        remedy="Send fewer transactions of this customer.",
    )


def _unusable(detail: str) -> InputError:
    return InputError((BadField("", detail),))


def _csv_line(row: Mapping[str, str]) -> bytes:
    request = row.get("request")
    if request:
        return request.replace("\r", " ").replace("\n", " ").encode()
    features = {name: _number(cell) for name, cell in row.items() if name not in {"customer_id", "request"}}
    return _encode({"customer_id": row.get("customer_id"), "features": features})


def _number(cell: str) -> float | str | None:
    """Read a cell; one that isn't a finite number stays a text, for the request's reader to refuse by its name."""
    if not cell.strip():
        return None
    try:
        number = float(cell)
    except ValueError:
        return cell
    return _finite(number)


def _features_line(row: dict[str, Any]) -> bytes:
    customer_id = row.pop("customer_id")
    return _encode({"customer_id": customer_id, "features": row})


def _request_line(row: dict[str, Any], *, stamped: bool) -> bytes:
    """Write a row as a request; `stamped` says that its times are timestamps, which DuckDB writes in its own form."""
    request = {name: row[name] for name in _FIELDS if row.get(name) is not None}
    sent = request.get("transactions")
    for each in (sent if isinstance(sent, list) else [sent] if isinstance(sent, dict) else []) if stamped else []:
        for name in ("created_at", "completed_at"):
            if name in each:
                times = each[name]
                each[name] = [_zoned(time) for time in times] if isinstance(times, list) else _zoned(times)
    return _encode(request)


def _zoned(time: Any) -> Any:
    if isinstance(time, str) and _NAIVE.fullmatch(time):
        return time.removesuffix("+00") + "Z"
    return time
