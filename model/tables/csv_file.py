"""Reads a CSV file as a table of text, without the records that have more or fewer fields than the header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from customer_risk.model.csv_records import BadCsv, read_records
from customer_risk.model.errors import ColumnMismatch, TableMissing
from customer_risk.model.escaping import list_names, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from customer_risk.model.tables.csv_form import CsvForm

MALFORMED: Final = pl.Schema({"row": pl.UInt32, "value": pl.String})
_CELLS: Final = 500_000  # per chunk; each chunk becomes a data frame
_MOST_COLUMNS: Final = 10_000


@dataclass(frozen=True, slots=True)
class CsvTable:
    """A CSV file as read.

    frame      the records with as many fields as the header; all columns are text, an empty field is null
    rows       the number of each record in the file; the first record under the header is 1
    malformed  the other records: their number, and a text with line, number of fields and first characters
    """

    frame: pl.DataFrame
    rows: pl.Series
    malformed: pl.DataFrame


def read_csv_table(path: Path, form: CsvForm, *, rows: bool = True) -> CsvTable:
    """Read a CSV file; only its header if `rows` is false.

    Columns without a name are left out. Raises ColumnMismatch if there is no header or it has a name twice,
    TableMissing if the file can't be read.
    """
    try:
        with path.open("rb") as file:
            records = read_records(file, separator=form.delimiter, encoding=form.encoding)
            return _table(path, records, form, rows=rows)
    except BadCsv as error:
        raise TableMissing(
            f"{path} can't be read as csv: {error}.",
            remedy="Export the complete file again, in the encoding that the mapping names (csv.encoding; UTF-8 by "
            "default).",
        ) from error
    except OSError as error:
        raise TableMissing(f"{path} can't be read: {error}.", remedy="Check the file and its permissions.") from error


def _table(path: Path, records: Iterator[tuple[int, list[str]]], form: CsvForm, *, rows: bool) -> CsvTable:
    _, header = next(records, (0, []))
    _check_header(path, header)
    frames = [_frame([], header)]
    places: list[int] = []
    malformed: list[tuple[int, str]] = []
    size = max(1, _CELLS // len(header))
    chunk: list[list[str]] = []
    for place, (line, cells) in enumerate(records if rows else (), start=1):
        if len(cells) != len(header):
            malformed.append((place, _describe(line, cells, len(header), form.delimiter)))
            continue
        places.append(place)
        chunk.append(cells)
        if len(chunk) == size:
            frames.append(_frame(chunk, header))
            chunk = []
    frames.append(_frame(chunk, header))
    return CsvTable(
        pl.concat(frames, rechunk=True),
        pl.Series("row", places, dtype=pl.UInt32),
        pl.DataFrame(malformed, schema=MALFORMED, orient="row"),
    )


def _check_header(path: Path, header: list[str]) -> None:
    if not header:
        raise ColumnMismatch(f"{path} is empty: it has no header.", remedy="Write the column names first.")
    if len(header) > _MOST_COLUMNS:
        raise ColumnMismatch(
            f"{path} has {len(header):,} columns; at most {_MOST_COLUMNS:,} can be read.",
            remedy="Check its line ends, and that its first line is a header.",
        )
    if twice := sorted({name for name in header if name and header.count(name) > 1}):
        raise ColumnMismatch(
            f"{path} has two columns of the same name: {list_names(twice)}.", remedy="Name each column once."
        )


def _frame(chunk: list[list[str]], header: list[str]) -> pl.DataFrame:
    columns = list(zip(*chunk, strict=True)) or [()] * len(header)
    texts = {name: cells for name, cells in zip(header, columns, strict=True) if name}
    frame = pl.DataFrame(texts, schema=dict.fromkeys(texts, pl.String))
    return frame.select(pl.when(pl.all() != "").then(pl.all())) if texts else frame


def _describe(line: int, cells: list[str], wanted: int, separator: str) -> str:
    fields = f"{len(cells)} field{'s' * (len(cells) != 1)}"
    return f"line {line} has {fields}, but the header has {wanted}: {shortened(separator.join(cells))}"
