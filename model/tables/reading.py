"""Reads tables with canonical column names and types; a value that can't be read is null, and recorded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NoReturn

import polars as pl

from customer_risk.model.errors import ColumnMismatch, ConfigError, EmptyTable
from customer_risk.model.escaping import list_names
from customer_risk.model.names import list_with_meant
from customer_risk.model.tables.checks import FIELD_COUNT
from customer_risk.model.tables.conversion import Conversion, convert
from customer_risk.model.tables.csv_form import in_our_form
from customer_risk.model.tables.dialect import advising
from customer_risk.model.tables.mapping import COHORTS, KINDS, CohortName, Mapping, columns_of, schema_of
from customer_risk.model.tables.parsing import UTC, read_dates, read_flags, read_numbers, read_times
from customer_risk.model.tables.storage import columns, fetch, find, is_there

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from customer_risk.model.tables.checks import Kind
    from customer_risk.model.tables.storage import Stored

_READERS: Final = {UTC: read_times, pl.Float64(): read_numbers, pl.Boolean(): read_flags, pl.Date(): read_dates}


@dataclass(frozen=True, slots=True)
class Table:
    """One table as read.

    where       its file, for messages
    frame       all canonical columns, `row` (from 1) and `repeat` (whether an earlier row equals this one)
    unreadable  row, column and value of each value that couldn't be read as the column's type
    malformed   row and value of the records of a CSV file with more or fewer fields than the header; not in `frame`
    absent      canonical columns that the file lacks
    constant    canonical columns that the mapping filled in
    extra       the file's columns without a canonical column
    """

    kind: Kind
    cohort: CohortName
    where: str
    frame: pl.DataFrame
    unreadable: pl.DataFrame
    malformed: pl.DataFrame
    absent: tuple[str, ...]
    constant: tuple[str, ...]
    extra: tuple[str, ...]

    @property
    def rows(self) -> int:
        """The number of rows of the file, malformed ones included."""
        return self.frame.height + self.malformed.height


@dataclass(frozen=True, slots=True)
class CohortTables:
    """One cohort's two tables.

    others      ids of the other cohort's customers; None if the folder lacks its users
    conversion  the rows of the transactions file in other currencies; `transactions` has them in EUR if there is a rate
    """

    users: Table
    transactions: Table
    others: pl.Series | None
    conversion: Conversion


def read_cohort(folder: Path, cohort: CohortName, mapping: Mapping | None = None) -> CohortTables:
    """Read one cohort's tables, and the other cohort's customer ids if the folder has its users.

    Amounts in other currencies are converted to EUR by the mapping's rates. Raises TableMissing, ColumnMismatch,
    EmptyTable, or ConfigError for an unknown cohort or unusable rates.
    """
    if cohort not in COHORTS:
        raise ConfigError(f"{cohort!r} is not a cohort.", remedy=f"Use {' or '.join(COHORTS)}.")
    mapping = mapping or Mapping()
    with advising(folder, mapping):
        return _read_cohort(folder, cohort, mapping)


def _read_cohort(folder: Path, cohort: CohortName, mapping: Mapping) -> CohortTables:
    other: CohortName = "unlabelled" if cohort == "labelled" else "labelled"
    others = None
    if is_there(folder, mapping.file("users", other)):
        stored = fetch(folder, mapping.file("users", other), mapping.form("users"))
        source = mapping.column("users", "customer_id")
        _check_columns(stored.where, stored.frame.columns, needed={"customer_id": source}, meant={source})
        others = stored.frame[source].cast(pl.String).drop_nulls().unique().sort().alias("customer_id")
    rates = mapping.exchange_rates()  # first, so that an error in the rates is found early
    users, transactions = (read_table(folder, kind, cohort, mapping) for kind in KINDS)
    events, conversion = convert(transactions.frame, rates)
    return CohortTables(users, replace(transactions, frame=events), others, conversion)


def cohorts_there(folder: Path, mapping: Mapping | None = None) -> tuple[CohortName, ...]:
    """Return the cohorts of which the folder has a table. Raises TableMissing if it has no table."""
    mapping = mapping or Mapping()
    found = [cohort for cohort in COHORTS if any(is_there(folder, mapping.file(kind, cohort)) for kind in KINDS)]
    if not found:
        columns(folder, mapping.file("users", "labelled"))  # raises
    return tuple(found)


def read_table(folder: Path, kind: Kind, cohort: CohortName, mapping: Mapping) -> Table:
    """Read one table. Raises TableMissing, ColumnMismatch (a column is missing or has a wrong type), EmptyTable."""
    stored = fetch(folder, mapping.file(kind, cohort), mapping.form(kind))
    rules, schema = mapping.of(kind), schema_of(kind).columns()
    wanted = columns_of(kind, cohort)
    sources = {name: mapping.column(kind, name) for name in wanted if name not in rules.constants}
    may_lack = {name for name in wanted if (schema[name].metadata or {}).get("optional") or name in rules.absent}
    needed = {name: source for name, source in sources.items() if name not in may_lack}
    meant = set(sources.values())
    _check_columns(stored.where, stored.frame.columns, needed=needed, meant=meant)
    if stored.frame.is_empty():
        _refuse_empty(stored)

    raw = stored.frame
    there = [name for name in sources if sources[name] in raw.columns]
    absent = tuple(name for name in sources if name not in there)
    texts = raw.select(
        stored.rows,
        *(pl.col(sources[name]).alias(name) for name in there),
        *(pl.lit(value, dtype=pl.String).alias(name) for name, value in rules.constants.items()),
        *(pl.lit(None, dtype=schema[name].dtype).alias(name) for name in absent),
        _repeats(raw).alias("repeat"),
    )
    for name in there:
        texts = texts.with_columns(_as_written(texts[name], mapping.replacements(kind, name)))
    written = texts
    if stored.form is not None:
        written = texts.with_columns(in_our_form(texts[name], schema[name].dtype, stored.form) for name in there)
    typed = texts.select("row", *(_typed(written[name], schema[name].dtype, stored.where) for name in wanted), "repeat")
    nothing = pl.DataFrame(schema={"row": pl.UInt32, "column": pl.String, "value": pl.String})
    lost = [
        texts.select("row", column=pl.lit(name), value=pl.col(name)).filter(
            texts[name].is_not_null() & typed[name].is_null()
        )
        for name in wanted
        if texts[name].dtype == pl.String and typed[name].dtype != pl.String
    ]
    return Table(
        kind=kind,
        cohort=cohort,
        where=stored.where,
        frame=typed,
        unreadable=pl.concat([nothing, *lost]),
        malformed=stored.malformed,
        absent=absent,
        constant=tuple(rules.constants),
        extra=tuple(name for name in raw.columns if name not in meant),
    )


def available_columns(folder: Path, cohort: CohortName, mapping: Mapping | None = None) -> frozenset[str]:
    """Return the canonical columns of a cohort's two tables, including those that the mapping fills in.

    Raises TableMissing, and ColumnMismatch if a table has no known column.
    """
    mapping = mapping or Mapping()
    found = set()
    for kind in KINDS:
        with advising(folder, mapping):
            there = columns(folder, mapping.file(kind, cohort), mapping.form(kind))
            sources = {name: mapping.column(kind, name) for name in columns_of(kind, cohort)}
            known = {name for name, source in sources.items() if source in there}
            if not known:
                _check_columns(str(find(folder, mapping.file(kind, cohort))), there, needed=sources, meant=set())
        found |= known | set(mapping.of(kind).constants)
    return frozenset(found)


def _refuse_empty(stored: Stored) -> NoReturn:
    lost = stored.malformed.height
    if not lost:
        raise EmptyTable(f"{stored.where} has no rows.", remedy="Export the table again.")
    raise EmptyTable(
        f"{stored.where}: all {lost:,} rows have more or fewer fields than the header ({FIELD_COUNT}); "
        f"{stored.malformed['value'][0]}.",
        remedy="Export the table again, with as many fields in each record as in the header.",
    )


def _check_columns(where: str, there: Sequence[str], *, needed: dict[str, str], meant: set[str]) -> None:
    lacking = {name: source for name, source in needed.items() if source not in there}
    missing = [f"{source} ({name})" if source != name else name for name, source in lacking.items()]
    if missing and len(there) < 2:
        raise ColumnMismatch(
            f"{where} has {'only one column' if there else 'no named column'} with the present separator.",
            remedy="Name the separator in a mapping (--mapping), such as csv: {separator: ';'}.",
        )
    if missing:
        extra = [name for name in there if name not in meant]
        beside = f"; its unknown columns are {list_with_meant(extra, lacking.values())}" if extra else ""
        raise ColumnMismatch(
            f"{where} lacks the column{'s' * (len(missing) > 1)} {list_names(missing)}{beside}.",
            remedy="Map each to a column of the file, or list it as absent, in a mapping (--mapping).",
        )


def _repeats(raw: pl.DataFrame) -> pl.Series:
    """Return which rows equal an earlier row in every column; only rows with equal hashes are compared."""
    likely = raw.hash_rows().is_duplicated()
    again = raw.filter(likely).select(again=~pl.struct(pl.all()).is_first_distinct())["again"]
    rows = pl.int_range(raw.height, eager=True)
    return rows.is_in(likely.arg_true().filter(again).implode())


def _as_written(values: pl.Series, replacements: dict[str, str]) -> pl.Series:
    """Replace the file's values by canonical values, and empty texts by null."""
    if isinstance(values.dtype, (pl.Categorical, pl.Enum)) or (replacements and values.dtype != pl.String):
        values = values.cast(pl.String)
    if values.dtype != pl.String:
        return values
    if replacements:
        values = values.replace(list(replacements), list(replacements.values()))
    return values.replace("", None)


def _typed(values: pl.Series, wanted: pl.DataType, where: str) -> pl.Series:
    """Return the values as the wanted type, null for those that can't be read. Raises ColumnMismatch."""
    dtype = values.dtype
    if dtype in (wanted, pl.Null):
        return values.cast(wanted)
    if dtype == pl.String:
        read = _READERS.get(wanted)
        return values.cast(wanted) if read is None else read(values)
    fits = (
        (wanted == pl.Float64 and dtype.is_numeric())
        or (wanted == pl.Boolean and dtype.is_integer() and values.is_in([0, 1]).all())
        or (wanted == pl.String and (dtype.is_integer() or dtype == pl.Boolean))
        or (wanted == pl.Date and isinstance(dtype, pl.Datetime))
    )
    if isinstance(dtype, pl.Datetime) and wanted == UTC:  # UTC if there is no zone
        aware = values.dt.convert_time_zone("UTC") if dtype.time_zone else values.dt.replace_time_zone("UTC")
        return aware.cast(wanted)
    if not fits:
        first = next((str(value) for value in values if value is not None), "null")
        raise ColumnMismatch(
            f"{where}: the column {values.name} is {dtype}, not {wanted}; its first value is {first:.40}.",
            remedy=f"Write it as {wanted}, or as text.",
        )
    return values.cast(wanted)
