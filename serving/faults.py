"""Every bad field of a request at once, each by its JSON pointer: the slow look that only a refused request gets."""

from __future__ import annotations

import functools
import json
import types
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

from model.errors import BadField
from serving.pointers import pointer_to
from serving.wire import Columns, Number, Profile, RiskRequest, Time, TimeOrNull, Transaction, decode_hook

_TIMES = {"created_at": Time, "completed_at": TimeOrNull}  # judged here, where a sound request's are read in bulk
MOST_FAULTS = 100  # named in one refusal; a body may hold a hundred thousand


@dataclass(slots=True)
class Faults:
    """What is wrong (`bad`) and what merely isn't known (`unknown`: pointers of fields that no one reads)."""

    bad: list[BadField] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def add(self, pointer: str, detail: str) -> None:
        """Note one bad field; past MOST_FAULTS only the last line, which says so, is kept."""
        if len(self.bad) < MOST_FAULTS:
            self.bad.append(BadField(pointer, detail))
        elif len(self.bad) == MOST_FAULTS:
            self.bad.append(BadField("", f"more than {MOST_FAULTS} fields are bad; the rest are not listed"))


def find_faults(
    document: object, *, known: Collection[str], wanted: Collection[str], at: str = ""
) -> tuple[Faults, dict[str, Any]]:
    """Look at a decoded JSON document field by field; give the faults, and the document without its unknown fields.

    `known` are the features that exist, `wanted` those that must be given; `at` points at the document.
    """
    faults = Faults()
    if not isinstance(document, Mapping):
        faults.add(at, f"expected an object; got {_kind(document)}")
        return faults, {}
    cleaned = _examine(document, RiskRequest, at, faults, by_hand={"profile", "transactions", "features"})
    has_rows = "profile" in document or "transactions" in document
    if "features" in document:
        if has_rows:
            faults.add(pointer_to(at, "features"), "can't stand beside profile or transactions")
        _features(document["features"], known, wanted, pointer_to(at, "features"), faults)
        cleaned["features"] = document["features"]
    elif not has_rows:
        faults.add(at, "must hold profile and transactions, or features")
    if has_rows:
        for name, examine in (("profile", _profile), ("transactions", _transactions)):
            if name in document:
                cleaned[name] = examine(document[name], pointer_to(at, name), faults)
            elif "features" not in document:
                faults.add(pointer_to(at, name), "is required")
    return faults, cleaned


def _profile(value: object, at: str, faults: Faults) -> object:
    if isinstance(value, Mapping):
        return _examine(value, Profile, at, faults)
    faults.add(at, f"expected an object; got {_kind(value)}")
    return value


def _transactions(value: object, at: str, faults: Faults) -> object:
    if isinstance(value, Mapping):
        _columns(value, at, faults)
    elif isinstance(value, list):
        for i, row in enumerate(value):
            if isinstance(row, Mapping):
                _examine(row, Transaction, pointer_to(at, i), faults)
            else:
                faults.add(pointer_to(at, i), f"expected an object; got {_kind(row)}")
    else:
        faults.add(at, f"expected a list of objects, or an object of lists; got {_kind(value)}")
    return value


def _columns(value: Mapping[str, Any], at: str, faults: Faults) -> None:
    by_row, required = _types(Transaction), _required(Columns)
    lengths: dict[str, int] = {}
    for name, kind in by_row.items():
        column = value.get(name, msgspec.UNSET)
        if column is msgspec.UNSET:
            if name in required:
                faults.add(pointer_to(at, name), "is required")
        elif isinstance(column, list):
            lengths[name] = len(column)
            for i, item in enumerate(column):
                _check(item, kind, pointer_to(at, name, i), faults)
        else:
            faults.add(pointer_to(at, name), f"expected a list; got {_kind(column)}")
    first = next(iter(lengths), "")
    for name, length in lengths.items():
        if length != lengths[first]:
            faults.add(pointer_to(at, name), f"holds {length} values where {first} holds {lengths[first]}")


def _features(value: object, known: Collection[str], wanted: Collection[str], at: str, faults: Faults) -> None:
    if not isinstance(value, Mapping):
        faults.add(at, f"expected an object; got {_kind(value)}")
        return
    for name, number in value.items():
        if name not in known:
            faults.add(pointer_to(at, name), "there is no feature of this name")
        elif number is not None:
            _check(number, Number, pointer_to(at, name), faults)
    for name in wanted:
        if name not in value:
            faults.add(pointer_to(at, name), "is required by the model; give null where it is missing")


def _examine(
    value: Mapping[str, Any], kind: type[msgspec.Struct], at: str, faults: Faults, *, by_hand: Collection[str] = ()
) -> dict[str, Any]:
    """Check an object's fields, except those looked at `by_hand`; give it without its unknown fields."""
    kinds, required = _types(kind), _required(kind)
    for name, wanted in kinds.items():
        if name in by_hand:
            continue
        if name in value:
            _check(value[name], wanted, pointer_to(at, name), faults)
        elif name in required:
            faults.add(pointer_to(at, name), "is required")
    strict = kind.__struct_config__.forbid_unknown_fields
    faults.unknown += [pointer_to(at, name) for name in value if strict and name not in kinds]
    return {name: item for name, item in value.items() if name in kinds and name not in by_hand}


def _check(value: object, kind: Any, at: str, faults: Faults) -> None:
    """Have msgspec judge one value, so that this look can't differ from the fast one."""
    try:
        msgspec.convert(value, kind, dec_hook=decode_hook)
    except msgspec.ValidationError as error:
        expected = _description(kind)
        faults.add(at, f"expected {expected}; got {_kind(value)}" if expected else str(error))


def _kind(value: object) -> str:
    """Say what a JSON value is without repeating a text, which may be personal."""
    match value:
        case None | bool():
            kind = json.dumps(value)
        case int() | float():
            kind = str(value) if abs(value) < 2**63 else "a number too large or not finite"
        case str():
            kind = "a string" if value else "an empty string"
        case list():
            kind = "a list"
        case _:
            kind = "an object"
    return kind


@functools.cache
def _types(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Name a struct's fields with the type of their value, where it is there."""
    hints = get_type_hints(kind, include_extras=True) | (_TIMES if kind is Transaction else {})
    return {name: _given(hints[name]) for name in kind.__struct_fields__}


@functools.cache
def _required(kind: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(each.name for each in msgspec.structs.fields(kind) if each.required)


def _given(hint: Any) -> Any:
    """Drop the part of a union that stands for an absent field."""
    if get_origin(hint) not in {Union, types.UnionType}:
        return hint
    kept = [part for part in get_args(hint) if part is not msgspec.UnsetType]
    return functools.reduce(lambda a, b: a | b, kept)


def _description(kind: Any) -> str:
    return next((str(meta.description) for meta in getattr(kind, "__metadata__", ()) if meta.description), "")
