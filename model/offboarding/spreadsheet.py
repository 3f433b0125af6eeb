"""Writes CSV in which no cell runs as a formula, and reads filled lists as spreadsheets save them."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from customer_risk.model.csv_records import BadCsv, declared_separator, read_records
from customer_risk.model.errors import SignOffError
from customer_risk.model.escaping import MOST_SAID, shortened
from customer_risk.model.offboarding.workbook import BadWorkbook, read_workbook
from customer_risk.model.tables.cells import escape_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
_NUMBERS: Final = ("probability", "low", "high", "high_share")
_FRACTION: Final = re.compile(r"[0-9]+([.,])[0-9]+([eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A filled sheet as text: `rows` are (line in the file, cells by column), `decimal` is the decimal sign."""

    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]
    decimal: str


def csv_bytes(frame: pl.DataFrame) -> bytes:
    """Return a frame as CSV in UTF-8: times in RFC 3339, an apostrophe before text that a spreadsheet would run."""
    return escape_cells(frame).with_columns(pl.col(pl.Datetime).dt.strftime(_TIME)).write_csv().encode()


def read_sheet(path: Path, content: bytes) -> Sheet:
    """Read the content of a filled CSV, .xlsx or Parquet file as text.

    The suffix of `path` determines the format, and messages name `path`. CSV may be UTF-8 with or without a byte
    order mark, UTF-16 with one, or Windows-1252. Its separator is a comma, a semicolon, a tab, or what a first line
    such as `sep=;` names. Lines may end with CR, LF or both; lines without text are skipped. The decimal sign is found
    in the list's numbers. A row's line is the one on which it begins. Raises SignOffError if the file has no table.
    """
    try:
        if path.suffix.lower() == ".parquet":
            frame = pl.read_parquet(io.BytesIO(content))
            text = frame.with_columns(pl.col(pl.Date, pl.Datetime).dt.to_string("iso:strict")).cast(pl.String)
            rows = tuple((number, row) for number, row in enumerate(text.fill_null("").iter_rows(named=True), start=1))
            return Sheet(tuple(frame.columns), rows, ".")
        if path.suffix.lower() == ".xlsx":
            filled = (
                (line, row) for line, row in enumerate(read_workbook(content), start=1) if any(map(str.strip, row))
            )
            return _sheet(filled, lambda _: ".")
        return _parse(content)
    # Polars panics, instead of raising its own errors, on some damaged Parquet files.
    except (
        OSError,
        pl.exceptions.PolarsError,
        pl.exceptions.PanicException,
        BadCsv,
        BadWorkbook,
        UnicodeError,
    ) as error:
        raise SignOffError(
            f"{path} can't be read as a table: {shortened(error, MOST_SAID)}.",
            remedy="Save the filled list as .xlsx, CSV (UTF-8) or Parquet.",
        ) from error


def _parse(content: bytes) -> Sheet:
    text = _decoded(content)
    lines = text.splitlines()
    head = lines[0] if lines else ""
    declared = declared_separator(head)
    delimiter = declared or max(",;\t", key=head.count)
    records = read_records(io.BytesIO(text.encode()), separator=delimiter)
    return _sheet(records, lambda rows: _decimal(rows, delimiter))


def _sheet(
    records: Iterable[tuple[int, list[str]]], decimal: Callable[[list[tuple[int, dict[str, str]]]], str]
) -> Sheet:
    columns: list[str] = []
    rows = []
    for line, cells in records:
        if not columns:
            columns = [cell.strip() for cell in cells]
            while columns and not columns[-1]:  # spreadsheets may save empty columns after the last one
                columns.pop()
            continue
        spare = [cell for cell in cells[len(columns) :] if cell.strip()]
        if spare or len(cells) < len(columns):
            raise BadCsv(line, f"has {len(cells)} cells, but the header has {len(columns)}")
        rows.append((line, dict(zip(columns, cells, strict=False))))
    if not columns:
        raise BadCsv(1, "is empty")
    if len(set(columns)) < len(columns):
        raise BadCsv(1, "has two columns of the same name")
    return Sheet(tuple(columns), tuple(rows), decimal(rows))


def _decimal(rows: list[tuple[int, dict[str, str]]], delimiter: str) -> str:
    """Return the decimal sign of the list's numbers; if no number has a fraction, the usual one for the delimiter."""
    for _, cells in rows:
        for name in _NUMBERS:
            if found := _FRACTION.fullmatch(cells.get(name, "").strip()):
                return found[1]
    return "," if delimiter == ";" else "."


def _decoded(content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252")
