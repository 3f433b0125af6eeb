"""Rewrites schemas into forms that generators of clients support, with the same meaning."""

from __future__ import annotations

from inspect import cleandoc
from typing import Any, Final

Schema = dict[str, Any]

_SCALARS: Final = frozenset(("string", "number", "integer", "boolean"))
_OF_ONE: Final = ("items", "additionalProperties", "not", "if", "then", "else")
_OF_MANY: Final = ("anyOf", "oneOf", "allOf")


def plain(schema: Schema) -> Schema:
    """Return a schema that accepts the same values.

    An enumeration of texts has its type, an array has a schema of its items, and a value that may be null is one schema
    with two types instead of two alternatives. An empty `required` is left out. So is `default`: generators take a
    member with a default as always present.
    """
    made = {name: _within(name, value) for name, value in schema.items() if name != "default"}
    if "enum" in made and "type" not in made and all(isinstance(value, str) for value in made["enum"]):
        made = {"type": "string", **made}
    if made.get("type") == "array":
        made.setdefault("items", {})
    if made.get("required") == []:
        del made["required"]
    return _nullable(made)


def _within(name: str, value: Any) -> Any:
    if name == "description":
        return cleandoc(value)  # Python 3.13 unindents docstrings, 3.12 doesn't: write the same with both
    if name == "properties":
        return {field: plain(each) for field, each in value.items()}
    if name in _OF_MANY:
        return [plain(each) for each in value]
    if name in _OF_ONE and isinstance(value, dict):
        return plain(value)
    return value


def _nullable(schema: Schema) -> Schema:
    """Return `{"anyOf": [X, {"type": "null"}], ...}` as one schema if X is any text, a number or a boolean.

    An enumeration is left as it is: of one with two types, a generator makes several classes.
    """
    match schema.get("anyOf"):
        case [{"type": str(kind)} as one, {"type": "null"}] if kind in _SCALARS and "enum" not in one:
            others = {name: value for name, value in schema.items() if name != "anyOf"}
            return {**one, "type": [kind, "null"], **others}
    return schema
