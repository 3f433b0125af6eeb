"""Input of jobs as lines of JSON, each a request: cut from an upload, or made of CSV and Parquet."""

from __future__ import annotations

import csv
import io
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from model.errors import BadField, InputError

PIECE_BYTES: Final = 1024 * 1024
PIECE_ROWS: Final = 500
_NAIVE: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?(\+00)?")
_NESTED: Final = frozenset(("profile", "features"))  # not transactions, which is a feature's name too
_FIELDS: Final = ("customer_id", "profile", "transactions", "history_complete", "features")
# Said outright: guessing from the texts would make a UUID of one customer_id, a date of another.
_RESULT: Final = {
    "status": "INTEGER",
    "answer": (
        "STRUCT(decision_id VARCHAR, customer_id VARCHAR, decided_at TIMESTAMP, probability DOUBLE, segment VARCHAR,"
        " action VARCHAR, reasons STRUCT(code VARCHAR, text VARCHAR, direction VARCHAR, feature VARCHAR, value DOUBLE,"
        " unit VARCHAR, contribution DOUBLE, share DOUBLE, investigator_text VARCHAR)[], source VARCHAR,"
        " model STRUCT(name VARCHAR, version VARCHAR),"
        " warnings STRUCT(code VARCHAR, pointer VARCHAR, detail VARCHAR)[])"
    ),
    "problem": (
        "STRUCT(type VARCHAR, title VARCHAR, status INTEGER, detail VARCHAR,"
        " errors STRUCT(pointer VARCHAR, detail VARCHAR)[])"
    ),
}
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Cutter:
    """Cuts an upload into pieces, for NDJSON at the ends of lines; counts its rows."""

    def __init__(self, *, lines: bool) -> None:
        self._lines = lines
        self._left = b""
        self.rows = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take more of the upload; gives the pieces that are whole."""
        self._left += data
        while len(self._left) >= PIECE_BYTES:
            end = self._left.rfind(b"\n", 0, PIECE_BYTES) + 1 if self._lines else PIECE_BYTES
            if not end:
                end = self._left.find(b"\n") + 1
                if not end:  # a line longer than a piece isn't whole yet
                    return
            piece, self._left = self._left[:end], self._left[end:]
            yield self._counted(piece)

    def end(self) -> Iterator[bytes]:
        """Give what is left."""
        if self._left:
            yield self._counted(self._left)
            self._left = b""

    def _counted(self, piece: bytes) -> bytes:
        if self._lines:
            self.rows += sum(1 for line in piece.split(b"\n") if line.strip())
        return piece


def lines_of(piece: bytes) -> list[bytes]:
    """Take a piece of NDJSON apart; blank lines are none."""
    return [line for line in piece.split(b"\n") if line.strip()]


def from_csv(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Turn CSV with a header into pieces of NDJSON: customer_id with a column a feature, or a column `request`.

    An empty cell is a missing value. Raises InputError where there is no such header, a row has more or fewer cells
    than it, or the text isn't UTF-8.
    """
    with tempfile.TemporaryFile() as file:
        for piece in pieces:
            file.write(piece)
        file.seek(0)
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        try:
            rows = csv.DictReader(text)
            names = rows.fieldnames or []
            if "request" not in names and "customer_id" not in names:
                raise InputError((BadField("", "expected a header with customer_id, or with request"),))
            yield from _pieces(_csv_line(row, rows.line_num) for row in rows)
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError((BadField("", f"isn't CSV in UTF-8: {error}"),)) from error


def from_parquet(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Turn Parquet into pieces of NDJSON: the columns of a request, or customer_id with a column a feature.

    Times without a zone are UTC. Raises InputError where it isn't Parquet, or has no customer_id.
    """
    import duckdb  # noqa: PLC0415  only for files of this form

    with tempfile.TemporaryDirectory() as folder, duckdb.connect(config={"threads": 1}) as base:
        path = Path(folder) / "input.parquet"
        with path.open("wb") as file:
            for piece in pieces:
                file.write(piece)
        try:
            base.execute("SET TimeZone = 'UTC'")
            described = base.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
            kinds = {name: str(kind) for name, kind, *_ in described}
            if "customer_id" not in kinds:
                raise InputError((BadField("", "expected a column customer_id"),))
            table = base.execute("SELECT to_json(t) FROM read_parquet(?) t", [str(path)])
            rows = (_decode(text) for text in _fetched(table))
            if kinds.keys() & _NESTED:
                stamped = "TIMESTAMP" in kinds.get("transactions", "")
                yield from _pieces(_request_line(row, stamped=stamped) for row in rows)
            else:
                yield from _pieces(_features_line(row) for row in rows)
        except duckdb.Error as error:
            raise InputError((BadField("", "isn't Parquet that can be read"),)) from error


def to_parquet(lines: Iterable[bytes], path: Path) -> None:
    """Write results, lines of JSON, as Parquet: status, answer, problem."""
    import duckdb  # noqa: PLC0415  only for files of this form

    with tempfile.TemporaryDirectory() as folder, duckdb.connect(config={"threads": 1}) as base:
        source = Path(folder) / "results.ndjson"
        with source.open("wb") as file:
            file.writelines(lines)
        form = f"format='newline_delimited', columns={_RESULT}, maximum_object_size=67108864"
        read = f"read_json('{source}', {form})"
        base.execute(f"COPY (SELECT * FROM {read}) TO '{path}' (FORMAT parquet)")  # noqa: S608  paths of our own


def _fetched(table: Any) -> Iterator[str]:
    while rows := table.fetchmany(PIECE_ROWS):
        for (text,) in rows:
            yield text


def _pieces(lines: Iterable[bytes]) -> Iterator[bytes]:
    piece: list[bytes] = []
    for line in lines:
        piece.append(line)
        if len(piece) == PIECE_ROWS:
            yield b"\n".join(piece)
            piece = []
    if piece:
        yield b"\n".join(piece)


def _csv_line(row: Mapping[str | None, Any], line: int) -> bytes:
    if None in row or None in row.values():  # whose cell is whose can't be known
        raise InputError((BadField("", f"line {line} hasn't as many cells as the header"),))
    request = row.get("request")
    if request:
        return str(request).replace("\r", " ").replace("\n", " ").encode()
    features = {name: _number(cell) for name, cell in row.items() if name not in {"customer_id", "request"}}
    return _encode({"customer_id": row.get("customer_id"), "features": features})


def _number(cell: str) -> float | str | None:
    """Read a cell; one that is no number stays a text, for the request's reader to refuse by its name."""
    if not cell.strip():
        return None
    try:
        return float(cell)
    except ValueError:
        return cell


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
