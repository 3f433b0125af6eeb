"""Compares a profile's country with its phone, document and locale, for one customer and for tables.

The functions that return a flag return 1 for yes, 0 for no, and UNKNOWN if a value is missing or unknown.
"""

from __future__ import annotations

from functools import cache

from customer_risk.model.features.countries import countries
from customer_risk.model.features.vocabulary import UNKNOWN_OFFSET

UNKNOWN = -1  # a flag whose columns are missing


def utc_offset(residence: str | None) -> int:
    """Return the residence's standard time in minutes east of UTC; UNKNOWN_OFFSET if the country is unknown."""
    country = countries().get(residence or "")
    return country.utc_offset if country else UNKNOWN_OFFSET


def phone_mismatch(residence: str | None, phone: str | None) -> int:
    """Whether the phone's code belongs to no territory of the residence's country.

    Codes may be cut short ('+68' for 687 or 689), so the shorter code is compared as a prefix of the longer one.
    """
    digits = "".join(filter(str.isdigit, phone or "")).removeprefix("00")
    codes = _codes().get(sovereign(residence)) if residence else None
    if not digits or not codes:
        return UNKNOWN
    return 0 if any(code.startswith(digits) or digits.startswith(code) for code in codes) else 1


def document_mismatch(residence: str | None, document: str | None) -> int:
    """Whether another country than the residence's issued the document.

    Overseas territories have their country's documents: a French document in PF is not a mismatch.
    """
    if not residence or not document:
        return UNKNOWN
    return int(sovereign(residence) != sovereign(document))


def overseas(residence: str | None) -> int:
    """Whether the residence is an overseas territory."""
    return int(sovereign(residence) != residence) if residence else UNKNOWN


def foreign_locale(residence: str | None, locale: str | None) -> int:
    """Whether the locale's territory belongs to another country than the residence.

    The country of a locale without a territory ('fr'), or with a world region ('en_001'), is unknown.
    """
    territory = (locale or "").replace("-", "_").rpartition("_")[2]
    if not residence or len(territory) != 2 or not territory.isupper():
        return UNKNOWN
    return int(sovereign(residence) != sovereign(territory))


def sovereign(code: str) -> str:
    """Return the country whose documents the people of a country or territory have."""
    country = countries().get(code)
    return country.documents_of or code if country else code


@cache
def _codes() -> dict[str, frozenset[str]]:
    """Map each country to the calling codes of the country and all of its territories."""
    codes: dict[str, set[str]] = {}
    for code, country in countries().items():
        codes.setdefault(country.documents_of or code, set()).add(country.calling_code)
    return {country: frozenset(found - {""}) for country, found in codes.items()}
