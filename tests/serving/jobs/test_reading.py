"""Input of jobs, in its three forms."""

from __future__ import annotations

import json

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import InputError
from serving.jobs import reading
from serving.jobs.packing import pack
from serving.jobs.types import JobSettings

SETTINGS = JobSettings()
ROW = {
    "customer_id": "c-1",
    "profile": {"occupation": "STUDENTS"},
    "transactions": [{"amount": 1.5, "created_at": "2024-08-21 10:33:50.5", "completed_at": None}],
    "history_complete": True,
}


def of(kind: str, parts: list[bytes], settings: JobSettings = SETTINGS, **options) -> list[dict]:
    """Every row of a file, decoded."""
    if kind == "csv":
        reader = reading.CsvReader(lambda: parts, settings, **options)
    else:
        reader = reading.ParquetReader(parts, settings, **options)
    try:
        return [json.loads(line) for read in iter(reader.read, None) for line in read.lines]
    finally:
        reader.close()


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(1, 30), st.booleans())
def test_pieces_together_are_the_upload(parts, size, lines) -> None:
    """However it arrives, and wherever it is cut."""
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
    """It is a piece of its own, with what was before it."""
    monkeypatch.setattr(reading, "PIECE_BYTES", 4)
    cutter = reading.Cutter(lines=True)
    assert [*cutter.feed(b"123456"), *cutter.feed(b"78\n9\n"), *cutter.end()] == [b"12345678\n", b"9\n"]


def test_csv_gives_a_feature_a_column() -> None:
    """An empty cell is missing, and one that is no number is left for the request's reader to refuse by name."""
    text = "\ufeffcustomer_id,age,cash_share\r\nc-1,30,\r\nc-2,x, 0.5 \r\n".encode()
    assert of("csv", [text[:9], text[9:]]) == [
        {"customer_id": "c-1", "features": {"age": 30.0, "cash_share": None}},
        {"customer_id": "c-2", "features": {"age": "x", "cash_share": 0.5}},
    ]


def test_csv_may_hold_whole_requests() -> None:
    """In a column `request`, even over several lines."""
    assert of("csv", [b'request\n"{""customer_id"":\n""c""}"\n']) == [{"customer_id": "c"}]


@pytest.mark.parametrize("row", ["c,1,2", "c"])
def test_a_csv_row_of_another_length_than_the_header_is_refused(row) -> None:
    """Whose cell is whose can't be known; the line is named."""
    with pytest.raises(InputError, match="line 3"):
        of("csv", [f"customer_id,a\nb,1\n{row}\n".encode()])


@pytest.mark.parametrize("text", [b"", b"a,b\n1,2\n", b"customer_id\n\xff\n"])
def test_what_isnt_such_csv_is_refused(text) -> None:
    """No header, another header, or bytes that aren't text."""
    with pytest.raises(InputError):
        of("csv", [text])


def parquet(tmp_path, query: str) -> list[bytes]:
    """What a query gives, as Parquet in two pieces."""
    path = tmp_path / "x.parquet"
    with duckdb.connect() as base:
        base.sql(query).write_parquet(str(path))
    data = path.read_bytes()
    return [data[:50], data[50:]]


def test_parquet_gives_a_feature_a_column(tmp_path) -> None:
    """Numbers to the bit, nulls as missing."""
    made = parquet(tmp_path, "SELECT 'c' AS customer_id, 0.1::DOUBLE AS age, NULL::DOUBLE AS transactions")
    assert of("parquet", made) == [{"customer_id": "c", "features": {"age": 0.1, "transactions": None}}]


def test_parquet_holds_requests_in_nested_columns(tmp_path) -> None:
    """Times without a zone are UTC."""
    (tmp_path / "rows.ndjson").write_text(json.dumps(ROW))
    with duckdb.connect() as base:
        base.read_json(str(tmp_path / "rows.ndjson")).write_parquet(str(tmp_path / "rows.parquet"))
    made = [(tmp_path / "rows.parquet").read_bytes()]
    (row,) = of("parquet", made)
    assert row["transactions"][0]["created_at"] == "2024-08-21 10:33:50.5Z"
    assert (row["profile"], row["history_complete"]) == (ROW["profile"], True)


def test_parquet_holds_transactions_as_columns(tmp_path) -> None:
    """A list each."""
    made = parquet(
        tmp_path,
        "SELECT 'c' AS customer_id, {'locale': NULL} AS profile,"
        " {'amount': [1.5], 'created_at': [TIMESTAMPTZ '2024-08-21 10:33:50+02']} AS transactions",
    )
    (row,) = of("parquet", made)
    assert row["transactions"] == {"amount": [1.5], "created_at": ["2024-08-21 08:33:50Z"]}


def test_what_isnt_such_parquet_is_refused(tmp_path) -> None:
    """Other bytes, or no customer_id."""
    with pytest.raises(InputError, match="Parquet"):
        of("parquet", [b"PAR1 or not"])
    with pytest.raises(InputError, match="customer_id"):
        of("parquet", parquet(tmp_path, "SELECT 1 AS a"))


def test_results_become_parquet(tmp_path) -> None:
    """Status, answer and problem, with nulls where there is none."""
    lines = [b'{"status":200,"answer":{"probability":0.1}}\n', b'{"status":422,"problem":{"title":"t"}}\n']
    reading.to_parquet([pack(lines)], tmp_path / "out.parquet", SETTINGS)
    with duckdb.connect() as base:
        found = base.read_parquet(str(tmp_path / "out.parquet"))
        assert found.project("status, answer.probability, problem.title").fetchall() == [
            (200, 0.1, None),
            (422, None, "t"),
        ]


@pytest.mark.parametrize("name", ["2024-01-01", "12:30:00", "ABCDEF01-2345-6789-ABCD-EF0123456789", "007"])
def test_customers_keep_their_names_in_parquet(tmp_path, name) -> None:
    """A customer_id that looks like a date, a time, a UUID or a number stays the text that it is."""
    lines = [json.dumps({"status": 200, "answer": {"customer_id": name}}).encode()]
    reading.to_parquet([pack(lines)], tmp_path / "out.parquet", SETTINGS)
    with duckdb.connect() as base:
        found = base.read_parquet(str(tmp_path / "out.parquet")).project("answer.customer_id").fetchall()
    assert found == [(name,)]
