"""The door that tables come in and go out by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest

from customer_risk.model.errors import ColumnMismatch, ConfigError, TableMissing
from customer_risk.model.tables.storage import columns, fetch, is_there, save

if TYPE_CHECKING:
    from pathlib import Path

FRAME = pl.DataFrame({"a": ["1", None], "b": ["x", "y"]})


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_what_was_saved_is_fetched(tmp_path: Path, suffix: str) -> None:
    """Both formats give back what went in, an empty CSV field being null."""
    save(FRAME, tmp_path / f"t.{suffix}")
    assert fetch(tmp_path, "t").frame.equals(FRAME)
    assert columns(tmp_path, "t") == ("a", "b")


def test_csv_stays_text(tmp_path: Path) -> None:
    """Reading guesses no types: 007 keeps its zeros."""
    (tmp_path / "t.csv").write_text("a\n007\n")
    assert fetch(tmp_path, "t").frame["a"].to_list() == ["007"]


def test_no_folder(tmp_path: Path) -> None:
    """A folder that isn't there is named."""
    with pytest.raises(TableMissing, match=r"nowhere is not a folder"):
        fetch(tmp_path / "nowhere", "t")


def test_a_missing_table_says_what_is_there(tmp_path: Path) -> None:
    """The message lists the tables that the folder does hold."""
    save(FRAME, tmp_path / "other.csv")
    with pytest.raises(TableMissing, match=r"neither t\.csv nor t\.parquet; it holds other\.csv"):
        fetch(tmp_path, "t")
    assert not is_there(tmp_path, "t")


def test_a_suffix_in_capitals_is_shown(tmp_path: Path) -> None:
    """A file whose suffix is in capitals isn't the table, but the message lists it."""
    (tmp_path / "t.CSV").write_text("a\n1\n")
    with pytest.raises(TableMissing, match=r"neither t\.csv nor t\.parquet; it holds t\.CSV"):
        fetch(tmp_path, "t")


def test_a_table_in_both_formats_is_ambiguous(tmp_path: Path) -> None:
    """Nobody guesses which of two files is meant."""
    save(FRAME, tmp_path / "t.csv")
    save(FRAME, tmp_path / "t.parquet")
    with pytest.raises(TableMissing, match=r"both t\.csv and t\.parquet"):
        fetch(tmp_path, "t")


def test_an_empty_file_has_no_header(tmp_path: Path) -> None:
    """A file of no bytes is told apart from a table of no rows."""
    (tmp_path / "t.csv").touch()
    with pytest.raises(ColumnMismatch, match=r"it has no header"):
        fetch(tmp_path, "t")


@pytest.mark.parametrize(("name", "content"), [("t.parquet", b"not parquet"), ("t.csv", b'a,b\n1,"2\n')])
def test_a_spoilt_file(tmp_path: Path, name: str, content: bytes) -> None:
    """A file that isn't what its suffix says is one clear message."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TableMissing, match=r"can't be read as"):
        fetch(tmp_path, "t")


def test_bytes_that_are_no_utf8(tmp_path: Path) -> None:
    """Another encoding is one clear message."""
    (tmp_path / "t.csv").write_bytes(b"a,b\n\xff\xfe\xfd,2\n")
    with pytest.raises(TableMissing, match=r"can't be read as csv.*UTF-8"):
        fetch(tmp_path, "t")


def test_a_directory_in_the_tables_place(tmp_path: Path) -> None:
    """A folder named like the table is no table."""
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(TableMissing, match=r"holds neither"):
        fetch(tmp_path, "t")


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    """Only formats that can be read back are written."""
    with pytest.raises(ConfigError, match=r"\.csv or \.parquet"):
        save(FRAME, tmp_path / "t.xlsx")


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    """A file where a folder should be is one clear message, and nothing is left beside it."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"can't be written"):
        save(FRAME, tmp_path / "file" / "t.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_failing_write_leaves_the_old_file(tmp_path: Path) -> None:
    """Output appears whole or not at all."""
    save(FRAME, tmp_path / "t.csv")
    with pytest.raises(pl.exceptions.PolarsError):
        save(pl.DataFrame({"a": [[1]]}), tmp_path / "t.csv")  # CSV has no lists
    assert fetch(tmp_path, "t").frame.equals(FRAME)
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
