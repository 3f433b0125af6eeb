"""Tables under canonical names, typed: what can't be read as its type is null, and told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import polars as pl

from customer_risk.model.errors import ColumnMismatch, EmptyTable
from customer_risk.model.tables.conversion import Conversion, convert
from customer_risk.model.tables.mapping import COHORTS, KINDS, CohortName, Mapping, columns_of, schema_of
from customer_risk.model.tables.storage import columns, fetch, is_there

if TYPE_CHECKING:
    from pathlib import Path

    from customer_risk.model.tables.checks import Kind

_UTC: Final = pl.Datetime("us", "UTC")


@dataclass(frozen=True, slots=True)
class Table:
    """One table as read.

    kind, cohort  which table it is
    where         its file, for messages
    frame         all canonical columns and `row` (from 1) and `repeat` (the whole row stood above already)
    unreadable    row, column, value of what couldn't be read as the column's type
    absent        canonical columns that the file lacks
    constant      canonical columns that a mapping filled in
    extra         the file's columns that mean nothing here
    """

    kind: Kind
    cohort: CohortName
    where: str
    frame: pl.DataFrame
    unreadable: pl.DataFrame
    absent: tuple[str, ...]
    constant: tuple[str, ...]
    extra: tuple[str, ...]


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
    other: CohortName = "unlabelled" if cohort == "labelled" else "labelled"
    others = None
    if is_there(folder, mapping.file("users", other)):
        stored = fetch(folder, mapping.file("users", other))
        source = mapping.column("users", "customer_id")
        _check_columns(stored.where, stored.frame, needed={"customer_id": source}, meant={source})
        others = stored.frame[source].cast(pl.String).drop_nulls().unique().sort().alias("customer_id")
    rates = mapping.exchange_rates()  # before the tables: it takes a moment to find a fault in it
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
    stored = fetch(folder, mapping.file(kind, cohort))
    rules, schema = mapping.of(kind), schema_of(kind).columns()
    wanted = columns_of(kind, cohort)
    sources = {name: mapping.column(kind, name) for name in wanted if name not in rules.constants}
    may_lack = {name for name in wanted if (schema[name].metadata or {}).get("optional") or name in rules.absent}
    needed = {name: source for name, source in sources.items() if name not in may_lack}
    meant = set(sources.values())
    _check_columns(stored.where, stored.frame, needed=needed, meant=meant)
    if stored.frame.is_empty():
        raise EmptyTable(f"{stored.where} has no row.", remedy="Export the table again.")

    raw = stored.frame
    there = [name for name in sources if sources[name] in raw.columns]
    absent = tuple(name for name in sources if name not in there)
    texts = raw.select(
        pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).alias("row"),
        *(pl.col(sources[name]).alias(name) for name in there),
        *(pl.lit(value, dtype=pl.String).alias(name) for name, value in rules.constants.items()),
        *(pl.lit(None, dtype=schema[name].dtype).alias(name) for name in absent),
        _repeats(raw).alias("repeat"),
    )
    for name in there:
        texts = texts.with_columns(_as_written(texts[name], mapping.replacements(kind, name)))
    typed = texts.select("row", *(_typed(texts[name], schema[name].dtype, stored.where) for name in wanted), "repeat")
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
        absent=absent,
        constant=tuple(rules.constants),
        extra=tuple(name for name in raw.columns if name not in meant),
    )


def available_columns(folder: Path, cohort: CohortName, mapping: Mapping | None = None) -> frozenset[str]:
    """Return the canonical columns that a cohort's two tables bring, those that a mapping fills in included."""
    mapping = mapping or Mapping()
    found = set()
    for kind in KINDS:
        there = set(columns(folder, mapping.file(kind, cohort)))
        found |= {name for name in columns_of(kind, cohort) if mapping.column(kind, name) in there}
        found |= set(mapping.of(kind).constants)
    return frozenset(found)


def _check_columns(where: str, frame: pl.DataFrame, *, needed: dict[str, str], meant: set[str]) -> None:
    missing = [
        f"{source} ({name})" if source != name else name for name, source in needed.items() if source not in frame
    ]
    if missing:
        extra = [name for name in frame.columns if name not in meant]
        beside = f"; it has, beyond what is known here: {', '.join(extra)}" if extra else ""
        raise ColumnMismatch(
            f"{where} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}{beside}.",
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
        return values.to_frame().select(_read(pl.col(values.name), wanted).alias(values.name)).to_series()
    fits = (
        (wanted == pl.Float64 and dtype.is_numeric())
        or (wanted == pl.Boolean and dtype.is_integer() and values.is_in([0, 1]).all())
        or (wanted == pl.String and (dtype.is_integer() or dtype == pl.Boolean))
        or (wanted == pl.Date and isinstance(dtype, pl.Datetime))
    )
    if isinstance(dtype, pl.Datetime) and wanted == _UTC:  # without a zone it is UTC
        aware = values.dt.convert_time_zone("UTC") if dtype.time_zone else values.dt.replace_time_zone("UTC")
        return aware.cast(wanted)
    if not fits:
        first = next((str(value) for value in values if value is not None), "null")
        raise ColumnMismatch(
            f"{where}: the column {values.name} is {dtype}, not {wanted}; its first value is {first:.40}.",
            remedy=f"Write it as {wanted}, or as text.",
        )
    return values.cast(wanted)


def _read(text: pl.Expr, wanted: pl.DataType) -> pl.Expr:
    if wanted == pl.Float64:
        return text.str.strip_chars().cast(pl.Float64, strict=False)
    if wanted == pl.Boolean:
        lower = text.str.to_lowercase()
        return pl.when(lower.is_in(["true", "1", "false", "0"])).then(lower.is_in(["true", "1"]))
    if wanted == pl.Date:
        return text.str.to_date("%Y-%m-%d", strict=False)
    if wanted == _UTC:
        iso = (
            text.str.replace(r"^(\d{4}-\d{2}-\d{2})[ Tt]", "${1}T")
            .str.replace(r"( ?UTC|[Zz])$", "+00:00")
            .str.replace(r"(T\d{2}:\d{2}:\d{2}(\.\d+)?)$", "${1}+00:00")  # without a zone it is UTC
        )
        return iso.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", strict=False, time_unit="us", time_zone="UTC")
    return text.cast(wanted)
