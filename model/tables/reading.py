"""Tables under canonical names, typed: what can't be read as its type is null, and told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NoReturn

import polars as pl

from customer_risk.model.errors import ColumnMismatch, EmptyTable
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

    kind, cohort  which table it is
    where         its file, for messages
    frame         all canonical columns and `row` (from 1) and `repeat` (the whole row stood above already)
    unreadable    row, column, value of what couldn't be read as the column's type
    malformed     row, value of the records of a CSV file that aren't in the frame: they have another number of fields
    absent        canonical columns that the file lacks
    constant      canonical columns that a mapping filled in
    extra         the file's columns that mean nothing here
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
    """One cohort's two tables, and the ids of the other cohort's customers (None: its users aren't there).

    conversion  the rows of the transactions file that are not in EUR; those with a rate are in EUR in `transactions`
    """

    users: Table
    transactions: Table
    others: pl.Series | None
    conversion: Conversion


def read_cohort(folder: Path, cohort: CohortName, mapping: Mapping | None = None) -> CohortTables:
    """Read one cohort's tables, and the other cohort's customer ids where its users are there.

    Amounts of other currencies are converted to EUR by the mapping's rates. Raises TableMissing, ColumnMismatch,
    EmptyTable, ConfigError for rates that can't be used.
    """
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
    rates = mapping.exchange_rates()  # before the tables, so that a fault in the rates is found early
    users, transactions = (read_table(folder, kind, cohort, mapping) for kind in KINDS)
    events, conversion = convert(transactions.frame, rates)
    return CohortTables(users, replace(transactions, frame=events), others, conversion)


def cohorts_there(folder: Path, mapping: Mapping | None = None) -> tuple[CohortName, ...]:
    """Return the names of the cohorts of which the folder holds a table. Raises TableMissing where it holds none."""
    mapping = mapping or Mapping()
    found = [cohort for cohort in COHORTS if any(is_there(folder, mapping.file(kind, cohort)) for kind in KINDS)]
    if not found:
        columns(folder, mapping.file("users", "labelled"))  # says what is missing
    return tuple(found)


def read_table(folder: Path, kind: Kind, cohort: CohortName, mapping: Mapping) -> Table:
    """Read one table. Raises TableMissing, ColumnMismatch (columns missing, or of a type that can't be), EmptyTable."""
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
    """Return the canonical columns that a cohort's two tables bring, those that a mapping fills in included.

    Raises TableMissing, and ColumnMismatch where a table has none of its columns.
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
        raise EmptyTable(f"{stored.where} has no row.", remedy="Export the table again.")
    raise EmptyTable(
        f"{stored.where}: no row is left: {lost:,} of {lost:,} rows fail {FIELD_COUNT}; "
        f"{stored.malformed['value'][0]}.",
        remedy="Export the table again, each record with as many fields as the header.",
    )


def _check_columns(where: str, there: Sequence[str], *, needed: dict[str, str], meant: set[str]) -> None:
    lacking = {name: source for name, source in needed.items() if source not in there}
    missing = [f"{source} ({name})" if source != name else name for name, source in lacking.items()]
    if missing and len(there) < 2:
        raise ColumnMismatch(
            f"{where} has {'only one column' if there else 'no named column'} as it is read now.",
            remedy="Say in a mapping (--mapping) what separates its fields, such as csv: {separator: ';'}.",
        )
    if missing:
        extra = [name for name in there if name not in meant]
        beside = f"; it has, beyond what is known here: {list_with_meant(extra, lacking.values())}" if extra else ""
        raise ColumnMismatch(
            f"{where} lacks the column{'s' * (len(missing) > 1)} {list_names(missing)}{beside}.",
            remedy="Rename them, or say in a mapping (--mapping) what they are called or that the bank has none.",
        )


def _repeats(raw: pl.DataFrame) -> pl.Series:
    """Return which rows repeat one above in every column; equal hashes narrow the search, equal values decide."""
    likely = raw.hash_rows().is_duplicated()
    again = raw.filter(likely).select(again=~pl.struct(pl.all()).is_first_distinct())["again"]
    rows = pl.int_range(raw.height, eager=True)
    return rows.is_in(likely.arg_true().filter(again).implode())


def _as_written(values: pl.Series, replacements: dict[str, str]) -> pl.Series:
    """Put canonical values in place of the file's; an empty text is no value."""
    if isinstance(values.dtype, (pl.Categorical, pl.Enum)) or (replacements and values.dtype != pl.String):
        values = values.cast(pl.String)
    if values.dtype != pl.String:
        return values
    if replacements:
        values = values.replace(list(replacements), list(replacements.values()))
    return values.replace("", None)


def _typed(values: pl.Series, wanted: pl.DataType, where: str) -> pl.Series:
    """Read values as the wanted type; null where that can't be."""
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
    if isinstance(dtype, pl.Datetime) and wanted == UTC:  # without a zone it is UTC
        aware = values.dt.convert_time_zone("UTC") if dtype.time_zone else values.dt.replace_time_zone("UTC")
        return aware.cast(wanted)
    if not fits:
        first = next((str(value) for value in values if value is not None), "null")
        raise ColumnMismatch(
            f"{where}: the column {values.name} is {dtype}, not {wanted}; its first value is {first:.40}.",
            remedy=f"Write it as {wanted}, or as text.",
        )
    return values.cast(wanted)
