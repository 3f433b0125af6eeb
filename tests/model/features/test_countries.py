"""Facts about countries, against the time zone database."""

from __future__ import annotations

import datetime as dt
from importlib import resources
from zoneinfo import ZoneInfo

from customer_risk.model.features.countries import CALLING_CODES, STANDARD_OFFSETS, TERRITORIES

# Where few people live, or whose zone the database lists under the country that claims them.
WITHOUT_ZONE = {"XK"}


def countries(facts: dict[int, str] | dict[str, str]) -> list[str]:
    """List every country that a table names."""
    return [country for named in facts.values() for country in named.split()]


def test_each_country_stands_once() -> None:
    """No country has two offsets, two countries or two calling codes."""
    for facts in (STANDARD_OFFSETS, TERRITORIES, CALLING_CODES):
        assert len(countries(facts)) == len(set(countries(facts)))


def test_every_country_of_the_zone_database_has_an_offset_that_it_uses() -> None:
    """Each inhabited country of the database is here, with the standard offset of one of its zones."""
    zones: dict[str, list[str]] = {}
    for line in resources.files("tzdata.zoneinfo").joinpath("zone.tab").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            country, _, zone = line.split("\t")[:3]
            zones.setdefault(country, []).append(zone)
    offsets = {country: minutes for minutes, named in STANDARD_OFFSETS.items() for country in named.split()}
    assert zones.keys() - {"AQ"} == offsets.keys() - WITHOUT_ZONE
    for country, minutes in offsets.items():
        if country not in WITHOUT_ZONE:
            assert minutes in {_standard(zone) for zone in zones[country]}, country


def test_territories_and_calling_codes_are_of_known_countries() -> None:
    """Whatever has a calling code or a country of its own has a zone, but for uninhabited islands."""
    known = set(countries(STANDARD_OFFSETS))
    assert set(countries(CALLING_CODES)) - known <= {"TF"}
    assert set(TERRITORIES) | set(countries(TERRITORIES)) - {"TF"} <= known


def _standard(zone: str) -> int:
    """Give the lesser of a zone's offsets in January and July 2026, which is its standard time in either hemisphere."""
    moments = (dt.datetime(2026, month, 1, tzinfo=ZoneInfo(zone)) for month in (1, 7))
    return min(int(offset.total_seconds() // 60) for moment in moments if (offset := moment.utcoffset()) is not None)
