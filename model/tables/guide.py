"""The reference of the tables: `python -m customer_risk.model.tables.guide > docs/reference/tables.md`."""

from __future__ import annotations

import inspect
import re
import sys
from typing import TYPE_CHECKING, Final

import msgspec
import polars as pl

from customer_risk.model.tables.checks import CHECKS, OWNER_KNOWN
from customer_risk.model.tables.conversion import CONVERSIONS
from customer_risk.model.tables.csv_form import CsvForm
from customer_risk.model.tables.examination import FAILING_ROWS
from customer_risk.model.tables.mapping import Mapping, TableMapping, columns_of, schema_of
from customer_risk.model.tables.rates import RatesFile
from customer_risk.model.tables.schema import VOCABULARIES
from customer_risk.model.tables.synthetic import BEHAVIOURS
from customer_risk.model.tables.traps import TRAPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from customer_risk.model.tables.checks import Check, Kind

_TYPES: Final = {pl.String: "text", pl.Boolean: "flag", pl.Float64: "number", pl.Date: "date", pl.Datetime: "time"}
_ROW: Final = re.compile(r"(\w+) {2,}(\S.*)")
_PAGE: Final = """# Tables reference

<!-- Written by `python -m customer_risk.model.tables.guide`; a test compares it with the code. -->

Every table, column, rule, count and mapping field. [Tables](../guide/tables.md) explains how to use them.

## Columns

The tables are `users_labelled`, `transactions_labelled`, `users_unlabelled` and `transactions_unlabelled`, each as
`.csv` or `.parquet`. Rules and mappings use the canonical names. Only the labelled cohort needs `label`. Other
columns of a file are ignored.

### Users

{users}

### Transactions

{transactions}

### Known values

A mapping can map the bank's values to these. An unknown value fails the rule `..._known`, or `..._readable` for
flags.

{values}

## Forms of values

- **CSV** is UTF-8 and separated by commas, unless a mapping says otherwise. Lines end with CR, LF or both. Lines
  without text are ignored. A record with more or fewer fields than the header, such as a footer or an incomplete last
  line, is a failing row. A file with a quote that is never closed, or with bytes that aren't in its encoding, is
  refused.
- **Empty fields** have no value. **Flags** are TRUE and FALSE, or 1 and 0, in any case.
- **Times** have the forms of a [request](../guide/api.md#a-request). They may lack the zone (then they are UTC), or
  have it as `+01`, after a blank, or as `UTC`.
- **Dates** are YYYY-MM-DD; a midnight after the date is ignored.
- **Numbers** have ASCII digits and a decimal point; a sign, leading zeros and an exponent are allowed. `inf`, `nan`,
  `1_0`, `1'234.56` and numbers with `%` or a currency can't be read.
- With `decimal: ','` in the mapping, points or blanks may separate thousands: `1.234,56`, `1 234,56`, `1.234.567`.
  `1.234` can't be read, because it could be a thousand or a decimal number; nor can `12.5`.
- `date_format` in the mapping is also the form of dates in times: `31.12.2023 23:59:59`. Such times may lack their
  seconds. Two-digit years, AM and PM can't be read.
- **Parquet** may have text or the types themselves. Both formats give equal results.

## Rules

Layers: *types* (the value is present and can be read), *ranges* (the value is possible), *business* (values, rows and
tables agree).

### Rules of users

{users_rules}

### Rules of transactions

{transactions_rules}

## Failing rows

The columns of the file that `customer-risk check --out FILE` writes: {failing}.

## Counts

`check`, `train` and the report show these counts. Counts of events are those of the file, before any row is dropped.
A rule that fails is counted as `failed_<rule>`.

{counts}

## Mapping

The fields at the top of a mapping file:

{mapping}

### Fields of `users` and `transactions`

{table_mapping}

### Fields of `csv`

{csv}

### Fields of `rates`

{rates}

The file of rates is CSV in UTF-8 of at most 16 MiB, separated by commas, with the columns `day` (such as 2024-08-26),
`currency` (a code of three capital letters) and `eur_per_unit`. A day has one rate per currency. An invalid line is
refused, with the line and the column.

`conversions.csv`, which `train` and `score` write, has the columns {conversions}.

## Behaviours of `customer-risk synth --shift`

{behaviours}
"""


def tables_guide() -> str:
    """Return the reference as Markdown."""
    return _PAGE.format(
        users=_columns("users"),
        transactions=_columns("transactions"),
        values=_table(("column", "values"), ((f"`{name}`", _names(known)) for name, known in VOCABULARIES.items())),
        users_rules=_rules("users"),
        transactions_rules=_rules("transactions"),
        failing=_names(FAILING_ROWS),
        counts=_table(
            ("key", "count"), ((f"`{key}`", text) for key, text in TRAPS.items() if not key.startswith("failed_"))
        ),
        mapping=_fields(Mapping),
        table_mapping=_fields(TableMapping),
        csv=_fields(CsvForm),
        rates=_fields(RatesFile),
        conversions=_names(CONVERSIONS),
        behaviours=_table(("behaviour", "effect"), ((f"`{name}`", text) for name, text in BEHAVIOURS.items())),
    )


def _columns(kind: Kind) -> str:
    columns = schema_of(kind).columns()
    rows = []
    for name in columns_of(kind, "labelled"):
        column = columns[name]
        notes = ["may be empty"] * column.nullable + ["the file may lack it"] * bool(column.metadata)
        described = f"{column.description} ({'; '.join(notes)})" if notes else column.description
        rows.append((f"`{Mapping().column(kind, name)}`", f"`{name}`", _TYPES[type(column.dtype)], described or ""))
    return _table(("in the file", "canonical name", "type", "content"), rows)


def _rules(kind: Kind) -> str:
    rows = ((rule.layer, f"`{rule.name}`", rule.sentence, _effect(rule)) for rule in CHECKS if rule.kind == kind)
    return _table(("layer", "rule", "requirement", "a failing row is"), rows)


def _effect(rule: Check) -> str:
    if rule.name in {"label_known", "label_present"}:
        return "not allowed: the tables are refused"
    if rule.name == "label_rate_in_bounds":
        return "kept; all rows of the table fail"
    if rule.name == OWNER_KNOWN:
        return "dropped, in any number; counted as `events_of_no_customer`"
    return "kept without the value" if rule.name.endswith("_readable") and not rule.drops else rule.effect


def _fields(struct: type[msgspec.Struct]) -> str:
    """Return a table of the fields that the docstring describes, with the defaults of plain ones."""
    defaults = {
        field.name: f"`{field.default}`" if isinstance(field.default, str | int) and field.default != "" else ""
        for field in msgspec.structs.fields(struct)
    }
    described: dict[str, str] = {}
    name = ""
    for line in (inspect.getdoc(struct) or "").splitlines()[1:]:
        if row := _ROW.fullmatch(line):
            name, described[row[1]] = row[1], row[2]
        elif line:
            described[name] += f" {line.strip()}"
    rows = ((f"`{field}`", described[field], default) for field, default in defaults.items())
    return _table(("field", "meaning", "default"), rows)


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def lines() -> Iterator[str]:
        yield f"| {' | '.join(titles)} |"
        yield f"|{'---|' * len(titles)}"
        for row in rows:
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"

    return "\n".join(lines())


if __name__ == "__main__":
    sys.stdout.write(tables_guide())
