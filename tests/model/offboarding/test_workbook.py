"""The off-boarding list as an Excel workbook, written, filled in by another program, and read back."""

from __future__ import annotations

import contextlib
import io
import zipfile
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import msgspec
import openpyxl
import polars as pl
import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from customer_risk.model.errors import SignOffError
from customer_risk.model.offboarding import workbook
from customer_risk.model.offboarding.people import Person
from customer_risk.model.offboarding.sign_off import VERDICTS, check
from customer_risk.model.offboarding.spreadsheet import read_sheet
from customer_risk.model.offboarding.workbook import BadWorkbook, cut_cell, read_workbook, xlsx_bytes

MADE_AT = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
NOW = datetime(2026, 1, 7, 15, 0, tzinfo=UTC)
XLSX = Path("filled.xlsx")


def write(frame: pl.DataFrame) -> bytes:
    """Write a list as a workbook."""
    return xlsx_bytes(frame, made_at=MADE_AT, verdicts=VERDICTS)


def opened(content: bytes) -> openpyxl.Workbook:
    """Open a workbook with a different library from the one that reads it."""
    return openpyxl.load_workbook(io.BytesIO(content))


def saved(book: openpyxl.Workbook) -> bytes:
    """Save a workbook."""
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def filled_in(made: pl.DataFrame, *, day: object = date(2026, 1, 6)) -> openpyxl.Workbook:
    """Fill in the sign-off cells of each line, as a person does."""
    book = opened(write(made))
    sheet = book["offboarding"]
    columns = {cell.value: cell.column for cell in sheet[1]}
    for line in range(2, made.height + 2):
        for name, value in {"decision": "Keep", "name": "Ann Example", "date": day, "note": "Known"}.items():
            sheet.cell(line, columns[name]).value = value
    return book


@pytest.mark.parametrize("day", [date(2026, 1, 6), datetime(2026, 1, 6, 9, 30), "2026-01-06", "29/12/2025"])  # noqa: DTZ001  a workbook's times have no zone
def test_a_list_filled_in_by_another_program_is_accepted(made, run_record, day):
    """Dates may be date cells, with or without a time, or text."""
    run = msgspec.structs.replace(run_record, made_at=datetime(2025, 12, 1, tzinfo=UTC))
    sheet = read_sheet(XLSX, saved(filled_in(made, day=day)))
    decisions = check(sheet, made, run, where="filled.xlsx", now=NOW, by=Person("registrar"))
    assert len(decisions) == made.height
    assert {one.date for one in decisions} == {"2025-12-29" if isinstance(day, str) and "/" in day else "2026-01-06"}
    assert {one.decision for one in decisions} == {"keep"}


def test_the_workbook_of_a_run_is_its_list(scoring_run, made):
    """offboarding.xlsx has the cells of offboarding.parquet, with each text as text."""
    rows = read_workbook((scoring_run / "offboarding.xlsx").read_bytes())
    assert rows[0] == made.columns
    assert [row[1] for row in rows[1:]] == made["customer_id"].to_list()
    sheet = opened((scoring_run / "offboarding.xlsx").read_bytes())["offboarding"]
    assert {cell.data_type for cell in sheet["B"]} == {"s"}


def test_the_same_list_gives_the_same_bytes(made):
    """Two workbooks of the same list have the same bytes, and so the same sha256."""
    assert write(made) == write(made.clone())


def test_analysts_get_input_cells(made):
    """The decision is chosen from a list, the date is a date, the header is frozen, and long text is wrapped."""
    sheet = opened(write(made))["offboarding"]
    columns = {cell.value: cell for cell in sheet[1]}
    rules = {str(rule.sqref): rule for rule in sheet.data_validations.dataValidation}
    decision, day = columns["decision"].column_letter, columns["date"].column_letter
    last = made.height + 1
    assert rules[f"{decision}2:{decision}{last}"].formula1 == '"off-board,keep,review-again"'
    assert rules[f"{day}2:{day}{last}"].type == "date"
    assert sheet[f"{day}2"].number_format == "yyyy-mm-dd"
    assert sheet.freeze_panes == "C2"
    evidence = columns["evidence"].column_letter
    assert sheet[f"{evidence}2"].alignment.wrap_text
    assert sheet.column_dimensions[evidence].width > sheet.column_dimensions["A"].width
    assert sheet[f"{decision}2"].fill.start_color.rgb != sheet["B2"].fill.start_color.rgb


TEXTS = [
    "=1+1",
    "+33",
    "-5",
    "@SUM(A1)",
    "\uff1d1+1",
    "{=1}",
    "=HYPERLINK('http://example.com')",
    "http://example.com",
    "00123",
    "1e5",
    "TRUE",
    "2026-01-06",
    " spaces ",
    "two\nlines",
    "a\u0007b",
    "_x0041_",
    "'quoted",
    "\U0001f600",
    "<a>&amp;",
]


@pytest.mark.parametrize("text", TEXTS)
def test_text_is_written_as_text_and_read_unchanged(text):
    """No text becomes a formula, a link, a number or a date."""
    content = write(pl.DataFrame({"line": [1], "customer_id": [text]}))
    cell = opened(content)["offboarding"]["B2"]
    assert (cell.data_type, cell.hyperlink) == ("s", None)
    assert read_workbook(content)[1] == ["1", text]


def test_numbers_and_dates_are_cells_of_their_kind():
    """Numbers and dates are written as such; a missing value is an empty cell."""
    frame = pl.DataFrame({"line": [1, 2], "p": [0.8312, None], "day": [date(2026, 1, 6), None], "at": [MADE_AT, None]})
    content = write(frame)
    sheet = opened(content)["offboarding"]
    assert [sheet[f"{column}2"].data_type for column in "ABCD"] == ["n", "n", "d", "d"]
    assert read_workbook(content)[1:] == [["1", "0.8312", "2026-01-06", "2026-01-05T12:00:00"], ["2", "", "", ""]]


def test_an_id_that_excel_made_a_number_is_the_id_if_no_digit_is_lost():
    """123 as a number is the id 123; the id 00123 was altered, which the sign-off says."""
    book = openpyxl.Workbook()
    book.active.append(["customer_id"])
    book.active.append([123])
    assert read_workbook(saved(book)) == [["customer_id"], ["123"]]


@pytest.mark.parametrize("letter", ["x", "\U0001f600"])
def test_text_too_long_for_a_cell_is_cut_and_not_altered(made, run_record, letter):
    """A text that was cut to Excel's 32,767 units of UTF-16 isn't taken for altered."""
    long = made.with_columns(pl.lit(letter * 40_000).alias("evidence"))
    sheet = read_sheet(XLSX, saved(filled_in(long)))
    assert sheet.rows[0][1]["evidence"] == cut_cell(letter * 40_000)
    assert len(check(sheet, long, run_record, where="filled.xlsx", now=NOW, by=Person("registrar"))) == made.height


def test_the_list_is_found_by_its_name():
    """A sheet that was added before the list isn't read."""
    book = openpyxl.Workbook()
    book.active.append(["pivot"])
    book.create_sheet("offboarding").append(["line"])
    assert read_workbook(saved(book)) == [["line"]]


def test_formatted_cells_beyond_the_list_are_overlooked():
    """Formatted empty cells add no line and no column."""
    book = openpyxl.Workbook()
    book.active.append(["line", "name"])
    book.active.append([1, "Zoë"])
    book.active["D9"].font = openpyxl.styles.Font(bold=True)
    sheet = read_sheet(XLSX, saved(book))
    assert (sheet.columns, [cells for _, cells in sheet.rows]) == (("line", "name"), [{"line": "1", "name": "Zoë"}])


def test_a_line_has_its_number_in_the_sheet():
    """Empty rows count in the line numbers."""
    book = openpyxl.Workbook()
    book.active["A1"] = "line"
    book.active["A4"] = 1
    assert read_sheet(XLSX, saved(book)).rows == ((4, {"line": "1"}),)


def changed(content: bytes, name: str, change) -> bytes:
    """Change a part of a workbook."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            new.writestr(part, change(old.read(part)) if part == name else old.read(part))
    return buffer.getvalue()


SHEET = "xl/worksheets/sheet1.xml"
ENTITY = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@cache  # a workbook names the time at which it was saved, and examples must not depend on it
def plain() -> bytes:
    """A small workbook."""
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer) as book:
        book.set_properties({"created": datetime(2026, 1, 31)})  # noqa: DTZ001  so that each call returns the same bytes
        book.add_worksheet().write_string(0, 0, "line")
    return buffer.getvalue()


def far_row(xml: bytes) -> bytes:
    """Put cells without a reference into the last row that Excel knows."""
    begin, end = xml.index(b"<sheetData>"), xml.index(b"</sheetData>")
    return xml[:begin] + b'<sheetData><row r="1048576">' + b"<c><v>1</v></c>" * 30 + b"</row>" + xml[end:]


NOT_WORKBOOKS = {
    "empty": (lambda: b"", "isn't an .xlsx file"),
    "CSV": (lambda: b"line,name\n", "isn't an .xlsx file"),
    "password": (lambda: bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600), "without a password"),
    "cut off": (lambda: plain()[:-30], "isn't an .xlsx file"),
    "entities": (
        lambda: changed(plain(), SHEET, lambda xml: xml.replace(b"<worksheet", ENTITY + b"<worksheet", 1)),
        "document type",
    ),
    "cut XML": (lambda: changed(plain(), SHEET, lambda xml: xml[:-20]), "XML can't be read"),
    "far cell": (
        lambda: changed(plain(), SHEET, lambda xml: xml.replace(b'r="A1"', b'r="XFD1048576"')),
        "span 1,048,576 rows",
    ),
    "far cell in small letters": (
        lambda: changed(plain(), SHEET, lambda xml: xml.replace(b'r="A1"', b'r="xfd1048576"')),
        "span 1,048,576 rows",
    ),
    "far row": (lambda: changed(plain(), SHEET, far_row), "span 1,048,576 rows and 30 columns"),
    "no sheet": (lambda: changed(plain(), "xl/workbook.xml", lambda _: b"<workbook/>"), "no sheet"),
    "empty zip": (lambda: b"PK\x05\x06" + bytes(18), "file format"),
}


@pytest.mark.parametrize(("content", "problem"), NOT_WORKBOOKS.values(), ids=list(NOT_WORKBOOKS))
def test_file_without_a_workbook_is_refused(content, problem):
    """The message says what is wrong, also for malicious files."""
    with pytest.raises(BadWorkbook, match=problem):
        read_workbook(content())
    with pytest.raises(SignOffError, match=r"filled\.xlsx can't be read as a table"):
        read_sheet(XLSX, content())


@pytest.mark.parametrize("name", [SHEET, "xl/sharedStrings.xml", "xl/other.xml"])
def test_a_part_that_unpacks_to_too_much_is_refused(monkeypatch, name):
    """Reading stops at the limit of unpacked bytes, whatever size the file declares."""
    monkeypatch.setattr(workbook, "MOST_BYTES", 1_000_000)
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(plain())) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for part in {*old.namelist(), name}:
            new.writestr(part, b"<x>" + b" " * 2_000_000 + b"</x>" if part == name else old.read(part))
    assert len(buffer.getvalue()) < 20_000
    with pytest.raises(BadWorkbook, match="unpack to more than"):
        read_workbook(buffer.getvalue())


def test_two_parts_of_one_name_are_refused():
    """The part that is checked is the part that is read."""
    buffer = io.BytesIO(plain())
    with zipfile.ZipFile(buffer, "a") as book, pytest.warns(UserWarning, match="Duplicate name"):
        book.writestr(SHEET, b"<x/>")
    with pytest.raises(BadWorkbook, match="two of the same name"):
        read_workbook(buffer.getvalue())


@examples(max_examples=100, deadline=None)
@given(st.data())
def test_damaged_workbook_is_read_or_refused(data):
    """Changed bytes, also within the XML, raise only BadWorkbook."""
    name = data.draw(st.sampled_from(["", SHEET, "xl/sharedStrings.xml", "xl/workbook.xml", "xl/styles.xml"]))

    def damage(content: bytes) -> bytes:
        at = data.draw(st.integers(0, len(content) - 1))
        return content[:at] + data.draw(st.binary(max_size=3)) + content[at + data.draw(st.integers(0, 3)) :]

    content = changed(plain(), name, damage) if name else damage(plain())
    with contextlib.suppress(BadWorkbook):
        read_workbook(content)
