"""Writes the off-boarding list as an Excel workbook with input cells for the sign-off, and reads it back as text."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, Final
from xml.parsers import expat

import polars as pl
import xlsxwriter
from python_calamine import CalamineError, CalamineWorkbook

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME: Final = "offboarding"  # the sheet
SIGN_OFF: Final = ("decision", "name", "date", "note")  # columns with cells that people fill in
MOST_BYTES: Final = 256 * 1024 * 1024  # of all parts, unpacked
_MOST_PARTS: Final = 1000
_MOST_CELLS: Final = 5_000_000  # of the smallest rectangle around all cells; the reading library allocates all of them
_MOST_UNITS: Final = 32_767  # of UTF-16, in a cell of Excel
_PART: Final = re.compile(r".*\.(xml|rels)", re.IGNORECASE)  # pictures and other parts aren't read
_REFERENCE: Final = re.compile(r"([A-Z]{1,3})([0-9]{1,7})", re.ASCII | re.IGNORECASE)
_NUMBER: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_DAY: Final = "yyyy-mm-dd"
_TIME: Final = "yyyy-mm-dd hh:mm:ss"
_INPUT: Final = "#FFF8DC"
_HEADER: Final = "#E7E9ED"
_WIDTHS: Final = {
    "line": 6,
    "reasons": 50,
    "evidence": 60,
    "speaks_against": 50,
    "certainty": 40,
    "note": 40,
    "name": 22,
}
_WIDTH: Final = 14
_IDS: Final = ("model_version", "run")  # long hashes: not wrapped


class BadWorkbook(Exception):
    """A file that isn't a readable .xlsx workbook; the message says why."""


def cut_cell(text: str) -> str:
    """Return the text, cut to the length that a cell of Excel can have."""
    units = text.encode("utf-16-le", "surrogatepass")
    return text if len(units) <= 2 * _MOST_UNITS else units[: 2 * _MOST_UNITS].decode("utf-16-le", "ignore")


def xlsx_bytes(frame: pl.DataFrame, *, made_at: datetime, verdicts: Iterable[str]) -> bytes:
    """Return a list as a workbook: the same bytes for the same list, text kept as text, and no formulas.

    The sign-off columns are input cells. The column `decision` offers `verdicts`, the column `date` takes dates from
    the day of `made_at`. Text that is too long for a cell is cut.
    """
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True, "remove_timezone": True})
    book.set_properties({"title": "Off-boarding list", "created": made_at.replace(tzinfo=None)})
    sheet = book.add_worksheet(NAME)
    base = {"valign": "top", "border": 1, "border_color": "#D0D4DA"}
    header = book.add_format({**base, "bold": True, "bg_color": _HEADER, "text_wrap": True})
    last = max(frame.height, 1)
    for column, name in enumerate(frame.columns):
        kind = frame.schema[name]
        look: dict[str, Any] = dict(base)
        if name in SIGN_OFF:
            look |= {"bg_color": _INPUT, "num_format": _DAY if name == "date" else "@"}
        elif kind == pl.String:
            look["num_format"] = "@"
        elif kind.is_temporal():
            look["num_format"] = _DAY if kind == pl.Date else _TIME
        cell = book.add_format(look | {"text_wrap": name not in _IDS})
        sheet.set_column(column, column, _WIDTHS.get(name, _WIDTH))
        sheet.write_string(0, column, name, header)
        for row, value in enumerate(frame[name], start=1):
            _write(sheet, row, column, value, cell)
    _validate(sheet, frame, last, made_at, list(verdicts))
    sheet.freeze_panes(1, 2)
    sheet.autofilter(0, 0, last, len(frame.columns) - 1)
    sheet.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})  # ids that look like numbers
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    book.close()
    return buffer.getvalue()


def _write(sheet: Any, row: int, column: int, value: object, look: Any) -> None:
    if value is None or value == "":
        sheet.write_blank(row, column, None, look)
    elif isinstance(value, str):
        sheet.write_string(row, column, cut_cell(value), look)  # also text that begins with an equals sign
    elif isinstance(value, date):
        sheet.write_datetime(row, column, value, look)
    else:
        sheet.write_number(row, column, value, look)


def _validate(sheet: Any, frame: pl.DataFrame, last: int, made_at: datetime, verdicts: list[str]) -> None:
    rules: dict[str, dict[str, Any]] = {
        "decision": {"validate": "list", "source": verdicts},
        "date": {"validate": "date", "criteria": ">=", "value": made_at.date()},
    }
    for name, rule in rules.items():
        if name in frame.columns:
            column = frame.columns.index(name)
            # Only a warning: signers west of Greenwich may be a day behind UTC, and some people write "Off-Board".
            sheet.data_validation(1, column, last, column, {**rule, "error_type": "warning"})


def read_workbook(content: bytes) -> list[list[str]]:
    """Return the rows of the sheet `offboarding`, or of the first sheet, as text; dates are ISO 8601.

    Raises BadWorkbook if the file isn't a workbook, has a password, or unpacks to more than is allowed.
    """
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(_unpacked(content)))
        names = book.sheet_names
        if not names:
            raise BadWorkbook("it has no sheet")
        rows = book.get_sheet_by_name(NAME if NAME in names else names[0]).to_python(skip_empty_area=False)
    except CalamineError as error:
        raise BadWorkbook(str(error)) from error
    return [[_text(value) for value in row] for row in rows]


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _unpacked(content: bytes) -> bytes:
    """Return the workbook with its checked parts uncompressed: this limits what the reading library unpacks."""
    buffer = io.BytesIO()
    left = MOST_BYTES
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed, zipfile.ZipFile(buffer, "w") as stored:
            parts = [part for part in packed.infolist() if _PART.fullmatch(part.filename)]
            if len(parts) > _MOST_PARTS or len({part.filename for part in parts}) < len(parts):
                raise BadWorkbook("it has too many parts, or two of the same name")
            for part in parts:
                with packed.open(part) as file:
                    text = file.read(left + 1)
                left -= len(text)
                if left < 0:
                    raise BadWorkbook(f"its parts unpack to more than {MOST_BYTES:,} bytes")
                _check_part(text)
                stored.writestr(zipfile.ZipInfo(part.filename), text)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise BadWorkbook(f"it isn't an .xlsx file without a password ({error})") from error
    return buffer.getvalue()


def _check_part(text: bytes) -> None:
    """Raise BadWorkbook if the part has a document type, which could declare entities, or spans too many cells."""
    rows = columns = row = column = 0  # the greatest row and column, and those of the last element
    parser = expat.ParserCreate()

    def doctype(*_: object) -> None:
        raise BadWorkbook("its XML has a document type")

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal rows, columns, row, column
        kind, where = name.rpartition(":")[2], attributes.get("r", "")
        if kind == "row":
            row, column = int(where) if _NUMBER.fullmatch(where) else row + 1, 0
        elif kind == "c":
            found = _REFERENCE.fullmatch(where)
            row, column = (int(found[2]), _column(found[1])) if found else (row, column + 1)
            rows, columns = max(rows, row), max(columns, column)

    parser.StartDoctypeDeclHandler = doctype
    parser.StartElementHandler = start
    try:
        parser.Parse(text, True)  # noqa: FBT003  it takes no keyword
    except (expat.ExpatError, LookupError) as error:  # the latter for an unknown encoding
        raise BadWorkbook(f"its XML can't be read: {error}") from error
    if rows * columns > _MOST_CELLS:
        raise BadWorkbook(f"its cells span {rows:,} rows and {columns:,} columns; delete what is beyond the list")


def _column(letters: str) -> int:
    """Return the number of a column: 1 for A, 27 for AA."""
    number = 0
    for letter in letters.upper():
        number = 26 * number + ord(letter) - ord("A") + 1
    return number
