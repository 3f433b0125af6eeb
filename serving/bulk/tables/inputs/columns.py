"""An SQL expression that writes each row of a table as a request's JSON.

The database writes the JSON: a nested row has hundreds of values, which Python would encode more slowly than score.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from customer_risk.serving.bulk.forms import BORN, ID, Form, Kind, NoForm, birth_is_moment, form_of
from customer_risk.serving.bulk.names import list_quoted
from customer_risk.serving.bulk.tables.errors import UnusableInput
from customer_risk.serving.contract.sql import google_identifier, identifier

_log = logging.getLogger("serving.batch")
_END: Final = "'}'"
# BigQuery's TIMESTAMP and DATETIME in JSON; the latter has no zone: it is read as UTC.
_TIME: Final = r'"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d+)?)(?:\+00(?::00)?)?"'
_ZONED: Final = r'"\1T\2Z"'
_TIMES: Final = frozenset({"TIMESTAMP", "DATETIME"})
# A date of birth as a time at midnight, which is the date.
_MIDNIGHT: Final = rf'"{BORN}":"(\d{{4}}-\d\d-\d\d)[ T]00:00:00(?:Z|\+00(?::00)?)?"'
_DATE: Final = rf'"{BORN}":"\1"'
# An amount as a text, as BigQuery writes a NUMERIC with a fraction.
_AMOUNT: Final = r'"amount":"(\d+(?:\.\d+)?)"'
_NUMBER: Final = r'"amount":\1'
# NaN among nested features is a missing value: DuckDB writes it without quotes, BigQuery as a string.
_NAN: Final = ":NaN"
_NAN_TEXT: Final = ':"NaN"'


@dataclass(frozen=True)
class Dialect:
    """How a database writes JSON, structs and their fields, and quotes names.

    real, decimal   how a column of that kind is read as a number of JSON: NaN is missing
    replace         how a pattern is replaced in a text
    own_texts       whether its JSON has decimals with a fraction as texts, and times without a zone
    """

    json: str
    struct: str
    field: str
    name: Callable[[str], str]
    real: str
    decimal: str
    replace: str
    own_texts: bool

    def made(self, columns: Mapping[str, Kind]) -> str:
        """Return the expression of columns as one JSON object."""
        fields = ", ".join(
            self.field.format(name=self.name(each), value=self._number(each, kind)) for each, kind in columns.items()
        )
        return self.json.format(self.struct.format(fields))

    def replacing(self, text: str, pattern: str, by: str) -> str:
        """Return the expression of a text in which `by` replaces the pattern."""
        return self.replace.format(text=text, pattern=pattern, by=by)

    def _number(self, column: str, kind: Kind) -> str:
        form = {"real": self.real, "decimal": self.decimal}.get(kind.base, "{name}")
        return form.format(name=self.name(column))


DUCKDB: Final = Dialect(
    json="CAST(to_json({}) AS VARCHAR)",
    struct="{{{}}}",
    field="{name}: {value}",
    name=identifier,
    real="CASE WHEN isnan({name}) THEN NULL ELSE {name} END",
    decimal="{name}",
    replace="regexp_replace({text}, '{pattern}', '{by}', 'g')",
    own_texts=False,
)
BIGQUERY: Final = Dialect(
    json="TO_JSON_STRING({})",
    struct="STRUCT({})",
    field="{value} AS {name}",
    name=google_identifier,
    real="IF(IS_NAN({name}), NULL, {name})",
    decimal="CAST({name} AS FLOAT64)",
    replace="REGEXP_REPLACE({text}, r'{pattern}', r'{by}')",
    own_texts=True,
)


def request_of(columns: Mapping[str, Kind], wanted: Sequence[str], dialect: Dialect, where: str) -> str:
    """Return the expression of a request for a table with these columns.

    The table has one of the three forms of `form_of`, with a column for each of the features `wanted` if it has
    features. Raises UnusableInput, naming `where`, for anything else.
    """
    try:
        form = form_of(columns, wanted)
    except NoForm as error:
        raise UnusableInput(f"{where} {error.problem}", remedy=error.remedy) from error
    if form.features is not None and (missing := [name for name in wanted if name not in columns]):
        raise UnusableInput(
            f"{where} has neither a nested column transactions nor the features {list_quoted(missing)};"
            f" its other columns are {', '.join(form.ignored) or 'none'}.",
            remedy="Give profiles and transactions, or a column for each of the model's features.",
        )
    parts = [f"""'{{"{ID}":', COALESCE({dialect.json.format(f"CAST({ID} AS STRING)")}, 'null')"""]
    parts += [f"""',"{name}":', {text}""" for name, text in _gathered(form, columns, dialect)]
    parts += [_part(name, dialect, _text(name, form, columns, dialect)) for name in form.nested]
    whole_row = f"CONCAT({', '.join([*parts, _END])})"
    if form.ignored:
        _log.info("%s: no request has the columns %s, which are ignored", where, ", ".join(form.ignored))
    return whole_row


def _gathered(form: Form, columns: Mapping[str, Kind], dialect: Dialect) -> list[tuple[str, str]]:
    """Return the objects that are made of columns, and their expressions."""
    gathered = []
    for name, fields in (("features", form.features), ("profile", form.profile)):
        if fields is not None:
            text = dialect.made({field: columns[field] for field in fields}) if fields else "'{}'"
            if name == "profile" and birth_is_moment(form, columns):
                text = dialect.replacing(text, _MIDNIGHT, _DATE)
            gathered.append((name, text))
    return gathered


def _text(name: str, form: Form, columns: Mapping[str, Kind], dialect: Dialect) -> str:
    """Return the expression of a column that is a field of the request."""
    text = dialect.json.format(dialect.name(name))
    if name == "profile" and birth_is_moment(form, columns):
        return dialect.replacing(text, _MIDNIGHT, _DATE)
    if name == "features":
        return dialect.replacing(text, _NAN_TEXT if dialect.own_texts else _NAN, ":null")
    if name == "transactions" and dialect.own_texts:
        fields = columns[name].fields
        if "amount" in fields and fields["amount"].base == "decimal":
            text = dialect.replacing(text, _AMOUNT, _NUMBER)
        # Times that are texts stay unchanged: the request's parser reads them.
        if any(field.type in _TIMES for field in fields.values()):
            text = dialect.replacing(text, _TIME, _ZONED)
    return text


def _part(name: str, dialect: Dialect, text: str) -> str:
    """Return the expression of one field of a request; null fields are left out."""
    return f"""CASE WHEN {dialect.name(name)} IS NULL THEN '' ELSE CONCAT(',"{name}":', {text}) END"""
