"""The rules that tables are held to: a name, a layer and a sentence for each, and what happens to a row that fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Layer = Literal["types", "ranges", "business"]
Kind = Literal["users", "transactions"]
FIELD_COUNT: Final = "field_count_matches"
OWNER_KNOWN: Final = "owner_is_known"  # a row that fails it may be valid, of a customer in other tables


@dataclass(frozen=True, slots=True)
class Check:
    """One rule of one kind of table.

    `key` is the name that dataframely gives it (model.tables.schema); None for those that reading or the whole table
    decides. `columns` are shown as the failing value. Cleaning sets a failing row aside where `sets_aside`; else it is
    kept: the kernel takes an unknown category as OTHER, as it does online.
    """

    name: str
    kind: Kind
    layer: Layer
    key: str | None
    columns: tuple[str, ...]
    sentence: str
    sets_aside: bool = False


def _present(kind: Kind, column: str, *, sets_aside: bool = True) -> Check:
    key = f"{column}|nullability"
    return Check(f"{column}_present", kind, "types", key, (column,), f"{column} has a value", sets_aside)


def _readable(kind: Kind, column: str, form: str, *, sets_aside: bool) -> Check:
    return Check(f"{column}_readable", kind, "types", None, (column,), f"{column} is {form}", sets_aside)


def _known(kind: Kind, column: str, *, sets_aside: bool = False) -> Check:
    key = f"{column}|check__known"
    sentence = f"{column} is one of the known values"
    return Check(f"{column}_known", kind, "ranges", key, (column,), sentence, sets_aside)


def _formed(column: str, form: str) -> Check:
    key = f"{column}|check__formed"
    return Check(f"{column}_formed", "users", "ranges", key, (column,), f"{column} is {form}")


def _plausible(kind: Kind, column: str, years: str, *, sets_aside: bool) -> Check:
    key = f"{column}|check__plausible"
    sentence = f"{column} lies in the years {years}"
    return Check(f"{column}_plausible", kind, "ranges", key, (column,), sentence, sets_aside)


def _field_count(kind: Kind) -> Check:
    sentence = "a record of a CSV file has as many fields as its header"
    return Check(FIELD_COUNT, kind, "types", None, (), sentence, sets_aside=True)


_FLAG: Final = "TRUE or FALSE"
_TIME: Final = "a time such as 2024-08-26 10:33:50.62 UTC or 2024-08-26T10:33:50Z"

CHECKS: Final = (
    _field_count("users"),
    _present("users", "customer_id"),
    _present("users", "label", sets_aside=False),
    _readable("users", "has_biometrics", _FLAG, sets_aside=False),
    _readable("users", "is_pep", _FLAG, sets_aside=False),
    _readable("users", "is_adverse_media_minor", _FLAG, sets_aside=False),
    _readable("users", "date_of_birth", "a date such as 1990-01-31", sets_aside=False),
    _known("users", "label"),
    _known("users", "reason_to_use_app"),
    _known("users", "occupation"),
    _known("users", "kyc_state"),
    _known("users", "screening_state"),
    _formed("country_of_residence", "a country code of two letters"),
    _formed("document_issuing_country", "a country code of two letters"),
    _formed("phone_number_country_code", "'+' and one to three digits"),
    _formed("locale", "a language and a territory, such as fr_FR"),
    _plausible("users", "date_of_birth", "1900 to 2019", sets_aside=False),
    Check(
        "one_cohort",
        "users",
        "business",
        "one_cohort",
        ("customer_id",),
        "a customer is among the users of one cohort only",
    ),
    Check(
        "label_rate_in_bounds",
        "users",
        "business",
        None,
        ("label",),
        "the share of customers ever SUSPENDED lies in the configured bounds (checks.label_rate)",
    ),
    _field_count("transactions"),
    _present("transactions", "id"),
    _present("transactions", "customer_id"),
    _present("transactions", "state"),
    _present("transactions", "type"),
    _present("transactions", "direction"),
    _present("transactions", "amount"),
    _present("transactions", "currency"),
    _present("transactions", "created_at"),
    _readable("transactions", "amount", "a number", sets_aside=True),
    _readable("transactions", "created_at", _TIME, sets_aside=True),
    _readable("transactions", "completed_at", _TIME, sets_aside=True),
    _known("transactions", "state"),
    _known("transactions", "type"),
    _known("transactions", "direction", sets_aside=True),  # requests refuse it: there is no other direction
    Check(
        "amount_usable",
        "transactions",
        "ranges",
        "amount|check__usable",
        ("amount",),
        "amount is finite and not negative",
        sets_aside=True,
    ),
    _plausible("transactions", "created_at", "2000 to 2099", sets_aside=True),
    _plausible("transactions", "completed_at", "2000 to 2099", sets_aside=True),
    Check(
        "currency_is_eur",
        "transactions",
        "business",
        "currency|check__known",
        ("currency", "amount", "created_at"),
        "currency is EUR, or a rate of the mapping converts it to EUR",
        sets_aside=True,
    ),
    Check(
        "completes_after_creation",
        "transactions",
        "business",
        "completes_after_creation",
        ("created_at", "completed_at"),
        "completed_at is not more than a second before created_at",
        sets_aside=True,
    ),
    Check(
        "completion_matches_state",
        "transactions",
        "business",
        "completion_matches_state",
        ("state", "completed_at"),
        "completed_at has a value exactly where the state is not PENDING",
    ),
    Check(
        "zero_is_check_or_fee",
        "transactions",
        "business",
        "zero_is_check_or_fee",
        ("type", "amount"),
        "an amount of 0 is a card check (CARDS) or a waived fee (PROCESSING_FEE)",
    ),
    Check(
        OWNER_KNOWN,
        "transactions",
        "business",
        "owner_is_known",
        ("customer_id",),
        "the customer is among the users of a cohort",
    ),
    Check("one_owner", "transactions", "business", "one_owner", ("id", "customer_id"), "a transaction has one owner"),
    Check(
        "one_kind",
        "transactions",
        "business",
        "one_kind",
        ("id", "type", "direction"),
        "a transaction keeps its type and its direction through all its states",
    ),
    Check(
        "one_creation",
        "transactions",
        "business",
        "one_creation",
        ("id", "created_at"),
        "a transaction keeps its created_at through all its states",
    ),
    Check(
        "one_ending",
        "transactions",
        "business",
        "one_ending",
        ("id", "state"),
        "a transaction ends in one state only (what was completed may be reversed)",
    ),
)
_NEEDS_LABEL: Final = frozenset({"label_present", "label_known", "label_rate_in_bounds"})


def checks_of(kind: Kind, *, labelled: bool) -> tuple[Check, ...]:
    """Return the rules of one kind of table, in the order of their layers."""
    return tuple(rule for rule in CHECKS if rule.kind == kind and (labelled or rule.name not in _NEEDS_LABEL))
