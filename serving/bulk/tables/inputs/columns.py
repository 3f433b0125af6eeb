"""An SQL expression that writes each row of a table as a request's JSON.

The database writes the JSON: a nested row has hundreds of values, whose encoding in Python would cost more than scores.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from customer_risk.model.escaping import named
from customer_risk.serving.bulk.tables.errors import UnusableInput
from customer_risk.serving.contract.request import Profile
from customer_risk.serving.contract.sql import google_identifier, identifier

ID: Final = "customer_id"
_log = logging.getLogger("serving.batch")
_END: Final = "'}'"
_PROFILE: Final = Profile.__struct_fields__
# Times as DuckDB writes them, and BigQuery's DATETIME, which has no zone: they are read as UTC.
_TIME: Final = r'"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d+)?)(?:\+00(?::00)?)?"'
_ZONED: Final = r'"\1T\2Z"'


@dataclass(frozen=True)
class Dialect:
    """How a database writes JSON, structs and their fields, quoted names, and texts with replaced times."""

    json: str
    struct: str
    field: str
    name: Callable[[str], str]
    replaced: str

    def made(self, columns: Sequence[str]) -> str:
        """Return the expression of columns as one JSON object."""
        fields = ", ".join(self.field.format(name=self.name(each)) for each in columns)
        return self.json.format(self.struct.format(fields))


DUCKDB: Final = Dialect(
    json="CAST(to_json({}) AS VARCHAR)",
    struct="{{{}}}",
    field="{name}: {name}",
    name=identifier,
    replaced=f"regexp_replace({{}}, '{_TIME.replace('{', '{{').replace('}', '}}')}', '{_ZONED}', 'g')",
)
BIGQUERY: Final = Dialect(
    json="TO_JSON_STRING({})",
    struct="STRUCT({})",
    field="{name}",
    name=google_identifier,
    replaced=f"REGEXP_REPLACE({{}}, r'{_TIME.replace('{', '{{').replace('}', '}}')}', r'{_ZONED}')",
)


def request_of(columns: Mapping[str, bool], wanted: Sequence[str], dialect: Dialect, where: str) -> str:
    """Return the expression of a request, by columns' names and whether each is nested (a struct or an array).

    Three forms: `transactions` with `profile`; `transactions` with the profile's fields as columns; and a column for
    each of the features `wanted`. Raises UnusableInput, naming `where`, for anything else.
    """
    if ID not in columns:
        raise UnusableInput(
            f"{where} has no column {ID}; it has {named(columns) or 'none'}.", remedy="Name the customers so."
        )
    whole = [name for name in ("profile", "transactions", "features") if columns.get(name)]
    flat = "transactions" in whole and "profile" not in whole
    parts = [f"""'{{"{ID}":', COALESCE({dialect.json.format(f"CAST({ID} AS STRING)")}, 'null')"""]
    used = {ID, *whole, "history_complete"}
    if not whole:
        if missing := [name for name in wanted if name not in columns]:
            raise UnusableInput(
                f"{where} has neither a nested column transactions nor the features {', '.join(missing)}.",
                remedy="Give profiles and transactions, or a column for each of the model's features.",
            )
        used = {ID, *wanted, "history_complete"}
        parts.append("""',"features":'""")
        parts.append(dialect.made(list(wanted)))
    elif flat:
        fields = [name for name in _PROFILE if name in columns]
        used |= set(fields)
        parts += ["""',"profile":'""", dialect.made(fields) if fields else "'{}'"]
    parts += [_part(name, dialect) for name in whole]
    if "history_complete" in columns:
        parts.append(_part("history_complete", dialect))
    whole_row = f"CONCAT({', '.join([*parts, _END])})"
    if ignored := [name for name in columns if name not in used]:
        _log.info("%s: no request has the columns %s, which are ignored", where, named(ignored))
    return dialect.replaced.format(whole_row)


def _part(name: str, dialect: Dialect) -> str:
    """Return the expression of one field of a request; null fields are left out."""
    column = dialect.name(name)
    return f"""CASE WHEN {column} IS NULL THEN '' ELSE CONCAT(',"{name}":', {dialect.json.format(column)}) END"""
