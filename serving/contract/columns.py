"""Columns of tables, made from the structs that are stored in them.

The type of a column follows from the type of its field; `column(...)` in the field's annotation adds the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from msgspec import UNSET, Meta, UnsetType

Type = Literal["STRING", "INTEGER", "FLOAT", "BOOLEAN", "TIMESTAMP", "DATE", "BYTES", "RECORD"]
Mode = Literal["REQUIRED", "NULLABLE", "REPEATED"]
_TYPES: Final[Mapping[Any, Type]] = {str: "STRING", int: "INTEGER", float: "FLOAT", bool: "BOOLEAN", bytes: "BYTES"}
_DUCKDB: Final = {
    "STRING": "VARCHAR",
    "INTEGER": "BIGINT",
    "FLOAT": "DOUBLE",
    "BOOLEAN": "BOOLEAN",
    "TIMESTAMP": "TIMESTAMPTZ",
    "DATE": "DATE",
    "BYTES": "BLOB",
}


@dataclass(frozen=True)
class Column:
    """A column, or a field of a RECORD; types have the names of BigQuery's REST interface.

    `duckdb` is DuckDB's type, empty if it follows from `type`.
    """

    name: str
    type: str
    mode: str = "REQUIRED"
    description: str = ""
    fields: tuple[Column, ...] = ()
    duckdb: str = field(default="", compare=False, repr=False)


def column(
    description: str = "",
    *,
    stored: Type | None = None,
    duckdb: str = "",
    fields: Mapping[str, str] | None = None,
    erased: Any = UNSET,
    added: bool = False,
) -> Meta:
    """Return the annotation of a field that is stored in a column.

    stored   the column's type, if it doesn't follow from the field's type: TIMESTAMP for a text in RFC 3339
    duckdb   DuckDB's type, if it isn't the usual one for the column's type: INTEGER for 32 bits
    fields   descriptions of the nested columns by name, instead of those of the nested struct
    erased   the value that replaces this one when a person's data are erased; by default the value stays
    added    whether earlier releases stored rows without the field; the column is NULLABLE then
    """
    said = {"stored": stored, "duckdb": duckdb, "fields": fields, "erased": erased, "added": added}
    return Meta(description=description or None, extra=said)


def columns_of(struct: type) -> tuple[Column, ...]:
    """Return a column for each field of a struct or dataclass, in the fields' order.

    A field that may be None or UNSET, or that was `added`, is NULLABLE; a list or tuple is REPEATED, a struct is a
    RECORD. The columns of a union of structs are those of the last one.
    """
    return tuple(_column(name, hint) for name, hint in get_type_hints(struct, include_extras=True).items())


def erased_values(struct: type) -> dict[str, Any]:
    """Return the fields of a struct that change when a person's data are erased, with their new values."""
    hints = get_type_hints(struct, include_extras=True)
    found = {name: _annotation(hint)[1].get("erased", UNSET) for name, hint in hints.items()}
    return {name: value for name, value in found.items() if value is not UNSET}


def duckdb_type(column: Column) -> str:
    """Return the name of a column's type in DuckDB."""
    fields = ", ".join(f'"{each.name}" {duckdb_type(each)}' for each in column.fields)
    kind = f"STRUCT({fields})" if fields else column.duckdb or _DUCKDB[column.type]
    return f"{kind}[]" if column.mode == "REPEATED" else kind


def duckdb_columns(columns: Iterable[Column]) -> str:
    """Return columns in the form that DuckDB's JSON reader expects."""
    return "{" + ", ".join(f"\"{each.name}\": '{duckdb_type(each)}'" for each in columns) + "}"


def _column(name: str, hint: Any) -> Column:
    hint, said, description = _annotation(hint)
    kind, optional = _without_none(hint)
    repeated = get_origin(kind) in {list, tuple, Sequence}
    if repeated:
        kind, _ = _without_none(get_args(kind)[0])
    stored = said.get("stored") or _type(kind)
    fields = columns_of(kind) if stored == "RECORD" else ()
    if (words := said.get("fields")) is not None:
        fields = tuple(replace(each, description=words.get(each.name, "")) for each in fields)
    mode: Mode = "REPEATED" if repeated else "NULLABLE" if optional or said.get("added") else "REQUIRED"
    return Column(name, stored, mode, description, fields, said.get("duckdb", ""))


def _annotation(hint: Any) -> tuple[Any, Mapping[str, Any], str]:
    """Return a field's type, its options in `column`, and its description."""
    if get_origin(hint) is not Annotated:
        return hint, {}, ""
    kind, *annotations = get_args(hint)
    metas = [each for each in annotations if isinstance(each, Meta)]
    said = next((each.extra for each in metas if each.extra is not None), {})
    return kind, said, next((each.description for each in metas if each.description is not None), "")


def _without_none(hint: Any) -> tuple[Any, bool]:
    """Return a type without None and UNSET, and whether it allows one of them."""
    parts = get_args(hint) if get_origin(hint) in {Union, UnionType} else (hint,)
    kinds = [each for each in parts if each not in {NoneType, UnsetType}]
    return kinds[-1], len(kinds) < len(parts)


def _type(kind: Any) -> Type:
    if get_origin(kind) is Literal:
        return _TYPES[type(get_args(kind)[0])]
    return _TYPES.get(kind, "RECORD")
