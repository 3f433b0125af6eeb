"""Facts about countries by ISO 3166 code, from countries.csv.

`utc_offset` is the standard time (no daylight saving) in minutes east of UTC, from the IANA time zone database, 2026
edition. A country with several zones has the zone where most of its people live (US: New York, CA: Toronto, RU: Moscow,
BR: Sao Paulo, AU: Sydney, MX: Mexico City, ID: Jakarta, CD: Kinshasa, and elsewhere the capital's). Overseas
territories have their own. Daylight saving is left out because a customer's dates that are shifted by whole weeks must
give the same nights. `calling_code` is the code of ITU E.164. `documents_of` is the country whose documents the people
of a territory have; it is empty for a country.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

from customer_risk.model.csv_records import csv_reader


class Country(NamedTuple):
    """One row of countries.csv."""

    utc_offset: int
    calling_code: str
    documents_of: str


@cache
def countries() -> dict[str, Country]:
    """Return all countries and territories."""
    with Path(__file__).with_suffix(".csv").open(encoding="ascii", newline="") as file:
        rows = list(csv_reader(file))[1:]
    return {
        code: Country(int(utc_offset), calling_code, documents_of)
        for code, utc_offset, calling_code, documents_of in rows
    }
