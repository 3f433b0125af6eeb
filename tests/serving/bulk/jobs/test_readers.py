"""Input of jobs in its three formats."""

from __future__ import annotations

import csv
import json
import threading
import time

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_risk.model.errors import InputError
from customer_risk.serving.bulk.database import database
from customer_risk.serving.bulk.jobs import readers as reading
from customer_risk.serving.bulk.jobs.parquet import ParquetReader, to_parquet
from customer_risk.serving.bulk.jobs.results import pack
from customer_risk.serving.bulk.jobs.types import JobSettings
from customer_risk.serving.errors import BodyTooLarge

SETTINGS = JobSettings()
ROW = {
    "customer_id": "c-1",
    "profile": {"occupation": "STUDENTS"},
    "transactions": [{"amount": 1.5, "created_at": "2024-08-21 10:33:50.5", "completed_at": None}],
    "history_complete": True,
}


def opened(kind: str, parts: list[bytes], settings: JobSettings, **options) -> reading.FileReader:
    """Return a reader of a file; `a`, `b` and three others are features."""
    options = {"known": ("a", "b", "age", "cash_share", "transactions")} | options
    if kind == "csv":
        return reading.CsvReader(lambda: parts, settings, **options)
    return ParquetReader(parts, settings, **options)


def of(kind: str, parts: list[bytes], settings: JobSettings = SETTINGS, **options) -> list[dict]:
    """Return every row of a file, decoded."""
    reader = opened(kind, parts, settings, **options)
    try:
        return [json.loads(line) for read in iter(reader.read, None) for line in read.lines]
    finally:
        reader.close()


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(1, 30), st.booleans())
def test_pieces_together_are_the_upload(parts, size, lines) -> None:
    """The pieces together are the upload, however it is divided."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "PIECE_BYTES", size)
        cutter = reading.Cutter(lines=lines)
        cut = [piece for part in parts for piece in cutter.feed(part)] + list(cutter.end())
    whole = b"".join(parts)
    assert b"".join(cut) == whole
    if lines:
        assert [line for piece in cut for line in reading.lines_of(piece)] == reading.lines_of(whole)
        assert cutter.rows == len(reading.lines_of(whole))


def test_a_line_longer_than_a_piece_stays_whole(monkeypatch) -> None:
    """A line longer than a piece is one piece, and the lines before it are another."""
    monkeypatch.setattr(reading, "PIECE_BYTES", 4)
    cutter = reading.Cutter(lines=True)
    assert [*cutter.feed(b"123456"), *cutter.feed(b"78\n9\n"), *cutter.end()] == [b"12345678\n", b"9\n"]


def test_a_long_line_costs_time_in_proportion(monkeypatch) -> None:
    """The time to cut a line grows in proportion to its length."""
    monkeypatch.setattr(reading, "MOST_BYTES", 2**30)
    part, cutter, began = b"x" * 65_536, reading.Cutter(lines=True), time.process_time()
    for _ in range(1024):
        assert list(cutter.feed(part)) == []
    assert [len(piece) for piece in cutter.end()] == [64 * 2**20]
    assert time.process_time() - began < 5  # 0.05 s on an idle machine; 28 s where it grows with the square


def test_a_line_longer_than_a_request_is_refused_by_its_number() -> None:
    """A line is refused by its number as soon as it is too long, before it is complete."""
    cutter = reading.Cutter(lines=True)
    list(cutter.feed(b"{}\n"))
    for _ in range(128):
        assert list(cutter.feed(b"x" * 65_536)) == []
    with pytest.raises(BodyTooLarge, match="Line 2 has more than 8,388,608 bytes"):
        list(cutter.feed(b"x"))


def test_an_upload_of_too_many_lines_is_refused() -> None:
    """Blank lines count towards the bound on lines."""
    cutter = reading.Cutter(lines=True, most_rows=3)
    list(cutter.feed(b"\n\n\n"))
    with pytest.raises(BodyTooLarge, match="more than 3 lines"):
        list(cutter.feed(b"\n"))


def test_a_piece_has_at_most_500_rows() -> None:
    """A piece has at most 500 rows, however short its lines are."""
    cutter = reading.Cutter(lines=True)
    cut = [*cutter.feed(b"{}\n" * 1200), *cutter.end()]
    assert [len(reading.lines_of(piece)) for piece in cut] == [500, 500, 200]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_reopened_file_continues_at_its_position(tmp_path, kind) -> None:
    """A file that is reopened at any returned position yields the rest of its rows."""
    if kind == "csv":
        parts = [b'customer_id,a\n"c\n', b'0",1\r\n\n', *(b"c-%d,2\n" % i for i in range(1200))]
    else:
        parts = parquet(tmp_path, "SELECT 'c-' || range AS customer_id, 1 AS a FROM range(1200)")
    whole, seen = of(kind, parts), []
    reader = opened(kind, parts, SETTINGS)
    for read in iter(reader.read, None):
        seen += read.lines
        assert of(kind, parts, at=read.at, rows=len(whole)) == whole[len(seen) :]
    assert [json.loads(line) for line in seen] == whole


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_of_too_many_rows_is_refused_before_any_is_read(tmp_path, kind) -> None:
    """The error for too many rows names the setting, and no row is returned before it."""
    parts = [b"customer_id,a\n" + b"c,1\n" * 11]
    if kind == "parquet":
        parts = parquet(tmp_path, "SELECT 'c' AS customer_id, 1 AS a FROM range(11)")
    reader = opened(kind, parts, JobSettings(most_rows=10))
    with pytest.raises(BodyTooLarge, match=r"jobs\.most_rows is 10"):
        reader.read()


def test_parquet_that_becomes_too_large_is_refused_before_any_is_read(tmp_path) -> None:
    """Parquet is refused by the uncompressed sizes in its own metadata, before a row is read."""
    parts = parquet(tmp_path, "SELECT 'c' AS customer_id, uuid() AS a FROM range(1000)")
    reader = opened("parquet", parts, JobSettings(most_read_bytes=1000))
    with pytest.raises(BodyTooLarge, match=r"jobs\.most_read_bytes"):
        reader.read()


def test_parquet_that_needs_too_much_memory_raises_memory_error(tmp_path) -> None:
    """Reading a small Parquet file whose cells decompress to gigabytes raises MemoryError."""
    query = "SELECT 'c' AS customer_id, repeat('x', 60000000) AS a, repeat('y', 60000000) AS b"
    reader = opened(
        "parquet", parquet(tmp_path, query), JobSettings(most_memory_bytes=64 * 2**20, most_read_bytes=2**40)
    )
    with pytest.raises(MemoryError):
        list(iter(reader.read, None))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_reading_can_be_interrupted(tmp_path, kind) -> None:
    """Another thread can interrupt reading even before the first row was read."""
    if kind == "csv":
        parts = [b"customer_id,a\n", *([b"c,1\n" * 200_000] * 20)]
        settings = JobSettings(most_rows=2**40)
    else:
        # A row that unpacks a list of 15 million numbers.
        parts = parquet(tmp_path, "SELECT 'c' AS customer_id, range(15000000) AS a")
        settings = JobSettings(most_read_bytes=2**40, most_memory_bytes=2**32)
    reader = opened(kind, parts, settings)
    timer = threading.Timer(0.1, reader.interrupt)
    timer.start()
    began = time.monotonic()
    with pytest.raises(reading.Interrupted):
        list(iter(reader.read, None))
    timer.join()
    assert time.monotonic() - began < 60  # 0.3 s on an idle machine


def test_a_callers_parquet_reads_no_other_file(tmp_path) -> None:
    """The database that reads a caller's Parquet can read files only in that Parquet's own folder."""
    (tmp_path / "only").mkdir()
    other = tmp_path / "other.csv"
    other.write_text("a\n1\n")
    with database(only=tmp_path / "only") as base:
        for statement in (f"FROM '{other}'", "SET enable_external_access = true", "INSTALL httpfs"):
            with pytest.raises(duckdb.Error):
                base.execute(statement)


def test_csv_gives_a_feature_a_column() -> None:
    """Each feature has a column; an empty cell is missing, and the parser refuses other texts by name."""
    text = "\ufeffcustomer_id,age,cash_share\r\nc-1,30,\r\nc-2,x, 0.5 \r\n".encode()
    assert of("csv", [text[:9], text[9:]]) == [
        {"customer_id": "c-1", "features": {"age": 30.0, "cash_share": None}},
        {"customer_id": "c-2", "features": {"age": "x", "cash_share": 0.5}},
    ]


def test_csv_may_hold_whole_requests() -> None:
    """A column `request` has whole requests, which may have several lines."""
    assert of("csv", [b'request\n"{""customer_id"":\n""c""}"\n']) == [{"customer_id": "c"}]


@pytest.mark.parametrize("row", ["c,1,2", "c"])
def test_a_csv_row_of_another_length_than_the_header_is_refused(row) -> None:
    """A row with more or fewer cells than the header is refused by its line."""
    with pytest.raises(InputError, match="line 3"):
        of("csv", [f"customer_id,a\nb,1\n{row}\n".encode()])


@pytest.mark.parametrize("text", [b"", b"a,b\n1,2\n", b"customer_id,a\n\xff,1\n", b"customer_id,c\n1,2\n"])
def test_invalid_csv_is_refused(text) -> None:
    """A missing or unknown header, bytes that are not text, and files without a known column are refused."""
    with pytest.raises(InputError):
        of("csv", [text])


@pytest.mark.parametrize(("separator", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")])
@pytest.mark.parametrize("header", ["customer_id{}a{}b", '"customer_id"{}"a"', "a{} Customer_id{}request"])
def test_csv_of_another_separator_is_refused_by_its_name(separator, name, header) -> None:
    """The refusal names the separator, whether the header's names are quoted or not."""
    text = header.replace("{}", separator) + "\r\nc-1" + separator + "1\r\n"
    with pytest.raises(InputError, match=f"separated by {name}; write it with commas"):
        of("csv", [text.encode()])


@pytest.mark.parametrize("end", [b"\x1a", b"\r\n\x1a", b"\r\n\x1a\r\n", b"\r\n\r\n  \r\n", b"\n\n\n", b"\r\n \t\x1a"])
def test_csv_may_end_in_blank_lines_and_ctrl_z(end) -> None:
    """Blank lines and Ctrl-Z at the end, which DOS programs and spreadsheets write, add no row."""
    assert of("csv", [b"customer_id,a\r\nc-1,1\r\nc-2,2" + end]) == [
        {"customer_id": "c-1", "features": {"a": 1}},
        {"customer_id": "c-2", "features": {"a": 2}},
    ]


@pytest.mark.parametrize("end", [b"\x1a", b"\r\n\x1a", b"\r\n\x1a\r\n", b"\r\n\r\n  \r\n", b"\n\n\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n"])
def test_ndjson_may_begin_with_a_mark_and_end_in_blank_lines_and_ctrl_z(mark, end) -> None:
    """The lines and their number are those of the file without them."""
    upload = mark + b'{"a":1}\r\n{"a":2}' + end
    cutter = reading.Cutter(lines=True)
    pieces = [*cutter.feed(upload[:2]), *cutter.feed(upload[2:]), *cutter.end()]
    assert [line for piece in pieces for line in reading.lines_of(piece)] == [b'{"a":1}', b'{"a":2}']
    assert cutter.rows == 2


def test_a_csv_cell_may_have_more_than_128_kib() -> None:
    """The limit of Python's csv is lifted to a request's, also if something else in the process has set it."""
    csv.field_size_limit(1000)
    request = json.dumps({"customer_id": "c", "remark": "x" * 500_000})
    assert of("csv", [b'request\n"%b"\n' % request.replace('"', '""').encode()]) == [json.loads(request)]


def test_csv_ignores_other_columns_and_lists_them() -> None:
    """Ignored columns are listed with the name that may be meant; beside whole requests, all others are ignored."""
    reader = opened("csv", [b"customer_id,a,Cash Share,remark\nc,1,2,3\n"], SETTINGS)
    read = reader.read()
    assert json.loads(read.lines[0]) == {"customer_id": "c", "features": {"a": 1}}
    assert read.ignored == ("Cash Share (is cash_share meant?)", "remark")
    reader = opened("csv", [b'request,a\n"{}",1\n'], SETTINGS)
    reader.read()
    assert reader.ignored == ("a",)


def test_csv_may_say_that_a_history_is_incomplete() -> None:
    """A column history_complete is read as true or false; any other text is left for the parser to refuse."""
    rows = of("csv", [b"customer_id,a,history_complete\nc,1,FALSE\nc,1, true\nc,1,\nc,1,maybe\n"])
    assert [row.get("history_complete") for row in rows] == [False, True, None, "maybe"]
    assert ["history_complete" in row for row in rows] == [True, True, False, True]


def test_ignored_columns_may_share_a_name() -> None:
    """Ignored columns may share a name, such as the empty names that spreadsheets write after the last column."""
    assert of("csv", [b"customer_id,a,,,\nc,1,,,\n"]) == [{"customer_id": "c", "features": {"a": 1}}]
    for header in ("customer_id,a,a", "customer_id,customer_id,a", "request,request"):
        with pytest.raises(InputError, match="has two columns"):
            of("csv", [f"{header}\n1,2,3\n".encode()])


def test_an_empty_customer_id_is_missing_in_csv() -> None:
    """An empty cell is null; a cell of blanks is an id."""
    rows = of("csv", [b"customer_id,a\n,1\n  ,1\n"])
    assert [row["customer_id"] for row in rows] == [None, "  "]


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("customerId,a", "rename 'customerId' to customer_id"),
        ("Request", "rename 'Request' to request"),
        ("customer_id,A", r"A \(is a meant\?\)"),
        ("x\r" * 3000, "got 'x'"),
        ("y" * 30_000 + ",z", "yyy...', 'z'"),
    ],
)
def test_a_header_without_the_columns_is_refused_with_what_it_has(header, why) -> None:
    """The refusal lists the header's names, each shortened: a damaged header may be a whole file."""
    with pytest.raises(InputError, match=why) as refused:
        of("csv", [f"{header}\n1,2\n".encode()])
    assert len(str(refused.value)) < 1000


def parquet(tmp_path, query: str) -> list[bytes]:
    """Return a query's result as Parquet, as two pieces."""
    path = tmp_path / "x.parquet"
    with duckdb.connect() as base:
        base.sql(query).write_parquet(str(path))
    data = path.read_bytes()
    return [data[:50], data[50:]]


def test_parquet_gives_a_feature_a_column(tmp_path) -> None:
    """Numbers are read exactly, and nulls are missing."""
    made = parquet(tmp_path, "SELECT 'c' AS customer_id, 0.1::DOUBLE AS age, NULL::DOUBLE AS transactions")
    assert of("parquet", made) == [{"customer_id": "c", "features": {"age": 0.1, "transactions": None}}]


def test_parquet_holds_requests_in_nested_columns(tmp_path) -> None:
    """Nested columns are read; times without a zone are UTC."""
    (tmp_path / "rows.ndjson").write_text(json.dumps(ROW))
    with duckdb.connect() as base:
        base.read_json(str(tmp_path / "rows.ndjson")).write_parquet(str(tmp_path / "rows.parquet"))
    made = [(tmp_path / "rows.parquet").read_bytes()]
    (row,) = of("parquet", made)
    assert row["transactions"][0]["created_at"] == "2024-08-21 10:33:50.5Z"
    assert (row["profile"], row["history_complete"]) == (ROW["profile"], True)


def test_parquet_holds_transactions_as_columns(tmp_path) -> None:
    """Transactions may be a struct of lists."""
    made = parquet(
        tmp_path,
        "SELECT 'c' AS customer_id, {'locale': NULL} AS profile,"
        " {'amount': [1.5], 'created_at': [TIMESTAMPTZ '2024-08-21 10:33:50+02']} AS transactions",
    )
    (row,) = of("parquet", made)
    assert row["transactions"] == {"amount": [1.5], "created_at": ["2024-08-21 08:33:50Z"]}


def test_invalid_parquet_is_refused(tmp_path) -> None:
    """Other bytes, and a file without customer_id, are refused."""
    with pytest.raises(InputError, match="Parquet"):
        of("parquet", [b"PAR1 or not"])
    with pytest.raises(InputError, match="customer_id"):
        of("parquet", parquet(tmp_path, "SELECT 1 AS a"))


def test_results_become_parquet(tmp_path) -> None:
    """Results have status, answer and problem, with nulls for missing ones."""
    lines = [b'{"status":200,"answer":{"probability":0.1}}\n', b'{"status":422,"problem":{"title":"t"}}\n']
    to_parquet([pack(lines)], tmp_path / "out.parquet", SETTINGS)
    with duckdb.connect() as base:
        found = base.read_parquet(str(tmp_path / "out.parquet"))
        assert found.project("status, answer.probability, problem.title").fetchall() == [
            (200, 0.1, None),
            (422, None, "t"),
        ]


def test_no_results_become_parquet_without_rows(tmp_path) -> None:
    """The results of a file without rows are Parquet with columns and no rows."""
    to_parquet([], tmp_path / "out.parquet", SETTINGS)
    with duckdb.connect() as base:
        found = base.read_parquet(str(tmp_path / "out.parquet"))
        assert (found.columns, found.fetchall()) == (["status", "answer", "problem", "customer_id"], [])


@pytest.mark.parametrize("name", ["2024-01-01", "12:30:00", "ABCDEF01-2345-6789-ABCD-EF0123456789", "007"])
def test_customer_ids_stay_texts_in_parquet(tmp_path, name) -> None:
    """A customer_id that looks like a date, a time, a UUID or a number stays the text that it is."""
    lines = [json.dumps({"status": 200, "answer": {"customer_id": name}}).encode()]
    to_parquet([pack(lines)], tmp_path / "out.parquet", SETTINGS)
    with duckdb.connect() as base:
        found = base.read_parquet(str(tmp_path / "out.parquet")).project("answer.customer_id").fetchall()
    assert found == [(name,)]
