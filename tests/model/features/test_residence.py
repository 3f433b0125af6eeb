"""The comparison of a residence with a phone, a document and a locale."""

from __future__ import annotations

import pytest

from customer_risk.model.features import residence
from customer_risk.model.features.residence import UNKNOWN
from customer_risk.model.features.vocabulary import UNKNOWN_OFFSET


@pytest.mark.parametrize(
    ("country", "minutes"),
    [
        ("FR", 60),
        ("PF", -600),
        ("NC", 660),
        ("YT", 180),
        ("RE", 240),
        ("GP", -240),
        ("GF", -180),
        ("IN", 330),
        ("US", -300),
    ],
)
def test_offsets_are_standard_time(country: str, minutes: int) -> None:
    """Each country and each territory has its own standard offset."""
    assert residence.utc_offset(country) == minutes


@pytest.mark.parametrize("country", [None, "", "ZZ", "fr"])
def test_unknown_residences_have_no_zone(country: str | None) -> None:
    """An unknown country has no zone."""
    assert residence.utc_offset(country) == UNKNOWN_OFFSET


@pytest.mark.parametrize(
    ("country", "phone", "mismatch"),
    [
        ("FR", "+33", 0),
        ("PF", "+68", 0),
        ("NC", "+687", 0),
        ("FR", "+68", 0),
        ("RE", "+26", 0),
        ("GP", "+59", 0),
        ("PF", "+33", 0),
        ("FR", "+44", 1),
        ("GB", "+44", 0),
        ("PT", "+35", 0),
        ("US", "+12", 0),
        ("FR", "0033", 0),
        ("FR", "", UNKNOWN),
        ("FR", None, UNKNOWN),
        (None, "+33", UNKNOWN),
        ("ZZ", "+33", UNKNOWN),
    ],
)
def test_phone_codes_are_compared_by_prefix(country: str | None, phone: str | None, mismatch: int) -> None:
    """A code cut to two digits matches any longer one of the residence's country or its territories."""
    assert residence.phone_mismatch(country, phone) == mismatch


@pytest.mark.parametrize(
    ("country", "document", "mismatch"),
    [("FR", "FR", 0), ("PF", "FR", 0), ("FR", "PF", 0), ("FR", "PT", 1), ("FR", None, UNKNOWN), (None, "FR", UNKNOWN)],
)
def test_territories_have_their_countrys_documents(country: str | None, document: str | None, mismatch: int) -> None:
    """A French document in an overseas territory is no mismatch; a Portuguese one in France is."""
    assert residence.document_mismatch(country, document) == mismatch


@pytest.mark.parametrize(("country", "overseas"), [("PF", 1), ("WF", 1), ("FR", 0), ("PT", 0), (None, UNKNOWN)])
def test_only_territories_are_overseas(country: str | None, overseas: int) -> None:
    """A territory is overseas, its country isn't."""
    assert residence.overseas(country) == overseas


@pytest.mark.parametrize(
    ("country", "locale", "foreign"),
    [
        ("FR", "fr_FR", 0),
        ("PF", "fr_FR", 0),
        ("FR", "fr-PF", 0),
        ("FR", "en_US", 1),
        ("FR", "zh_Hans_CN", 1),
        ("FR", "en_001", UNKNOWN),
        ("FR", "fr", UNKNOWN),
        ("FR", None, UNKNOWN),
        (None, "fr_FR", UNKNOWN),
    ],
)
def test_locales_are_compared_by_country(country: str | None, locale: str | None, foreign: int) -> None:
    """A locale is foreign if its territory belongs to another country; a world region is unknown."""
    assert residence.foreign_locale(country, locale) == foreign
