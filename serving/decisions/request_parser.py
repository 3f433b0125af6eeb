"""Parses requests: a valid request in one pass, an invalid one field by field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from customer_risk.model.errors import InputError
from customer_risk.model.features.columns import History, Person
from customer_risk.model.features.input_warning import InputWarning
from customer_risk.model.features.timestamps import read_timestamps
from customer_risk.serving.contract import json_scanner
from customer_risk.serving.contract.byte_order_mark import without_mark
from customer_risk.serving.contract.json_scanner import NotJson, Span
from customer_risk.serving.contract.malformed import not_json
from customer_risk.serving.contract.request import (
    Columns,
    LargeRequest,
    LenientRequest,
    RiskRequest,
    Transaction,
    decode_hook,
)
from customer_risk.serving.decisions.input_warnings import (
    by_column,
    find_input_warnings,
    history_cut,
    left_out,
    profile_left_out,
    unknown_fields,
)
from customer_risk.serving.decisions.validation import FieldRepeated, column_decoders, find_faults, last_values
from customer_risk.serving.errors import MalformedBody
from customer_risk.serving.offload import MOST_ON_LOOP

_rows: Final = msgspec.json.Decoder(list[Transaction])
_NO_VALUES: Final = np.empty(0)
_PERSON: Final = attrgetter(*Person._fields)


@dataclass(slots=True, eq=False)  # not frozen: that would triple the cost of creating one
class ParsedRequest:
    """A valid request, and the warnings that its parsing found.

    It has a `person` and a `history`, or features: `values` float64[f] in the model's order, NaN where missing.
    Pointers in `warnings` are by row; `as_sent` converts them if the transactions were sent `in_columns`.
    """

    customer_id: str
    person: Person | None
    history: History | None
    values: NDArray[np.float64]
    warnings: tuple[InputWarning, ...]
    in_columns: bool = False
    history_complete: bool = True

    def as_sent(self, warnings: Sequence[InputWarning]) -> tuple[InputWarning, ...]:
        """Return the warnings with pointers by row or by column, as the transactions were sent."""
        return tuple(by_column(each) for each in warnings) if self.in_columns else tuple(warnings)


class RequestParser:
    """Parses requests for a model with the features `wanted`, of the `known` ones.

    With `wanted` None, as for rules, any of the known features may be given.
    """

    def __init__(self, *, known: Sequence[str], wanted: Sequence[str] | None) -> None:
        self._known = frozenset(known)
        self._required = tuple(wanted or ())
        self.names = tuple(known if wanted is None else wanted)
        # With one name, itemgetter returns no tuple.
        self._values = itemgetter(*self._required) if len(self._required) > 1 else self._one_by_one
        self._decoder = msgspec.json.Decoder(RiskRequest, dec_hook=decode_hook)
        self._large_decoder = msgspec.json.Decoder(LargeRequest, dec_hook=decode_hook)
        self._lenient_decoder = msgspec.json.Decoder(LenientRequest, dec_hook=decode_hook)

    def read(self, body: bytes, *, now: float, at: str = "") -> ParsedRequest:
        """Return the parsed body; `at` points at it within its call; `now` is in seconds since 1970.

        Raises MalformedBody, or InputError naming every bad field.
        """
        body = without_mark(body)
        try:
            small = len(body) <= MOST_ON_LOOP
            request = self._decoder.decode(body) if small else _with_rows(self._large_decoder.decode(body))
            read = self._read(request, now)
        except msgspec.ValidationError:
            read = None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return self._slowly(body, now=now, at=at, cause=error)
        return read or self._slowly(body, now=now, at=at)

    def _leniently(self, body: bytes) -> Any:
        """Decode a body whose only faults are unknown fields, or fields that occur again with a valid value."""
        try:
            return _with_rows(self._lenient_decoder.decode(body))
        except msgspec.DecodeError as error:
            if len(body) > MOST_ON_LOOP:
                if isinstance(error, msgspec.ValidationError):
                    raise FieldRepeated from error
                raise
        return _with_rows(self._lenient_decoder.decode(last_values(body)))

    def _read(self, request: RiskRequest, now: float) -> ParsedRequest | None:
        """Return the request if it passes the checks that types can't express, else None."""
        profile, sent, given = request.profile, request.transactions, request.features
        if given is not UNSET:
            if profile is not UNSET or sent is not UNSET:
                return None
            return self._read_features(request, given)
        if profile is UNSET or sent is UNSET:
            return None
        try:
            history, left = _from_columns(sent) if isinstance(sent, Columns) else _from_rows(sent)
        except ValueError:  # an invalid time, columns of different lengths
            return None
        fields = _PERSON(profile)
        if UNSET in fields:
            left += _absent(tuple(each is UNSET for each in fields))
            fields = tuple(None if each is UNSET else each for each in fields)
        if request.history_complete is UNSET:
            left += (left_out("/history_complete", "true"),)
        caveats = find_input_warnings(history, complete=request.history_complete is not False, now=now)
        person = Person._make(fields)
        complete = request.history_complete is not False
        return ParsedRequest(
            request.customer_id, person, history, _NO_VALUES, left + caveats, isinstance(sent, Columns), complete
        )

    def _read_features(self, request: RiskRequest, given: dict[str, float | None]) -> ParsedRequest | None:
        try:
            values = np.array(self._values(given), np.float64)  # None becomes NaN
        except KeyError:
            return None
        if len(given) != len(self._required) and not self._known.issuperset(given):
            return None
        complete = request.history_complete is not False
        warnings = () if complete else (history_cut(),)
        return ParsedRequest(request.customer_id, None, None, values, warnings, history_complete=complete)

    def _one_by_one(self, given: dict[str, float | None]) -> tuple[float | None, ...]:
        if not self._required:
            return tuple(given.get(name) for name in self.names)
        return tuple(given[name] for name in self._required)

    def _slowly(self, body: bytes, *, now: float, at: str = "", cause: Exception | None = None) -> ParsedRequest:
        try:
            faults = find_faults(body, known=self._known, wanted=self._required, at=at)
            if faults.bad:
                raise InputError(tuple(faults.bad))
            # Only unknown or repeated fields are left as faults. Without them, the fast pass must succeed.
            read = self._read(self._leniently(body), now)
        except FieldRepeated as error:
            raise MalformedBody(
                "An object has the same field more than once, with an invalid value.", remedy="Send each field once."
            ) from error
        except NotJson as error:
            raise not_json(body, cause or _cause(body)) from error
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise not_json(body, error) from error
        if read is None:
            raise AssertionError("the two passes disagree on whether the request is valid")
        unknown = unknown_fields((pointer.removeprefix(at) for pointer in faults.unknown), more=faults.more_unknown)
        return _with(read, unknown) if unknown else read


def _with_rows(request: Any) -> Any:
    """Decode a request's transactions in parts, so that other threads can run in between."""
    text = request.transactions
    if text is UNSET:
        return request
    sent: Any = []
    within = Span(0, len(text := bytes(text)))
    if text[:1] == b"[":
        for found in json_scanner.elements(text, within):
            sent += _rows.decode(b"[%b]" % text[found[0, 0] : found[-1, 1]])
    elif text[:1] == b"{":
        sent = _columns(text, within)
    else:
        raise msgspec.ValidationError("Expected rows or columns")
    return msgspec.structs.replace(request, transactions=sent)


def _columns(text: bytes, within: Span) -> Columns:
    columns: dict[str, list[Any]] = {}
    for name, span in json_scanner.members(text, within):
        if name not in Columns.__struct_fields__:
            continue
        if text[span.begin : span.begin + 1] != b"[":
            raise msgspec.ValidationError("Expected a list")
        columns[name] = []
        for found in json_scanner.elements(text, span):
            part = b"[%b]" % text[found[0, 0] : found[-1, 1]]
            columns[name] += column_decoders()[name].decode(part)
    try:
        return Columns(**columns)
    except TypeError as error:
        raise msgspec.ValidationError("A column is missing") from error


def _with(read: ParsedRequest, unknown: Sequence[InputWarning]) -> ParsedRequest:
    return replace(read, warnings=(*unknown, *read.warnings))


@lru_cache(maxsize=4096)
def _absent(missing: tuple[bool, ...]) -> tuple[InputWarning, ...]:
    """Return the warning about a profile's missing fields, cached because few combinations occur."""
    return (profile_left_out([name for name, each in zip(Person._fields, missing, strict=True) if each]),)


def _from_rows(rows: list[Transaction]) -> tuple[History, tuple[InputWarning, ...]]:
    """Turn rows into columns; raises ValueError for an invalid time."""
    if not rows:
        return _history((), (), (), (), (), (), ()), ()
    columns: Any = zip(*map(msgspec.structs.astuple, rows), strict=True)
    ids, state, type_, amount, direction, created, completed, currency = columns
    left: tuple[InputWarning, ...] = ()
    if not all(completed) and UNSET in completed:
        left += (left_out(f"/transactions/{completed.index(UNSET)}/completed_at", "not completed"),)
        completed = [None if each is UNSET else each for each in completed]
    if currency.count("EUR") != len(rows):
        left += (left_out(f"/transactions/{currency.index(UNSET)}/currency", "EUR"),)
    return _history(ids, state, type_, direction, amount, created, completed), left


def _from_columns(sent: Columns) -> tuple[History, tuple[InputWarning, ...]]:
    """Return columns' history; raises ValueError for different lengths or an invalid time."""
    if len(set(sent.lengths().values())) > 1:
        raise ValueError("columns of different lengths")
    completed: Sequence[str | None] | UnsetType = sent.completed_at
    left: tuple[InputWarning, ...] = ()
    if completed is UNSET:
        completed = [None] * len(sent.id)
        left += (left_out("/transactions/completed_at", "not completed"),)
    if sent.currency is UNSET:
        left += (left_out("/transactions/currency", "EUR"),)
    return _history(sent.id, sent.state, sent.type, sent.direction, sent.amount, sent.created_at, completed), left


def _history(
    ids: Sequence[str],
    state: Sequence[str],
    type_: Sequence[str],
    direction: Sequence[str],
    amount: Sequence[float],
    created: Sequence[str],
    completed: Sequence[str | None],
) -> History:
    moments = read_timestamps(created, completed)
    rows = len(ids)
    return History(ids, state, type_, direction, amount, moments[:rows], moments[rows:], len(set(ids)) == rows)


def _cause(body: bytes) -> Exception:
    """Return a decoder's error for a text that isn't JSON."""
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return error
    return ValueError("a value can't be read")
