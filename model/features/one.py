"""One customer from Python objects, as a request carries them."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from model.errors import BadField, InputError
from model.features import residence
from model.features.encoded import NEVER, Encoded
from model.features.vocabulary import (
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

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_EPOCH_DAY = _EPOCH.date().toordinal()
_MICROSECOND = dt.timedelta(microseconds=1)
_EARLIEST = -62_135_596_800_000_000  # year 1 in microseconds since 1970
_LATEST = 253_402_300_800_000_000  # year 10,000


@dataclass(frozen=True, slots=True)
class Warned:
    """Something in a request that was understood otherwise than written; `pointer` is an RFC 6901 JSON pointer."""

    code: str
    pointer: str
    detail: str


def encode_customer(
    profile: Mapping[str, object], transactions: Sequence[Mapping[str, object]]
) -> tuple[Encoded, tuple[Warned, ...]]:
    """Encode one customer: the tables' columns as a mapping, and a mapping a transaction row, in any order.

    Times are aware datetimes or integers (microseconds since 1970). An unknown category becomes OTHER, with a warning.
    Raises InputError naming every bad field by its JSON pointer: absent or of a wrong type, a time without a zone, an
    amount that is negative or not finite, a currency other than EUR.
    """
    bad: list[BadField] = []
    warned: list[Warned] = []
    codes = _profile_codes(profile, bad, warned)
    n = len(transactions)
    ids = np.empty(n, np.int64)
    created, completed = np.empty(n, np.int64), np.empty(n, np.int64)
    amount = np.empty(n)
    state, type_, direction = np.empty(n, np.int8), np.empty(n, np.int8), np.empty(n, np.int8)
    numbers: dict[str, int] = {}
    for row, transaction in enumerate(transactions):
        at = f"/transactions/{row}/"
        ids[row] = numbers.setdefault(_text(transaction.get("id"), at + "id", bad), len(numbers))
        state[row] = _event_code(transaction.get("state"), _states(), at + "state", bad, warned)
        type_[row] = _event_code(transaction.get("type"), _types(), at + "type", bad, warned)
        direction[row] = _event_code(transaction.get("direction"), _directions(), at + "direction", bad, warned)
        amount[row] = _amount(transaction.get("amount"), at + "amount", bad)
        created[row] = _time(transaction.get("created_at"), at + "created_at", bad)
        done = transaction.get("completed_at")
        completed[row] = NEVER if done is None else _time(done, at + "completed_at", bad)
        currency = transaction.get("currency", "EUR")
        if currency != "EUR":
            bad.append(BadField(at + "currency", f"{currency!r} is not EUR; convert the amount first"))
    if bad:
        raise InputError(tuple(bad))
    encoded = Encoded(
        offsets=np.array([0, n]),
        ids=ids,
        created=created,
        completed=completed,
        amount=amount,
        state=state,
        type=type_,
        direction=direction,
        profile=np.array([codes], np.int32),
    )
    return encoded, tuple(warned)


def _profile_codes(profile: Mapping[str, object], bad: list[BadField], warned: list[Warned]) -> list[int]:
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
            warned.append(_unknown(f"/profile/{name}", value))
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


def _unknown(pointer: str, value: str) -> Warned:
    return Warned("UNKNOWN_CATEGORY", pointer, f"{value[:60]!r} is not known and was taken as any other")


def _text(value: object, pointer: str, bad: list[BadField]) -> str:
    if isinstance(value, str):
        return value
    bad.append(BadField(pointer, "is missing" if value is None else "must be a string"))
    return ""


def _event_code(value: object, codes: dict[str, int], pointer: str, bad: list[BadField], warned: list[Warned]) -> int:
    if isinstance(value, str):
        code = codes.get(value)
        if code is not None:
            return code
        warned.append(_unknown(pointer, value))
    else:
        bad.append(BadField(pointer, "is missing" if value is None else "must be a string"))
    return len(codes)


def _amount(value: object, pointer: str, bad: list[BadField]) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        bad.append(BadField(pointer, "is missing" if value is None else "must be a number"))
        return 0.0
    if not math.isfinite(value) or value < 0:
        bad.append(BadField(pointer, f"{value} is not an amount: it must be finite and not below 0"))
        return 0.0
    return float(value)


def _time(value: object, pointer: str, bad: list[BadField]) -> int:
    if isinstance(value, dt.datetime):
        if value.tzinfo is None:
            bad.append(BadField(pointer, "has no time zone; write it with Z or an offset"))
            return 0
        return (value - _EPOCH) // _MICROSECOND
    if isinstance(value, int) and not isinstance(value, bool) and _EARLIEST <= value < _LATEST:
        return value
    bad.append(
        BadField(pointer, "is missing" if value is None else "must be a time with a zone or microseconds since 1970")
    )
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
