"""The three forms of a table of requests, recognized by its columns: the same for jobs and table batches.

A database's types are reduced to `Kind`, so that Parquet and BigQuery follow one rule.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from customer_risk.model.errors import CustomerRiskError
from customer_risk.model.names import quoted, similar_name
from customer_risk.serving.bulk.names import describe_ignored, list_quoted
from customer_risk.serving.contract.request import Profile

if TYPE_CHECKING:
    from google.cloud.bigquery import SchemaField

ID: Final = "customer_id"
BORN: Final = "date_of_birth"
COMPLETE: Final = "history_complete"
_NESTED: Final = ("profile", "transactions", "features")
_PROFILE: Final = Profile.__struct_fields__
FORMS: Final = (
    "customer_id with the nested columns profile and transactions; customer_id with the nested column transactions and"
    " the profile's fields as columns; or customer_id and a column for each feature"
)
FORMS_OF_CSV: Final = "customer_id and a column for each feature, or a column request"

Base = Literal["text", "integer", "decimal", "real", "boolean", "moment", "nested", "other"]
_DUCKDB: Final[Mapping[str, Base]] = {
    **dict.fromkeys(("varchar", "enum", "uuid"), "text"),
    **dict.fromkeys(("tinyint", "smallint", "integer", "bigint", "hugeint"), "integer"),
    **dict.fromkeys(("utinyint", "usmallint", "uinteger", "ubigint", "uhugeint"), "integer"),
    **dict.fromkeys(("float", "double"), "real"),
    **dict.fromkeys(("struct", "list", "array", "map"), "nested"),
    **dict.fromkeys(("timestamp", "timestamp with time zone", "timestamp_s", "timestamp_ms", "timestamp_ns"), "moment"),
    "boolean": "boolean",
    "decimal": "decimal",
}
_BIGQUERY: Final[Mapping[str, Base]] = {
    "STRING": "text",
    **dict.fromkeys(("INTEGER", "INT64"), "integer"),
    **dict.fromkeys(("NUMERIC", "BIGNUMERIC"), "decimal"),
    **dict.fromkeys(("FLOAT", "FLOAT64"), "real"),
    **dict.fromkeys(("BOOLEAN", "BOOL"), "boolean"),
    **dict.fromkeys(("TIMESTAMP", "DATETIME"), "moment"),
    **dict.fromkeys(("RECORD", "STRUCT", "JSON"), "nested"),
}


@dataclass(frozen=True)
class Kind:
    """The kind of a column; `type` is its type in the database, `fields` are those of a struct or a list of structs."""

    base: Base
    type: str = ""
    fields: Mapping[str, Kind] = field(default_factory=dict)


def duckdb_kind(kind: Any) -> Kind:
    """Return the kind of a DuckDBPyType."""
    name = str(kind)
    if name == "JSON":  # an alias of VARCHAR
        return Kind("nested", name)
    base = _DUCKDB.get(kind.id, "other")
    if base == "decimal" and dict(kind.children)["scale"] == 0:
        base = "integer"
    fields: Mapping[str, Kind] = {}
    if kind.id == "struct":
        fields = {child: duckdb_kind(each) for child, each in kind.children}
    elif kind.id in {"list", "array"}:
        fields = duckdb_kind(dict(kind.children)["child"]).fields
    return Kind(base, name, fields)


def bigquery_kind(column: SchemaField) -> Kind:
    """Return the kind of a column of BigQuery."""
    base = _BIGQUERY.get(column.field_type, "other")
    if base == "decimal" and column.precision and not column.scale:
        base = "integer"
    fields = {each.name: bigquery_kind(each) for each in column.fields}
    return Kind("nested" if column.mode == "REPEATED" else base, column.field_type, fields)


class NoForm(CustomerRiskError):
    """A table's columns have none of the three forms."""


@dataclass(frozen=True)
class Form:
    """The columns of a table by their place in a request; others are `ignored`.

    nested     columns that are a request's own fields, `history_complete` included
    profile    columns that are the profile's fields, None if there is a column `profile`, or features
    features   columns that are features, None if there are transactions
    ignored    other columns as in messages: the first ones, shortened, with the name that may be meant
    """

    nested: tuple[str, ...]
    profile: tuple[str, ...] | None
    features: tuple[str, ...] | None
    ignored: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        return (ID, *self.nested, *(self.profile or ()), *(self.features or ()))

    def request_of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the request of a row of these columns; a nested field that is null is left out."""
        request = {ID: row[ID]} | {name: row[name] for name in self.nested if row[name] is not None}
        for name, columns in (("profile", self.profile), ("features", self.features)):
            if columns is not None:
                request[name] = {column: row[column] for column in columns}
        return request


def form_of(columns: Mapping[str, Kind], features: Collection[str]) -> Form:
    """Return the form of a table with these columns, of which `features` are read as features if it has any.

    Raises NoForm if it has no customer_id of a type that can be an id, or no other column of a form.
    """
    require_id(columns)
    nested = tuple(name for name in _NESTED if name in columns and columns[name].base == "nested")
    profile = given = None
    if not nested:
        given = tuple(name for name in features if name in columns)
        if not given:
            found = ", ".join(describe_ignored(columns, {ID, *_NESTED, *features}))
            raise NoForm(f"has none of the three forms; its columns are {found}.", remedy=f"Give {FORMS}.")
    elif "transactions" in nested and "profile" not in nested:
        profile = tuple(name for name in _PROFILE if name in columns)
    if COMPLETE in columns:
        nested += (COMPLETE,)
    used = {ID, *nested, *(profile or ()), *(given or ())}
    meant = {ID, COMPLETE, *_NESTED, *(_PROFILE if given is None else features)}
    return Form(nested, profile, given, describe_ignored((name for name in columns if name not in used), meant - used))


def require_id(columns: Mapping[str, Kind]) -> None:
    """Raise NoForm unless there is a column customer_id of texts or integers.

    A number with a fraction is refused: 12, 12.0 and 1.2e1 would be different customers.
    """
    if ID not in columns:
        near = next((name for name in columns if similar_name(name, (ID,))), None)
        if near is not None:
            raise NoForm(f"has no column {ID}, but {quoted(near)}.", remedy=f"Rename it to {ID}.")
        raise NoForm(f"has no column {ID}; it has {list_quoted(columns)}.", remedy=f"Give {FORMS}.")
    kind = columns[ID]
    if kind.base not in {"text", "integer"}:
        raise NoForm(
            f"has a column {ID} of the type {kind.type[:60]}; expected texts or integers.", remedy="Write it as text."
        )


def day_of(text: Any) -> Any:
    """Return the date of a time at midnight, as databases write it; return other values unchanged for the parser."""
    if isinstance(text, str):
        for midnight in (" 00:00:00", " 00:00:00+00", " 00:00:00Z"):
            if text.endswith(midnight):
                return text.removesuffix(midnight)
    return text


def birth_is_moment(form: Form, columns: Mapping[str, Kind]) -> bool:
    """Return whether the profile's date of birth has a type of times."""
    fields = columns["profile"].fields if "profile" in form.nested else columns
    return BORN in fields and fields[BORN].base == "moment"
