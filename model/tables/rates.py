"""Reads a bank's exchange rates by day: CSV with the columns day, currency and eur_per_unit."""

from __future__ import annotations

import hashlib
import io
import math
import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import msgspec
import polars as pl

from customer_risk.model.csv_records import BadCsv, read_records
from customer_risk.model.errors import ConfigError
from customer_risk.model.escaping import shortened
from customer_risk.model.files import read_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COLUMNS: Final = ("day", "currency", "eur_per_unit")
MOST_DAYS: Final = 7  # weekends and the longest runs of bank holidays
_SCHEMA: Final = {"currency": pl.String, "rate_day": pl.Date, "rate": pl.Float64}
_MOST_BYTES: Final = 16 * 1024 * 1024  # thirty years of forty currencies are 10 MB
_CODE: Final = re.compile(r"[A-Z]{3}")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_SHOWN: Final = 40  # characters of a value in a message
_REMEDY: Final = (
    "Write one line for each day and currency: 2024-08-26,USD,0.8953 says that 1 USD was worth 0.8953 EUR. "
    "The ECB publishes the inverse, USD for 1 EUR: write 1 divided by it."
)


class RatesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The file of exchange rates.

    file       path of the CSV file, relative to the mapping's folder
    most_days  maximum age in days of a rate that is used for a day without a rate, such as a Sunday
    """

    file: str
    most_days: Annotated[int, msgspec.Meta(ge=0, le=31)] = MOST_DAYS


@dataclass(frozen=True, slots=True)
class Rates:
    """Exchange rates: `frame` has one row (currency, rate_day, rate in EUR per unit) for each day and currency."""

    where: str
    sha256: str
    most_days: int
    frame: pl.DataFrame


def read_rates(path: Path, most_days: int) -> Rates:
    """Read a file of rates of at most 16 MiB: CSV in UTF-8, separated by commas.

    Raises ConfigError naming the file, the line and the column if a column is missing, a day isn't a date, a currency
    is EUR or isn't a code of three capital letters, a rate isn't a positive number, or a day has two rates of a
    currency.
    """
    rows: dict[tuple[str, date], float] = {}
    try:
        content = read_file(path, most=_MOST_BYTES)
        lines = list(_lines(path, content))
    except (OSError, BadCsv) as error:
        raise ConfigError(f"{path} can't be read as rates: {error}.", remedy=_REMEDY) from error
    for line, cells in lines:
        day, currency, rate = _day(path, line, cells[0]), _currency(path, line, cells[1]), _rate(path, line, cells[2])
        if (currency, day) in rows:
            _refuse(path, line, "currency", f"{currency} already has a rate for {day}")
        rows[currency, day] = rate
    if not rows:
        raise ConfigError(f"{path} has no rate.", remedy=_REMEDY)
    columns = zip(*((currency, day, rate) for (currency, day), rate in rows.items()), strict=True)
    frame = pl.DataFrame(dict(zip(_SCHEMA, map(list, columns), strict=True)), schema=_SCHEMA)
    return Rates(str(path), hashlib.sha256(content).hexdigest(), most_days, frame.sort("rate_day", "currency"))


def _lines(path: Path, content: bytes) -> Iterator[tuple[int, list[str]]]:
    """Yield the line of each record after the header, and its cells in the order of COLUMNS."""
    records = read_records(io.BytesIO(content))
    first, names = next(records, (1, []))
    header = [name.strip() for name in names]
    if missing := [name for name in COLUMNS if name not in header]:
        found = ", ".join(header)
        problem = f"{path}, line {first}: {', '.join(missing)} is missing; the columns are {found[:_SHOWN] or 'none'}"
        raise ConfigError(f"{problem}.", remedy=f"Name the columns {','.join(COLUMNS)}. {_REMEDY}")
    if twice := [name for name in COLUMNS if header.count(name) > 1]:
        _refuse(path, first, twice[0], "two columns have this name")
    places = [header.index(name) for name in COLUMNS]
    for line, cells in records:
        if len(cells) != len(header):
            _refuse(path, line, "", f"{len(cells)} cells, but the header has {len(header)}")
        yield line, [cells[place].strip() for place in places]


def _day(path: Path, line: int, cell: str) -> date:
    try:
        day = date.fromisoformat(cell) if _DAY.fullmatch(cell) else None
    except ValueError:
        day = None
    return day or _refuse(path, line, "day", f"{shortened(cell, _SHOWN)!r} is not a date such as 2024-08-26")


def _currency(path: Path, line: int, cell: str) -> str:
    if not _CODE.fullmatch(cell):
        _refuse(
            path, line, "currency", f"{shortened(cell, _SHOWN)!r} is not a code of three capital letters, such as USD"
        )
    if cell == "EUR":
        _refuse(path, line, "currency", "EUR needs no rate")
    return cell


def _rate(path: Path, line: int, cell: str) -> float:
    rate = float(cell) if _NUMBER.fullmatch(cell) else math.nan
    if not 0 < rate < math.inf:
        _refuse(path, line, "eur_per_unit", f"{shortened(cell, _SHOWN)!r} is not a number above 0, such as 0.8953")
    return rate


def _refuse(path: Path, line: int, column: str, problem: str) -> NoReturn:
    raise ConfigError(f"{path}, line {line}{column and ', '}{column}: {problem}.", remedy=_REMEDY)
