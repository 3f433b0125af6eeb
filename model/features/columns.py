"""Encodes one customer from the validated columns of a request."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from operator import itemgetter
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from customer_risk.model.features import residence
from customer_risk.model.features.encoded import Encoded
from customer_risk.model.features.input_warning import InputWarning, unknown_category
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

_EPOCH_DAY: Final = dt.date(1970, 1, 1).toordinal()
_CATEGORIES: Final = (
    ("reason_to_use_app", REASONS),
    ("occupation", OCCUPATIONS),
    ("kyc_state", KYC_STATES),
    ("screening_state", SCREENING_STATES),
)
_FLAG: Final = {None: residence.UNKNOWN, False: 0, True: 1}


class Person(NamedTuple):
    """A profile; a field that is unknown is None."""

    reason_to_use_app: str | None
    occupation: str | None
    kyc_state: str | None
    screening_state: str | None
    has_biometrics: bool | None
    is_pep: bool | None
    is_adverse_media_minor: bool | None
    country_of_residence: str | None
    phone_number_country_code: str | None
    document_issuing_country: str | None
    locale: str | None
    date_of_birth: dt.date | None


class History(NamedTuple):
    """Columns of transactions, all of the same length: amounts in EUR, 0 or more; times in microseconds since 1970.

    `completed` is model.features.encoded.NEVER for a transaction that didn't complete. `distinct` is true if no id is
    repeated.
    """

    ids: Sequence[str]
    state: Sequence[str]
    type: Sequence[str]
    direction: Sequence[str]
    amount: Sequence[float]
    created: NDArray[np.int64]
    completed: NDArray[np.int64]
    distinct: bool


def encode_columns(person: Person, history: History) -> tuple[Encoded, tuple[InputWarning, ...]]:
    """Encode one customer; an unknown category becomes OTHER, with a warning that points to its row.

    The caller must have checked the types and bounds of the values.
    """
    profile, warned = encode_person(person)
    rows = len(history.ids)
    try:
        coded = _codes(history)
    except KeyError:
        coded, unknown = _with_unknown(history)
        warned = (*warned, *unknown)
    codes = np.frombuffer(coded, np.int8)
    encoded = Encoded(
        offsets=_offsets(rows),
        ids=_growing(rows) if history.distinct else _numbers(history.ids),
        created=history.created,
        completed=history.completed,
        amount=np.array(history.amount, np.float64),
        state=codes[:rows],
        type=codes[rows : 2 * rows],
        direction=codes[2 * rows :],
        profile=profile,
    )
    return encoded, warned


def encode_person(person: Person) -> tuple[NDArray[np.int32], tuple[InputWarning, ...]]:
    """Return a profile's codes int32[1, len(PROFILE)], and a warning for each unknown category."""
    *categories, biometrics, pep, media, country, phone, document, locale, born = person
    codes, warned = _categories(*categories)
    offset, *flags = _residence(country, phone, document, locale)
    day = UNKNOWN_DAY if born is None else born.toordinal() - _EPOCH_DAY
    row = (offset, *codes, _FLAG[biometrics], _FLAG[pep], _FLAG[media], *flags, day)
    return np.array((row,), np.int32), warned


def _numbers(ids: Sequence[str]) -> NDArray[np.int64]:
    """Return a number for each id: equal ids get equal numbers."""
    last = dict(zip(ids, range(len(ids)), strict=True))
    return np.array([*map(last.__getitem__, ids)], np.int64)


@lru_cache(maxsize=256)
def _growing(rows: int) -> NDArray[np.int64]:
    """Return ascending numbers for rows with distinct ids; the kernel does not collapse such rows."""
    return np.arange(rows)


@lru_cache(maxsize=256)
def _offsets(rows: int) -> NDArray[np.int64]:
    return np.array([0, rows])


def _codes(history: History) -> bytes:
    """Return the codes of state, type and direction, one column after the other; KeyError for an unknown category."""
    states, types, directions = _vocabularies()
    if len(history.ids) < 2:
        one = (*map(states.__getitem__, history.state), *map(types.__getitem__, history.type))
        return bytes((*one, *map(directions.__getitem__, history.direction)))
    # `itemgetter` with all keys takes half the time of one look-up a key.
    return bytes(
        itemgetter(*history.state)(states)
        + itemgetter(*history.type)(types)
        + itemgetter(*history.direction)(directions)
    )


def _with_unknown(history: History) -> tuple[bytes, list[InputWarning]]:
    columns = (("state", history.state), ("type", history.type), ("direction", history.direction))
    known = _vocabularies()
    codes = [codes.get(name, len(codes)) for codes, (_, names) in zip(known, columns, strict=True) for name in names]
    warned = [
        unknown_category(f"/transactions/{row}/{field}", names[row])
        for row in range(len(history.ids))
        for codes, (field, names) in zip(known, columns, strict=True)
        if names[row] not in codes
    ]
    return bytes(codes), warned


@cache
def _vocabularies() -> tuple[Mapping[str, int], ...]:
    return tuple({name: code for code, name in enumerate(names)} for names in (STATES, TYPES, DIRECTIONS))


@lru_cache(maxsize=4096)
def _categories(*words: str | None) -> tuple[tuple[int, ...], tuple[InputWarning, ...]]:
    """Return the codes of a profile's categories; cached because few combinations occur."""
    codes, warned = [], []
    for word, (name, known) in zip(words, _CATEGORIES, strict=True):
        if not word:
            codes.append(MISSING)
        elif word in known:
            codes.append(FIRST + known.index(word))
        else:
            codes.append(OTHER)
            warned.append(unknown_category(f"/profile/{name}", word))
    return tuple(codes), tuple(warned)


@lru_cache(maxsize=4096)
def _residence(country: str | None, phone: str | None, document: str | None, locale: str | None) -> tuple[int, ...]:
    country = country or None
    return (
        residence.utc_offset(country),
        residence.phone_mismatch(country, phone),
        residence.document_mismatch(country, document),
        residence.overseas(country),
        residence.foreign_locale(country, locale),
    )
