"""Finds the invalid fields of a request that the fast pass refuses, with their JSON pointers.

The search reads the text value by value, and ends after MOST_FAULTS invalid fields.
"""

from __future__ import annotations

import functools
import json
import math
import re
import types
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

import msgspec
import numpy as np
from numpy.typing import NDArray

from customer_risk.model.errors import BadField, InputError
from customer_risk.model.features.timestamps import read_timestamps
from customer_risk.serving.contract import json_scanner
from customer_risk.serving.contract.json_scanner import NotJson, Span
from customer_risk.serving.contract.pointers import pointer_to
from customer_risk.serving.contract.request import (
    Columns,
    Number,
    Profile,
    RiskRequest,
    Time,
    TimeOrNull,
    Transaction,
    decode_hook,
)
from customer_risk.serving.offload import MOST_ON_LOOP

_TIMES = {"created_at": Time, "completed_at": TimeOrNull}  # checked here; the fast pass parses all times together
MOST_FAULTS = 100  # named in one refusal; a body may have a hundred thousand
MOST_UNKNOWN = 100
_LONGEST_NUMBER: Final = 4000  # digits; Python converts no more than 4,300
_MOST_OTHERS: Final = 10_000  # unknown fields in one object
_FEW: Final = 8  # values that are checked one by one
_HUGE_NUMBER: Final = re.compile(rb"[0-9]{200}|[eE]\+?[0-9]{3}")  # can be more than Python's int or float can hold
_KINDS: Final = {ord("{"): "an object", ord("["): "a list", ord('"'): "a string"}


class FieldRepeated(ValueError):
    """An object has the same field more than once, first with an invalid value: only a small body may have that."""


class _NotFinite(ValueError):
    """NaN or Infinity is among several values."""


class NotATime(ValueError):
    """One of several texts isn't a time with a time zone."""


Examine = Callable[[Span, str], None]


@dataclass(slots=True)
class Faults:
    """Invalid fields (`bad`), and the pointers of `unknown` fields."""

    bad: list[BadField] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    more_unknown: int = 0  # number of fields beyond the first MOST_UNKNOWN

    def add(self, pointer: str, detail: str) -> None:
        """Add one invalid field; beyond MOST_FAULTS, raise InputError with those and a note that there are more."""
        if len(self.bad) == MOST_FAULTS:
            more = BadField("", f"more than {MOST_FAULTS} fields are invalid; only these are listed")
            raise InputError((*self.bad, more))
        self.bad.append(BadField(pointer, detail))

    def ignore(self, at: str, name: str) -> None:
        """Add one unknown field of the object at `at`."""
        if len(self.unknown) < MOST_UNKNOWN:
            self.unknown.append(pointer_to(at, name))
        else:
            self.more_unknown += 1


def find_faults(body: bytes, *, known: Collection[str], wanted: Collection[str], at: str = "") -> Faults:
    """Return the faults of a request's JSON; NaN and Infinity, which aren't JSON, are invalid values of their fields.

    `known` are the features that exist, `wanted` those that are required; `at` points at the document. Raises NotJson,
    FieldRepeated, and InputError beyond MOST_FAULTS faults, without reading the rest of the body.
    """
    search = _Search(body)
    try:
        body.decode()
        if len(body) <= MOST_ON_LOOP:  # a larger body is decoded as a whole only if no field is invalid
            last_values(body)
        search.request(json_scanner.whole(search.text), known, wanted, at)
    except (UnicodeDecodeError, RecursionError) as error:
        raise NotJson from error
    return search.faults


class _Search:
    """The search for the faults of one text."""

    def __init__(self, body: bytes) -> None:
        self.faults = Faults()
        self.text = json_scanner.finite(body)
        self._sent = body  # as sent; `text` has the same length, but strings for NaN and Infinity

    def request(self, span: Span, known: Collection[str], wanted: Collection[str], at: str) -> None:
        if not self._is_object(span, at):
            return
        found = self._examine(span, RiskRequest, at, by_hand={"profile", "transactions", "features"})
        has_rows = "profile" in found or "transactions" in found
        if "features" in found:
            if has_rows:
                self.faults.add(pointer_to(at, "features"), "can't be combined with profile or transactions")
            self._features(found["features"], known, wanted, pointer_to(at, "features"))
        elif not has_rows:
            self.faults.add(at, "must have profile and transactions, or features")
        if has_rows:
            for name, examine in (("profile", self._profile), ("transactions", self._transactions)):
                if name in found:
                    examine(found[name], pointer_to(at, name))
                elif "features" not in found:
                    self.faults.add(pointer_to(at, name), "is required")

    def _profile(self, span: Span, at: str) -> None:
        if self._is_object(span, at):
            self._examine(span, Profile, at)

    def _transactions(self, span: Span, at: str) -> None:
        match self.text[span.begin : span.begin + 1]:
            case b"{":
                self._columns(span, at)
            case b"[":
                self._list(span, _check_rows, at, self._row)
            case _:
                self.faults.add(at, f"expected a list of objects, or an object of lists; got {self._kind(span)}")

    def _row(self, span: Span, at: str) -> None:
        if self._is_object(span, at):
            self._examine(span, Transaction, at)

    def _columns(self, span: Span, at: str) -> None:
        kinds, required = _types(Transaction), _required(Columns)
        found = self._known_members(span, kinds, at, strict=False)
        lengths: dict[str, int] = {}
        for name, kind in kinds.items():
            column = found.get(name)
            if column is None:
                if name in required:
                    self.faults.add(pointer_to(at, name), "is required")
            elif self.text[column.begin : column.begin + 1] == b"[":

                def check(value: Span, place: str, kind: Any = kind) -> None:
                    self._check(value, kind, place)

                lengths[name] = self._list(column, partial(_check_column, name), pointer_to(at, name), check)
            else:
                self.faults.add(pointer_to(at, name), f"expected a list; got {self._kind(column)}")
        first = next(iter(lengths), "")
        for name, length in lengths.items():
            if length != lengths[first]:
                self.faults.add(pointer_to(at, name), f"has {length} values, but {first} has {lengths[first]}")

    def _features(self, span: Span, known: Collection[str], wanted: Collection[str], at: str) -> None:
        if not self._is_object(span, at):
            return
        found: dict[str, Span] = {}
        unknown: set[str] = set()
        for name, value in json_scanner.members(self.text, span):
            if name in known:
                found[name] = value
            elif name not in unknown:
                unknown.add(name)
                self.faults.add(pointer_to(at, name), "unknown feature")
        for name, value in found.items():
            if self.text[value.begin : value.end] != b"null":
                self._check(value, Number, pointer_to(at, name))
        for name in wanted:
            if name not in found:
                self.faults.add(pointer_to(at, name), "is required by the model; send null if it is missing")

    def _list(self, span: Span, sound: Callable[[bytes], object], at: str, examine: Examine) -> int:
        """Check the values of a list and return their number; `sound` raises if one of several values is invalid."""
        seen = 0
        for found in json_scanner.elements(self.text, span):
            self._run(found, seen, sound, at, examine)
            seen += len(found)
        return seen

    def _run(
        self, found: NDArray[np.int64], first: int, sound: Callable[[bytes], object], at: str, examine: Examine
    ) -> None:
        """Check consecutive values, the first at index `first`; halve them until the invalid ones are found."""
        text = self.text[found[0, 0] : found[-1, 1]]
        replaced = self.text is not self._sent and text != self._sent[found[0, 0] : found[-1, 1]]
        try:
            if replaced:
                raise _NotFinite  # noqa: TRY301  handled like any invalid value
            sound(b"[%b]" % text)
        except (msgspec.DecodeError, NotATime, _NotFinite) as error:
            if len(found) > _FEW:
                half = len(found) // 2
                self._run(found[:half], first, sound, at, examine)
                self._run(found[half:], first + half, sound, at, examine)
            else:
                before = len(self.faults.bad)
                for place, (begin, end) in enumerate(found.tolist(), first):
                    examine(Span(begin, end), pointer_to(at, place))
                if len(self.faults.bad) == before and not replaced and len(self.text) > MOST_ON_LOOP:
                    known = isinstance(error, (msgspec.ValidationError, NotATime))
                    raise (FieldRepeated if known else NotJson) from error

    def _examine(
        self, span: Span, kind: type[msgspec.Struct], at: str, *, by_hand: Collection[str] = ()
    ) -> dict[str, Span]:
        """Check an object's fields, except those in `by_hand`; return the spans of the known fields."""
        kinds, required = _types(kind), _required(kind)
        strict = kind.__struct_config__.forbid_unknown_fields
        found = self._known_members(span, kinds, at, strict=strict)
        for name, wanted in kinds.items():
            if name in by_hand or wanted is Any:  # an unread field may have any value
                continue
            if name in found:
                self._check(found[name], wanted, pointer_to(at, name))
            elif name in required:
                self.faults.add(pointer_to(at, name), "is required")
        return found

    def _known_members(self, span: Span, known: Collection[str], at: str, *, strict: bool) -> dict[str, Span]:
        """Return the members with known names, the last one of each name; add the others to the faults if `strict`."""
        found: dict[str, Span] = {}
        noted: set[str] = set()
        others = 0
        for name, value in json_scanner.members(self.text, span):
            if name in known:
                found[name] = value
                continue
            others += 1
            if others > _MOST_OTHERS:
                self.faults.add(at, f"has more than {_MOST_OTHERS:,} unknown fields")
                break
            if strict and name not in noted:
                self.faults.ignore(at, name)
                noted.add(name)
        return found

    def _check(self, span: Span, kind: Any, at: str) -> None:
        """Check one value with msgspec, as the fast pass does."""
        if self.text[span.begin] != self._sent[span.begin]:
            self.faults.add(at, f"expected {_description(kind)}; got {self._kind(span)}")
            return
        try:
            _decoder(kind).decode(self.text[span.begin : span.end])
        except msgspec.ValidationError as error:
            expected = _description(kind)
            self.faults.add(at, f"expected {expected}; got {self._kind(span)}" if expected else str(error))
        except msgspec.DecodeError as error:
            raise NotJson from error

    def _is_object(self, span: Span, at: str) -> bool:
        if self.text[span.begin : span.begin + 1] == b"{":
            return True
        self.faults.add(at, f"expected an object; got {self._kind(span)}")
        return False

    def _kind(self, span: Span) -> str:
        """Return a description of a value that doesn't repeat a string, which may be personal data."""
        kind = _KINDS.get(self._sent[span.begin], "")
        if kind:
            return "an empty string" if span.end - span.begin == 2 and kind == "a string" else kind
        if span.end - span.begin > _LONGEST_NUMBER:
            if self._sent[span.begin] not in b"-0123456789":
                raise NotJson
            return "a number too large or not finite"
        try:
            value = json.loads(self._sent[span.begin : span.end])
        except ValueError as error:
            raise NotJson from error
        if value is None or isinstance(value, bool):
            return json.dumps(value)
        return str(value) if abs(value) < 2**63 else "a number too large or not finite"


@functools.cache
def _types(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the types of a struct's fields by name, without UNSET."""
    hints = get_type_hints(kind, include_extras=True) | (_TIMES if kind is Transaction else {})
    return {name: _given(hints[name]) for name in kind.__struct_fields__}


@functools.cache
def _required(kind: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(each.name for each in msgspec.structs.fields(kind) if each.required)


def _given(hint: Any) -> Any:
    """Return a union without UNSET, the value of an absent field."""
    if get_origin(hint) not in {Union, types.UnionType}:
        return hint
    kept = [part for part in get_args(hint) if part is not msgspec.UnsetType]
    return functools.reduce(lambda a, b: a | b, kept)


@functools.cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, dec_hook=decode_hook)


def _check_rows(text: bytes) -> None:
    """Check a list of rows as the fast pass does."""
    rows: list[Transaction] = _decoder(list[Transaction]).decode(text)
    completed = [None if row.completed_at is msgspec.UNSET else row.completed_at for row in rows]
    _read_times([row.created_at for row in rows], completed)


def _check_column(name: str, text: bytes) -> None:
    """Check a list of one column's values as the fast pass does."""
    values = column_decoders()[name].decode(text)
    if name in _TIMES:
        _read_times([], values)


def _read_times(created: list[str], completed: list[str | None]) -> None:
    try:
        read_timestamps(created, completed)
    except UnicodeDecodeError:
        raise
    except ValueError as error:
        raise NotATime from error


@functools.cache
def column_decoders() -> Mapping[str, msgspec.json.Decoder[Any]]:
    """Return a decoder for each column of transactions, of a list of its values."""
    hints = get_type_hints(Columns, include_extras=True)
    return {name: _decoder(_given(hints[name])) for name in Columns.__struct_fields__}


def last_values(body: bytes) -> bytes:
    """Return a small body with only the last value of each field; raises NotJson.

    A number that Python can't hold becomes a string: no field that is read accepts such a number.
    """
    # The hooks are called for each number: pass them only if a number needs them.
    hooks: Any = {"parse_int": _integer, "parse_float": _float} if _HUGE_NUMBER.search(body) else {}
    try:
        document = json.loads(body.decode(), **hooks)  # `json` also accepts UTF-16: decode first
        return json.dumps(document, ensure_ascii=False).encode()  # encoding fails for lone surrogates
    except (ValueError, RecursionError) as error:
        raise NotJson from error


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= _LONGEST_NUMBER else text


def _float(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


def _description(kind: Any) -> str:
    return next((str(meta.description) for meta in getattr(kind, "__metadata__", ()) if meta.description), "")
