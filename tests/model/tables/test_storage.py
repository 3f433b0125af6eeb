"""Reading and writing of files."""

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
def test_a_saved_table_is_read_again(tmp_path: Path, suffix: str) -> None:
    """A saved table is read again, in both formats."""
    save(FRAME, tmp_path / f"t.{suffix}")
    assert fetch(tmp_path, "t").frame.equals(FRAME)
    assert columns(tmp_path, "t") == ("a", "b")


def test_csv_stays_text(tmp_path: Path) -> None:
    """CSV is read as text: 007 keeps its zeros."""
    (tmp_path / "t.csv").write_text("a\n007\n")
    assert fetch(tmp_path, "t").frame["a"].to_list() == ["007"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """A missing folder is named."""
    with pytest.raises(TableMissing, match=r"nowhere is not a folder"):
        fetch(tmp_path / "nowhere", "t")


@pytest.mark.parametrize("name", ["other.csv", "t.CSV"])
def test_the_message_about_a_missing_table_lists_the_others(tmp_path: Path, name: str) -> None:
    """The message lists the folder's tables, also those with a suffix in capitals."""
    (tmp_path / name).write_text("a\n1\n")
    with pytest.raises(TableMissing, match=rf"neither t\.csv nor t\.parquet; its tables are {name}"):
        fetch(tmp_path, "t")
    assert not is_there(tmp_path, "t")


def test_a_folder_without_tables_is_said_to_have_none(tmp_path: Path) -> None:
    """The message doesn't list other files."""
    (tmp_path / "notes.txt").touch()
    with pytest.raises(TableMissing, match=r"neither t\.csv nor t\.parquet; it has no tables\. Put"):
        fetch(tmp_path, "t")


def test_a_table_in_both_formats_is_ambiguous(tmp_path: Path) -> None:
    """A table in both formats is refused."""
    save(FRAME, tmp_path / "t.csv")
    save(FRAME, tmp_path / "t.parquet")
    with pytest.raises(TableMissing, match=r"both t\.csv and t\.parquet"):
        fetch(tmp_path, "t")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    """An empty file is refused because it has no header."""
    (tmp_path / "t.csv").touch()
    with pytest.raises(ColumnMismatch, match=r"it has no header"):
        fetch(tmp_path, "t")


@pytest.mark.parametrize(
    ("name", "content"), [("t.parquet", b"not parquet"), ("t.csv", b'a,b\n1,"2\n'), ("t.csv", b"a,b\n\xff\xfe\xfd,2\n")]
)
def test_a_damaged_file_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    """A file that isn't in the format of its suffix, or isn't UTF-8, is refused."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TableMissing, match=rf"can't be read as {name.split('.')[1]}"):
        fetch(tmp_path, "t")


def test_a_folder_is_not_a_table(tmp_path: Path) -> None:
    """A folder with the name of a table is not a table."""
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(TableMissing, match=r"has neither"):
        fetch(tmp_path, "t")


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    """Other suffixes are refused."""
    with pytest.raises(ConfigError, match=r"\.csv or \.parquet"):
        save(FRAME, tmp_path / "t.xlsx")


def test_a_path_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """A path that can't be written is refused, and no file is left."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"can't be written"):
        save(FRAME, tmp_path / "file" / "t.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    """A write that fails keeps the old file."""
    save(FRAME, tmp_path / "t.csv")
    with pytest.raises(pl.exceptions.PolarsError):
        save(pl.DataFrame({"a": [[1]]}), tmp_path / "t.csv")  # CSV has no lists
    assert fetch(tmp_path, "t").frame.equals(FRAME)
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
