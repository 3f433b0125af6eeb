"""What a profile's country, phone, document and locale say together; used for one customer and for tables alike."""

from __future__ import annotations

from functools import cache

from customer_risk.model.features.countries import CALLING_CODES, STANDARD_OFFSETS, TERRITORIES
from customer_risk.model.features.vocabulary import UNKNOWN_OFFSET

UNKNOWN = -1  # a flag whose columns are missing


def utc_offset(residence: str | None) -> int:
    """Minutes east of UTC of the residence's standard time; UNKNOWN_OFFSET where the country is missing or unknown."""
    return UNKNOWN_OFFSET if residence is None else _offsets().get(residence, UNKNOWN_OFFSET)


def phone_mismatch(residence: str | None, phone: str | None) -> int:
    """1 where the phone's code belongs to no territory of the residence's country, 0 where it may, -1 where unknown.

    Codes may be cut short ('+68' stands for 687 and 689), so the shorter one is compared as a prefix of the longer.
    """
    digits = "".join(filter(str.isdigit, phone or "")).removeprefix("00")
    codes = _codes().get(sovereign(residence)) if residence else None
    if not digits or not codes:
        return UNKNOWN
    return 0 if any(code.startswith(digits) or digits.startswith(code) for code in codes) else 1


def document_mismatch(residence: str | None, document: str | None) -> int:
    """1 where the document was issued by another country than the residence's, 0 where not, -1 where unknown.

    Overseas territories carry their country's documents, so a French document in PF is no mismatch.
    """
    if not residence or not document:
        return UNKNOWN
    return int(sovereign(residence) != sovereign(document))


def overseas(residence: str | None) -> int:
    """1 where the residence is an overseas territory, 0 where not, -1 where unknown."""
    return int(sovereign(residence) != residence) if residence else UNKNOWN


def foreign_locale(residence: str | None, locale: str | None) -> int:
    """1 where the locale's territory is of another country than the residence, 0 where not, -1 where unknown.

    A locale without a territory ('fr'), or with a world region ('en_001'), says nothing.
    """
    territory = (locale or "").replace("-", "_").rpartition("_")[2]
    if not residence or len(territory) != 2 or not territory.isupper():
        return UNKNOWN
    return int(sovereign(residence) != sovereign(territory))


def sovereign(country: str) -> str:
    """Return the country whose documents this country's or territory's people carry."""
    return _sovereigns().get(country, country)


@cache
def _offsets() -> dict[str, int]:
    return {country: minutes for minutes, countries in STANDARD_OFFSETS.items() for country in countries.split()}


@cache
def _sovereigns() -> dict[str, str]:
    return {territory: country for country, territories in TERRITORIES.items() for territory in territories.split()}


@cache
def _codes() -> dict[str, frozenset[str]]:
    """Map a country to the calling codes of it and all of its territories."""
    codes: dict[str, set[str]] = {}
    for code, countries in CALLING_CODES.items():
        for country in countries.split():
            codes.setdefault(sovereign(country), set()).add(code)
    return {country: frozenset(found) for country, found in codes.items()}
