"""Facts about countries, compared with the time zone database."""

from __future__ import annotations

import datetime as dt
from importlib import resources
from zoneinfo import ZoneInfo

from customer_risk.model.features.countries import countries

# The database lists the zone of XK under another country.
WITHOUT_ZONE = {"XK"}


def test_every_country_has_the_offset_of_one_of_its_zones() -> None:
    """Each country of the database has the standard offset of one of its zones, except Antarctica."""
    zones: dict[str, list[str]] = {}
    for line in resources.files("tzdata.zoneinfo").joinpath("zone.tab").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            country, _, zone = line.split("\t")[:3]
            zones.setdefault(country, []).append(zone)
    assert zones.keys() - {"AQ"} == countries().keys() - WITHOUT_ZONE
    for code, country in countries().items():
        if code not in WITHOUT_ZONE:
            assert country.utc_offset in {_standard(zone) for zone in zones[code]}, code


def test_each_country_is_listed_once_with_known_documents() -> None:
    """Codes occur once, sorted; a territory has the documents of a listed country that is no territory."""
    known = countries()
    rows = resources.files("customer_risk.model.features").joinpath("countries.csv").read_text("ascii").splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == sorted(known)
    assert {known[country.documents_of].documents_of for country in known.values() if country.documents_of} == {""}


def _standard(zone: str) -> int:
    """Return the lesser of a zone's offsets in January and July: its standard time in either hemisphere."""
    moments = (dt.datetime(2026, month, 1, tzinfo=ZoneInfo(zone)) for month in (1, 7))
    return min(int(offset.total_seconds() // 60) for moment in moments if (offset := moment.utcoffset()) is not None)
