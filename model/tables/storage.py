"""Reads and writes tables in a folder, as CSV or Parquet."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import polars as pl

from customer_risk.model.errors import ConfigError, TableMissing
from customer_risk.model.escaping import MOST_SAID, list_names, shortened
from customer_risk.model.tables.csv_file import MALFORMED, read_csv_table
from customer_risk.model.tables.csv_form import CsvForm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Format = Literal["csv", "parquet"]
FORMATS: Final[tuple[Format, ...]] = ("csv", "parquet")


@dataclass(frozen=True, slots=True)
class Stored:
    """A table as stored. All columns of a CSV file are text; an empty field is null.

    where      its file, for messages
    rows       the number of each row of `frame` in the file; the first is 1
    malformed  records of a CSV file with more or fewer fields than the header: `row` is their number, `value` a text
    form       the form of a CSV file
    """

    where: str
    frame: pl.DataFrame
    rows: pl.Series
    malformed: pl.DataFrame = field(default_factory=MALFORMED.to_frame)
    form: CsvForm | None = None


def is_there(folder: Path, name: str) -> bool:
    """Return whether the folder has the table in any format."""
    return any(True for _ in _found(folder, name))


def fetch(folder: Path, name: str, form: CsvForm | None = None) -> Stored:
    """Read the table `name` (.csv, written in `form`, or .parquet).

    Raises TableMissing if the folder has no such table or has it twice, or if it can't be read; ColumnMismatch if a CSV
    file has no header or a column twice.
    """
    path = find(folder, name)
    if path.suffix == ".parquet":
        frame = _read_parquet(path)
        return Stored(str(path), frame, pl.int_range(1, frame.height + 1, dtype=pl.UInt32, eager=True).alias("row"))
    form = form or CsvForm()
    table = read_csv_table(path, form)
    return Stored(str(path), table.frame, table.rows, table.malformed, form)


def columns(folder: Path, name: str, form: CsvForm | None = None) -> tuple[str, ...]:
    """Return the names of the columns of a table without reading its rows. Raises as `fetch` does."""
    path = find(folder, name)
    if path.suffix == ".parquet":
        return tuple(_read_parquet(path, rows=0).columns)
    return tuple(read_csv_table(path, form or CsvForm(), rows=False).frame.columns)


def refuse_format(path: Path) -> None:
    """Raise ConfigError if the suffix is neither .csv nor .parquet."""
    if path.suffix[1:] not in FORMATS:
        raise ConfigError(f"{path} ends in neither .csv nor .parquet.", remedy="Name a .csv or .parquet file.")


def save(frame: pl.DataFrame, path: Path) -> None:
    """Write the frame in the format of the suffix of `path`, to a temporary file that then replaces `path`.

    Raises ConfigError for another suffix or a folder that can't be written.
    """
    refuse_format(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(frame, path)
    except OSError as error:
        raise ConfigError(
            f"{path} can't be written: {error}.", remedy="Name a folder that can be written to."
        ) from error


def _replace(frame: pl.DataFrame, path: Path) -> None:
    partial = path.absolute().with_name(f".{path.name}.{secrets.token_hex(6)}.partial")
    try:
        if path.suffix == ".csv":
            frame.lazy().sink_csv(partial)
        else:
            frame.lazy().sink_parquet(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def find(folder: Path, name: str) -> Path:
    """Return the file of the table `name`. Raises TableMissing if the folder has no such table or has it twice."""
    if not folder.is_dir():
        raise TableMissing(f"{folder} is not a folder.", remedy="Name the folder that has the tables.")
    found = list(_found(folder, name))
    if not found:
        others = sorted(path.name for path in folder.iterdir() if path.suffix[1:].lower() in FORMATS)
        raise TableMissing(
            f"{folder} has neither {name}.csv nor {name}.parquet; "
            + (f"its tables are {list_names(others)}." if others else "it has no tables."),
            remedy="Put the table there, or name its file in a mapping (--mapping).",
        )
    if len(found) > 1:
        raise TableMissing(
            f"{folder} has both {found[0].name} and {found[1].name}.", remedy="Remove one of the two files."
        )
    return found[0]


def _read_parquet(path: Path, rows: int | None = None) -> pl.DataFrame:
    whole = path.absolute()  # Polars would read a `~` at the beginning as the home folder
    try:
        return pl.read_parquet(whole, n_rows=rows, glob=False, hive_partitioning=False)
    # Polars panics on some damaged files instead of raising its own errors.
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise TableMissing(
            f"{path} can't be read as parquet: {_first_line(error)}.", remedy="Export the complete file again."
        ) from error
    except OSError as error:
        raise TableMissing(f"{path} can't be read: {error}.", remedy="Check the file and its permissions.") from error


def _found(folder: Path, name: str) -> Iterator[Path]:
    return (path for path in (folder / f"{name}.{suffix}" for suffix in FORMATS) if path.is_file())


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return shortened(lines[0], MOST_SAID).rstrip(".") if lines else type(error).__name__
