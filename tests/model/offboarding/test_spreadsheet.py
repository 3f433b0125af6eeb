"""CSV for spreadsheets and from spreadsheets."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from customer_risk.model.errors import SignOffError
from customer_risk.model.offboarding.spreadsheet import csv_bytes, read_sheet

CSV, PARQUET = Path("list.csv"), Path("list.parquet")


def read(text: str | bytes):
    """Read CSV text."""
    return read_sheet(CSV, text if isinstance(text, bytes) else text.encode())


@pytest.mark.parametrize("text", ["=1+1", "+33", "\uff1d1+1", " @SUM(A1)", "\t=1", "=HYPERLINK('http://example.com')"])
def test_a_formula_gets_an_apostrophe_in_front(text):
    """Text that a spreadsheet would run as a formula is written with an apostrophe before it."""
    row = next(csv.DictReader(io.StringIO(csv_bytes(pl.DataFrame({"a": [text]})).decode())))
    assert row["a"] == "'" + text


def test_times_are_written_in_rfc_3339():
    """A time has its zone; a missing time is an empty cell."""
    frame = pl.DataFrame({"t": [datetime(2024, 6, 3, 9, tzinfo=UTC), None]}, schema={"t": pl.Datetime("us", "UTC")})
    assert csv_bytes(frame) == b"t\n2024-06-03T09:00:00Z\n\n"


PLAIN = "line,name\n1,Zoë\n2,Bob\n"


SAVED = {
    "plain": PLAIN.encode(),
    "BOM": PLAIN.encode("utf-8-sig"),
    "semicolons": PLAIN.replace(",", ";").encode("utf-8-sig"),
    "CRLF": PLAIN.replace("\n", "\r\n").encode(),
    "UTF-16 tabs": PLAIN.replace(",", "\t").encode("utf-16"),
    "Windows": PLAIN.encode("cp1252"),
    "empty columns": PLAIN.replace("\n", ",,\n").encode(),
    "empty lines": (PLAIN + ",\n\n").encode(),
    "quoted": b'"line","name"\r\n"1","Zo\xc3\xab"\r\n"2","Bob"\r\n',
    "Ctrl-Z": (PLAIN + "\x1a").encode(),
}


@pytest.mark.parametrize("content", SAVED.values(), ids=list(SAVED))
def test_what_spreadsheets_save_is_read(content):
    """The ways in which Excel and LibreOffice save a CSV file all give the same cells."""
    sheet = read_sheet(CSV, content)
    assert sheet.columns == ("line", "name")
    assert [cells for _, cells in sheet.rows] == [{"line": "1", "name": "Zoë"}, {"line": "2", "name": "Bob"}]


def test_semicolons_come_with_decimal_commas():
    """The usual decimal sign is a comma in files with semicolons, and a point in files with commas."""
    assert read("a;b\n0,83;x\n").decimal == ","
    assert read("a,b\n0.83,x\n").decimal == "."


def test_rows_are_numbered_as_the_file_is():
    """A row has the number of the line on which it begins."""
    assert [number for number, _ in read('a,b\n1,"two\nlines"\n2,x\n').rows] == [2, 4]


def test_a_cell_may_be_larger_than_python_allows():
    """A note of 200 KiB is read."""
    assert read(f"line,note\n1,{'x' * 200 * 1024}\n").rows[0][1]["note"] == "x" * 200 * 1024


def test_parquet_is_read_as_the_same_text():
    """A Parquet file gives the same text as a CSV file."""
    buffer = io.BytesIO()
    frame = pl.DataFrame({"line": [1], "p": [0.83], "name": [None], "date": [date(2026, 1, 6)]})
    frame.cast({"name": pl.String}).write_parquet(buffer)
    sheet = read_sheet(PARQUET, buffer.getvalue())
    assert sheet.rows == ((1, {"line": "1", "p": "0.83", "name": "", "date": "2026-01-06"}),)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "line 1 is empty"),
        (b"\n\n", "line 1 is empty"),
        (b"a,a\n1,2\n", "line 1 has two columns of the same name"),
        (b"a,b\n1\n", "line 2 has 1 cells, but the header has 2"),
        (b"a,b\n1,2,3\n", "line 2 has 3 cells, but the header has 2"),
        (b'a,b\n1,"open\n', "line 2 opens a quote that is never closed"),
        (b"\xff\xfe\x00", "utf-16"),
    ],
)
def test_file_without_a_table_is_refused(content, problem):
    """The message names the file, what is wrong and what to do."""
    with pytest.raises(SignOffError, match=problem) as refusal:
        read(content)
    assert "list.csv can't be read as a table" in refusal.value.problem


def test_broken_parquet_is_refused():
    """A file named .parquet that isn't Parquet is refused."""
    with pytest.raises(SignOffError, match=r"list\.parquet can't be read as a table"):
        read_sheet(PARQUET, b"PAR1 no")


LIST = "line\tprobability\tlow\tname\n1\t0,8312\t0,5\tZoë\n2\t1\t1\tBob\n"


@pytest.mark.parametrize(
    ("content", "decimal"),
    [
        (LIST.encode("utf-16"), ","),
        (LIST.replace("\n", "\r\n").encode("utf-16"), ","),
        (b"\xfe\xff" + LIST.encode("utf-16-be"), ","),
        (LIST.replace(",", ".").encode("utf-16"), "."),
        (LIST.encode(), ","),
        (LIST.replace("0,8312", "1").encode(), ","),
        (LIST.replace(",", ".").replace("\t", ";").encode(), "."),
        (LIST.replace(",", ".").replace("\t", ",").encode(), "."),
    ],
)
def test_decimal_sign_is_found_in_the_numbers(content, decimal):
    """Excel's "Unicode text" has tabs and decimal commas; no separator proves a decimal sign."""
    sheet = read_sheet(CSV, content)
    assert sheet.decimal == decimal
    assert [cells["name"] for _, cells in sheet.rows] == ["Zoë", "Bob"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [";", "\t", ",", "|"])
@pytest.mark.parametrize("form", ["sep={}", '"sep={}"'])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_first_line_may_name_the_separator(encoding, separator, form, end):
    """Excel writes and reads `sep=;`; the line counts as a line of the file."""
    text = f"line{separator}name\n1{separator}Zoë, Eve; and Bob\n"
    text = text.replace("Zoë, Eve; and Bob", '"Zoë, Eve; and Bob"')
    sheet = read_sheet(CSV, (form.format(separator) + "\n" + text).replace("\n", end).encode(encoding))
    assert sheet.rows == ((3, {"line": "1", "name": "Zoë, Eve; and Bob"}),)


def test_suffix_may_be_in_capitals():
    """Suffixes in capitals, such as LIST.XLSX and LIST.PARQUET, are recognised."""
    buffer = io.BytesIO()
    pl.DataFrame({"line": [1]}).write_parquet(buffer)
    assert read_sheet(Path("LIST.PARQUET"), buffer.getvalue()).columns == ("line",)
    with pytest.raises(SignOffError, match=r"isn't an \.xlsx file"):
        read_sheet(Path("LIST.XLSX"), b"line\n1\n")
