"""One customer from Python objects, as a request carries them."""

from __future__ import annotations

import datetime as dt
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from customer_risk.model.errors import BadField, InputError
from customer_risk.model.features import residence
from customer_risk.model.features.encoded import GREATEST_AMOUNT, NEVER, Encoded
from customer_risk.model.features.vocabulary import (
    DIRECTIONS,
    FIRST,
    KYC_STATES,
    MISSING,
    OCCUPATIONS,
    OTHER,
    REASONS,
    SCREENING_STATES,
    STATES,
    TYPES,
    UNKNOWN_DAY,
)

_NEEDED = itemgetter("id", "state", "type", "direction", "amount", "created_at")
_FIELDS = itemgetter("id", "state", "type", "direction", "amount", "created_at", "completed_at", "currency")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_EPOCH_DAY = _EPOCH.date().toordinal()
_DAY = 86_400_000_000  # microseconds
_EARLIEST = -62_135_596_800_000_000  # the year 1 in microseconds since 1970
_LATEST = 253_402_300_800_000_000  # the year 10,000


@dataclass(frozen=True, slots=True)
class InputWarning:
    """Something in a request that was understood otherwise than written; `pointer` is an RFC 6901 JSON pointer."""

    code: str
    pointer: str
    detail: str


def encode_customer(
    profile: Mapping[str, object], transactions: Sequence[Mapping[str, object]]
) -> tuple[Encoded, tuple[InputWarning, ...]]:
    """Encode one customer: the tables' columns as a mapping, and a mapping a transaction row, in any order.

    Times are aware datetimes or integers (microseconds since 1970). An unknown category becomes OTHER, with a warning;
    a column that is absent counts as missing. Raises InputError naming every bad field by its JSON pointer: one of a
    wrong type or absent where it must not be, a time without a zone, an amount that is negative or not finite, a
    currency other than EUR.
    """
    bad: list[BadField] = []
    warned: list[InputWarning] = []
    profile_codes = _profile_codes(profile, bad, warned)
    rows = None if bad else _clean_rows(transactions)
    if rows is None:
        rows = _checked_rows(transactions, bad, warned)
    if bad:
        raise InputError(tuple(bad))
    n = len(transactions)
    # One conversion of three columns costs less than three of one.
    times = np.frombuffer(array("q", [*rows.numbers(), *rows.created, *rows.completed]), np.int64)
    codes = np.frombuffer(bytes([*rows.state, *rows.type, *rows.direction]), np.int8)
    encoded = Encoded(
        offsets=np.array([0, n]),
        ids=times[:n],
        created=times[n : 2 * n],
        completed=times[2 * n :],
        amount=np.array(rows.amount, np.float64) + 0.0,  # which makes -0.0 the 0 that it is
        state=codes[:n],
        type=codes[n : 2 * n],
        direction=codes[2 * n :],
        profile=np.array([profile_codes], np.int32),
    )
    return encoded, tuple(warned)


class _Rows(NamedTuple):
    """Transactions' columns, with codes and microseconds."""

    ids: Sequence[str]
    state: Sequence[int]
    type: Sequence[int]
    direction: Sequence[int]
    amount: Sequence[float]
    created: Sequence[int]
    completed: Sequence[int]

    def numbers(self) -> list[int]:
        """Give each id a number, in the order in which they first come."""
        numbers: dict[str, int] = {}
        return [numbers.setdefault(id_, len(numbers)) for id_ in self.ids]


def _clean_rows(transactions: Sequence[Mapping[str, object]]) -> _Rows | None:
    """Take rows in which nothing is out of the ordinary, column by column; None where something is.

    A request holds dozens of rows and hardly ever a bad one, so what is wrong with which is found out separately.
    """
    if not transactions:
        return _Rows([], [], [], [], [], [], [])
    try:
        try:
            columns = zip(*map(_FIELDS, transactions), strict=True)
        except KeyError:  # completed_at and currency may be absent
            columns = zip(*map(_fields, transactions), strict=True)
        ids, state, type_, direction, amount, created, completed, currency = columns
        rows = _Rows(
            ids,
            [*map(_states().__getitem__, state)],  # an unknown one raises
            [*map(_types().__getitem__, type_)],
            [*map(_directions().__getitem__, direction)],
            amount,
            _all_microseconds(created),
            [NEVER if done is None else _microseconds(done) for done in completed],
        )
        odd = {*currency} - {"EUR"} or {*map(type, ids)} - {str} or {*map(type, amount)} - {int, float}
        # One NaN makes the sum NaN, and a comparison with it false.
        return rows if not odd and min(amount) >= 0 and sum(amount) <= GREATEST_AMOUNT else None
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return None


def _fields(row: Mapping[str, object]) -> tuple[object, ...]:
    return (*_NEEDED(row), row.get("completed_at"), row.get("currency", "EUR"))


def _all_microseconds(values: Sequence[Any]) -> Sequence[int]:
    if {*map(type, values)} == {int} and min(values) >= _EARLIEST and max(values) < _LATEST:
        return values
    return [*map(_microseconds, values)]


def _microseconds(value: object) -> int:
    """Turn a time into microseconds since 1970. Raises ValueError or TypeError where it is none."""
    if type(value) is int and _EARLIEST <= value < _LATEST:
        return value
    if not isinstance(value, dt.datetime):
        raise TypeError
    since = value - _EPOCH  # TypeError where the time has no zone
    return since.days * _DAY + since.seconds * 1_000_000 + since.microseconds


def _checked_rows(
    transactions: Sequence[Mapping[str, object]], bad: list[BadField], warned: list[InputWarning]
) -> _Rows:
    """Take rows field by field, noting what is bad and what is unknown."""
    taken: list[tuple[Any, ...]] = []
    for number, row in enumerate(transactions):
        at = f"/transactions/{number}"
        if not isinstance(row, Mapping):
            bad.append(BadField(at, "must be an object"))
            continue
        done = row.get("completed_at")
        taken.append(
            (
                _text(row.get("id"), f"{at}/id", bad),
                _event_code(row.get("state"), _states(), f"{at}/state", bad, warned),
                _event_code(row.get("type"), _types(), f"{at}/type", bad, warned),
                _event_code(row.get("direction"), _directions(), f"{at}/direction", bad, warned),
                _amount(row.get("amount"), f"{at}/amount", bad),
                _time(row.get("created_at"), f"{at}/created_at", bad),
                NEVER if done is None else _time(done, f"{at}/completed_at", bad),
            )
        )
        if row.get("currency", "EUR") != "EUR":
            bad.append(BadField(f"{at}/currency", "must be EUR; convert the amount first"))
    return _Rows(*zip(*taken, strict=True)) if taken else _Rows([], [], [], [], [], [], [])


def _profile_codes(profile: Mapping[str, object], bad: list[BadField], warned: list[InputWarning]) -> list[int]:
    """Codes in the order of vocabulary.PROFILE."""

    def text(name: str) -> str | None:
        value = profile.get(name)
        return None if value is None else _text(value, f"/profile/{name}", bad)

    def category(name: str, codes: dict[str, int]) -> int:
        value = text(name)
        if not value:
            return MISSING
        code = codes.get(value)
        if code is None:
            warned.append(unknown_category(f"/profile/{name}", value))
            return OTHER
        return code

    def flag(name: str) -> int:
        value = profile.get(name)
        if value is not None and not isinstance(value, bool):
            bad.append(BadField(f"/profile/{name}", "must be true, false or null"))
        return residence.UNKNOWN if value is None else int(bool(value))

    country = text("country_of_residence") or None
    reason, occupation, kyc, screening = _profile_vocabularies()
    return [
        residence.utc_offset(country),
        category("reason_to_use_app", reason),
        category("occupation", occupation),
        category("kyc_state", kyc),
        category("screening_state", screening),
        flag("has_biometrics"),
        flag("is_pep"),
        flag("is_adverse_media_minor"),
        residence.phone_mismatch(country, text("phone_number_country_code")),
        residence.document_mismatch(country, text("document_issuing_country")),
        residence.overseas(country),
        residence.foreign_locale(country, text("locale")),
        _birth_day(profile.get("date_of_birth"), bad),
    ]


def _birth_day(value: object, bad: list[BadField]) -> int:
    if value is None:
        return UNKNOWN_DAY
    if isinstance(value, str):
        try:
            value = dt.date.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, dt.date):
        bad.append(BadField("/profile/date_of_birth", "must be a date as 1990-12-31, or null"))
        return UNKNOWN_DAY
    return value.toordinal() - _EPOCH_DAY


def unknown_category(pointer: str, value: str) -> InputWarning:
    """Warn of a category that no vocabulary holds."""
    return InputWarning("UNKNOWN_CATEGORY", pointer, f"{value[:60]!r} is not known and was taken as any other")


def _text(value: object, pointer: str, bad: list[BadField]) -> str:
    if isinstance(value, str):
        return value
    bad.append(BadField(pointer, "is missing" if value is None else "must be a string"))
    return ""


def _event_code(
    value: object, codes: dict[str, int], pointer: str, bad: list[BadField], warned: list[InputWarning]
) -> int:
    name = _text(value, pointer, bad)
    if name in codes:
        return codes[name]
    if isinstance(value, str):
        warned.append(unknown_category(pointer, name))
    return len(codes)


def _amount(value: object, pointer: str, bad: list[BadField]) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        bad.append(BadField(pointer, "is missing" if value is None else "must be a number"))
        return 0.0
    if not 0 <= value <= GREATEST_AMOUNT:
        bad.append(BadField(pointer, "must be finite, not below 0 and no more than a trillion"))
        return 0.0
    return float(value)


def _time(value: object, pointer: str, bad: list[BadField]) -> int:
    try:
        return _microseconds(value)
    except TypeError:
        if value is None:
            detail = "is missing"
        elif isinstance(value, dt.datetime):
            detail = "has no time zone; write it with Z or an offset"
        else:
            detail = "must be a time with a zone, or microseconds since 1970"
        bad.append(BadField(pointer, detail))
        return 0


@cache
def _states() -> dict[str, int]:
    return {name: code for code, name in enumerate(STATES)}


@cache
def _types() -> dict[str, int]:
    return {name: code for code, name in enumerate(TYPES)}


@cache
def _directions() -> dict[str, int]:
    return {name: code for code, name in enumerate(DIRECTIONS)}


@cache
def _profile_vocabularies() -> tuple[dict[str, int], ...]:
    return tuple(
        {name: FIRST + code for code, name in enumerate(names)}
        for names in (REASONS, OCCUPATIONS, KYC_STATES, SCREENING_STATES)
    )
