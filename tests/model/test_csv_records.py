"""CSV, record by record."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_risk.model import csv_records
from customer_risk.model.csv_records import MOST_CELL, BadCsv, is_encoding, read_records
from customer_risk.serving.http.body import MOST_BYTES

ROOT = Path(__file__).parents[2]
PLAIN = [(1, ["a", "b"]), (2, ["1", "é"])]


def records(content: bytes, **options: str) -> list[tuple[int, list[str]]]:
    """Return every record of a file."""
    return list(read_records(io.BytesIO(content), **options))


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("a,b\n1,é\n".encode(), {}),
        ("a,b\n1,é".encode(), {}),
        ("a,b\r\n1,é\r\n".encode(), {}),
        ("a,b\r1,é\r".encode(), {}),
        ("a,b\n1,é\n".encode("utf-8-sig"), {}),
        ("a,b\n1,é\n".encode("utf-8-sig"), {"encoding": "cp1252"}),
        ("a,b\n1,é\n".encode("cp1252"), {"encoding": "cp1252"}),
        ("a;b\r\n1;é\r\n".encode("utf-16"), {"encoding": "utf-16", "separator": ";"}),
        ("a,b\n1,é\n".encode("utf-16-be"), {"encoding": "utf-16-be"}),
        ("a\tb\n1\té\n".encode(), {"separator": "\t"}),
        ('"a","b"\n"1","é"\n'.encode(), {}),
        ("a,b\r\n1,é\r\n\x1a".encode(), {}),
        ("a,b\n1,é\x1a\x1a\x1a".encode(), {}),
        ("a,b\n1,é\n\x1a\n\n".encode(), {}),
        ("a,b\n1,é\n\n\r\n  \n,\n".encode(), {}),
    ],
)
def test_forms_of_files(content: bytes, options: dict[str, str]) -> None:
    """Line ends, encodings, separators, byte order marks, Ctrl-Z and empty lines at the end change no record."""
    assert records(content, **options) == PLAIN


def test_a_record_has_the_line_on_which_it_begins() -> None:
    """Blank lines, cells of several lines and Excel's first line count as lines of the file."""
    content = b'sep=;\r\na;b\r\n\r\n1;"two\r\nlines"\r\n2;x\r\n'
    assert records(content, separator=";") == [(2, ["a", "b"]), (4, ["1", "two\r\nlines"]), (6, ["2", "x"])]


def test_ctrl_z_before_other_records_is_text() -> None:
    """A Ctrl-Z in the middle of a file hides nothing behind it."""
    assert records(b"a,b\n1,x\x1ay\n\x1a2,3\n")[1:] == [(2, ["1", "x\x1ay"]), (3, ["\x1a2", "3"])]


def test_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an empty file nor blank lines hold a record."""
    monkeypatch.setattr(csv_records, "_PART", 3)
    assert [records(content) for content in (b"", b"\n\r\n", b"\xef\xbb\xbf", b"\x1a")] == [[]] * 4


def test_cells_may_be_larger_than_python_allows() -> None:
    """A cell of 200 KiB is read, whatever set the limit before."""
    csv.field_size_limit(10)
    assert len(records(b"a\n" + b"x" * 200 * 1024)[1][1][0]) == 200 * 1024


def test_a_cell_may_be_as_large_as_a_request() -> None:
    """The one limit for cells lets a job's cell hold a whole request."""
    assert MOST_CELL == MOST_BYTES


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        (b'a,b\n1,2\n3,"4\n5,6\n', {}, "line 3 opens a quote that is never closed"),
        (b'a,b\n1,2\n"3"x,4\n', {}, "line 3 isn't CSV"),
        (b"a,b\n1,2\n\xe9,4\n", {}, "line 3 isn't utf-8: it has the byte E9"),
        (b"a,b\n1,2\n\x81,4\n", {"encoding": "cp1252"}, "line 3 isn't cp1252: it has the byte 81"),
        ("a,b\n1,2\n".encode("utf-16") + b"\n", {"encoding": "utf-16"}, "line 3 isn't utf-16"),
        (b"a,b\n" + b"x" * (MOST_CELL + 1), {}, "line 2 has a cell of more than 8,388,608 characters"),
        (b"a,b\n" + b"x" * (3 * MOST_CELL), {}, "line 2 has more than 16,777,216 characters"),
        (b"a,b\n" + b'x","\n' * (MOST_CELL // 2), {}, "belongs to a record of more than 16,777,216 characters"),
    ],
    ids=["open quote", "text after a quote", "utf-8", "cp1252", "utf-16", "cell", "line", "record"],
)
def test_what_is_not_csv_is_refused_by_its_line(content: bytes, options: dict[str, str], said: str) -> None:
    """The refusal names the line and the fault, and a record is refused before it fills the memory."""
    with pytest.raises(BadCsv, match=re.escape(said)):
        records(content, **options)


@given(
    st.lists(st.lists(st.text("ab\n\r\"',;é€\x1a\u2028\x85", max_size=6), min_size=2, max_size=4), max_size=8),
    st.integers(1, 40),
    st.sampled_from(["utf-8", "utf-16", "utf-8-sig"]),
)
def test_any_records_are_read_as_they_were_written(rows: list[list[str]], size: int, encoding: str) -> None:
    """Quoted cells come back unchanged, wherever the file is cut into parts."""
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_records, "_PART", size)
        found = records(text.getvalue().encode(encoding), encoding=encoding.removesuffix("-sig"))
    assert [cells for _, cells in found] == [row for row in rows if any(cell.strip(" \t\x1a\ufeff") for cell in row)]


@pytest.mark.parametrize(
    ("name", "known"),
    [("utf-8", True), ("CP1252", True), ("utf_16", True), ("hex", False), ("x\0", False), ("", False)],
)
def test_names_of_encodings(name: str, known: bool) -> None:
    """Only encodings of text are known."""
    assert is_encoding(name) is known


def test_no_other_module_reads_csv_or_changes_its_limit() -> None:
    """Python's reader of CSV and Polars' are used in no other module, so that all cells have one limit."""
    uses = re.compile(r"csv\.(reader|DictReader|field_size_limit|Sniffer)\b|\b(read|scan)_csv\(")
    found = [
        str(path.relative_to(ROOT))
        for folder in ("model", "serving", "k8s", "scripts", "loadtest")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.is_file()
        and path.suffix in (".py", "")
        and uses.search(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == ["model/csv_records.py"]
