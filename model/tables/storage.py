"""The one door that tables come in and go out by: a folder now, an object store by the same functions later."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import polars as pl

from customer_risk.model.errors import ColumnMismatch, ConfigError, TableMissing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Format = Literal["csv", "parquet"]
FORMATS: Final[tuple[Format, ...]] = ("csv", "parquet")


@dataclass(frozen=True, slots=True)
class Stored:
    """A table as it lies there: `where` names it in messages; CSV columns are all text, an empty field is null."""

    where: str
    frame: pl.DataFrame


def is_there(folder: Path, name: str) -> bool:
    """Return whether the folder holds the table in any format."""
    return any(True for _ in _found(folder, name))


def fetch(folder: Path, name: str) -> Stored:
    """Read the table `name` (.csv or .parquet).

    Raises TableMissing where it isn't there, is there twice or can't be read, ColumnMismatch where a CSV file has no
    header or rows of unequal length.
    """
    path = _place(folder, name)
    return Stored(str(path), _read(path))


def columns(folder: Path, name: str) -> tuple[str, ...]:
    """Return the names of the columns of a table without reading its rows. Raises as `fetch` does."""
    path = _place(folder, name)
    return tuple(_read(path, rows=0).columns)


def refuse_format(path: Path) -> None:
    """Raise ConfigError where the suffix is no table format."""
    if path.suffix[1:] not in FORMATS:
        raise ConfigError(f"{path} has no table format for a suffix.", remedy="Name a file .csv or .parquet.")


def save(frame: pl.DataFrame, path: Path) -> None:
    """Write the frame by the suffix of `path`, streamed to a temporary sibling that then takes its place.

    Raises ConfigError for another suffix or a folder that can't be written.
    """
    refuse_format(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(frame, path)
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error}.", remedy="Name a place that can be written.") from error


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


def _place(folder: Path, name: str) -> Path:
    if not folder.is_dir():
        raise TableMissing(f"{folder} is not a folder.", remedy="Give the folder that holds the tables.")
    found = list(_found(folder, name))
    if not found:
        others = sorted(path.name for path in folder.iterdir() if path.suffix[1:] in FORMATS)
        raise TableMissing(
            f"{folder} holds neither {name}.csv nor {name}.parquet; it holds {', '.join(others) or 'no table at all'}.",
            remedy="Put the table there, or name its file in a mapping (--mapping).",
        )
    if len(found) > 1:
        raise TableMissing(
            f"{folder} holds both {found[0].name} and {found[1].name}.", remedy="Keep the one that is meant."
        )
    return found[0]


def _read(path: Path, rows: int | None = None) -> pl.DataFrame:
    whole = path.absolute()  # Polars would take `~` at the beginning for a home folder
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(whole, n_rows=rows, glob=False, hive_partitioning=False)
        return pl.read_csv(whole, infer_schema=False, n_rows=rows, glob=False)
    except pl.exceptions.NoDataError as error:
        raise ColumnMismatch(f"{path} is empty: it has no header.", remedy="Write the column names first.") from error
    except pl.exceptions.PolarsError as error:
        raise TableMissing(
            f"{path} can't be read as {path.suffix[1:]}: {_first_line(error)}.",
            remedy="Write the file again: whole, in UTF-8, each row with as many fields as the header.",
        ) from error
    except OSError as error:
        raise TableMissing(f"{path} can't be read: {error}.", remedy="Check the file and its permissions.") from error


def _found(folder: Path, name: str) -> Iterator[Path]:
    return (path for path in (folder / f"{name}.{suffix}" for suffix in FORMATS) if path.is_file())


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
