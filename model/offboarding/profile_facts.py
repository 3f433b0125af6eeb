"""A customer's profile as an analyst reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    import polars as pl

NOT_GIVEN: Final = "not given"
# Columns of the users table that an analyst sees, with their names in English. Gender and date of birth are left out:
# no decision may rest on them.
LABELS: Final = {
    "country_of_residence": "Country of residence",
    "occupation": "Occupation",
    "kyc_state": "KYC state",
    "screening_state": "Screening state",
    "reason_to_use_app": "Reason for the account",
    "document_issuing_country": "Document issued in",
    "phone_number_country_code": "Phone prefix",
    "locale": "Language of the device",
    "has_biometrics": "Fingerprint or face login",
    "is_pep": "Politically exposed person",
    "is_adverse_media_minor": "Minor adverse media",
}


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One named value of a profile or a history, in words."""

    name: str
    value: str


def profile_facts(customers: pl.DataFrame) -> dict[str, tuple[Fact, ...]]:
    """Return each customer's profile. A missing value is "not given", also if the tables lack the whole column."""
    there = [name for name in LABELS if name in customers.columns]
    return {
        row["customer_id"]: tuple(Fact(name=label, value=_worded(row.get(name))) for name, label in LABELS.items())
        for row in customers.select("customer_id", *there).iter_rows(named=True)
    }


def _worded(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if value not in (None, "") else NOT_GIVEN
