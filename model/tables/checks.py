"""The rules of the tables: a name, a layer and a sentence for each, and what happens to a row that fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Layer = Literal["types", "ranges", "business"]
Kind = Literal["users", "transactions"]
FIELD_COUNT: Final = "field_count_matches"
OWNER_KNOWN: Final = "owner_is_known"  # a failing row can be valid, of a customer in other tables; it has its own count


@dataclass(frozen=True, slots=True)
class Check:
    """One rule of one kind of table.

    key       the name that dataframely gives the rule (model.tables.schema); None if reading or the whole table decides
    columns   the columns whose values are shown for a failing row
    sentence  what the rule requires
    failure   what a failing row has, to follow "rows with"
    drops     whether cleaning drops a failing row; other rows are kept, because the kernel takes an unknown category as
              OTHER, in training and in serving
    """

    name: str
    kind: Kind
    layer: Layer
    key: str | None
    columns: tuple[str, ...]
    sentence: str
    failure: str
    drops: bool = False

    @property
    def effect(self) -> str:
        """What cleaning does with a failing row: "dropped" or "kept"."""
        return "dropped" if self.drops or self.name == OWNER_KNOWN else "kept"


def _present(kind: Kind, column: str, *, drops: bool = True) -> Check:
    key = f"{column}|nullability"
    return Check(f"{column}_present", kind, "types", key, (column,), f"{column} has a value", f"no {column}", drops)


def _readable(kind: Kind, column: str, form: str, *, drops: bool) -> Check:
    failure = f"a value of {column} that is not {form}"
    return Check(f"{column}_readable", kind, "types", None, (column,), f"{column} is {form}", failure, drops)


def _known(kind: Kind, column: str, *, drops: bool = False) -> Check:
    sentence, failure = f"{column} is one of the known values", f"an unknown {column}"
    return Check(f"{column}_known", kind, "ranges", f"{column}|check__known", (column,), sentence, failure, drops)


def _formed(column: str, form: str) -> Check:
    sentence, failure = f"{column} is {form}", f"a value of {column} that is not {form}"
    return Check(f"{column}_formed", "users", "ranges", f"{column}|check__formed", (column,), sentence, failure)


def _plausible(kind: Kind, column: str, years: str, *, drops: bool) -> Check:
    sentence, failure = f"{column} is in the years {years}", f"a value of {column} outside the years {years}"
    key = f"{column}|check__plausible"
    return Check(f"{column}_plausible", kind, "ranges", key, (column,), sentence, failure, drops)


def _field_count(kind: Kind) -> Check:
    sentence = "a record of a CSV file has as many fields as the header"
    failure = "more or fewer fields than the header"
    return Check(FIELD_COUNT, kind, "types", None, (), sentence, failure, drops=True)


def _event(name: str, columns: tuple[str, ...], sentence: str, failure: str, *, drops: bool = False) -> Check:
    return Check(name, "transactions", "business", name, columns, sentence, failure, drops)


_FLAG: Final = "TRUE or FALSE"
_TIME: Final = "a time such as 2024-08-26 10:33:50.62 UTC or 2024-08-26T10:33:50Z"

CHECKS: Final = (
    _field_count("users"),
    _present("users", "customer_id"),
    _present("users", "label", drops=False),
    _readable("users", "has_biometrics", _FLAG, drops=False),
    _readable("users", "is_pep", _FLAG, drops=False),
    _readable("users", "is_adverse_media_minor", _FLAG, drops=False),
    _readable("users", "date_of_birth", "a date such as 1990-01-31", drops=False),
    _known("users", "label"),
    _known("users", "reason_to_use_app"),
    _known("users", "occupation"),
    _known("users", "kyc_state"),
    _known("users", "screening_state"),
    _formed("country_of_residence", "a country code of two letters"),
    _formed("document_issuing_country", "a country code of two letters"),
    _formed("phone_number_country_code", "'+' and one to three digits"),
    _formed("locale", "a language and a territory, such as fr_FR"),
    _plausible("users", "date_of_birth", "1900 to 2019", drops=False),
    Check(
        "one_cohort",
        "users",
        "business",
        "one_cohort",
        ("customer_id",),
        "a customer is in the users table of one cohort only",
        "a customer who is also in the other cohort",
    ),
    Check(
        "label_rate_in_bounds",
        "users",
        "business",
        None,
        ("label",),
        "the share of customers ever SUSPENDED is inside the configured bounds (checks.label_rate)",
        "a share of SUSPENDED customers, in the whole table, outside the configured bounds (checks.label_rate)",
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
    _readable("transactions", "amount", "a number", drops=True),
    _readable("transactions", "created_at", _TIME, drops=True),
    _readable("transactions", "completed_at", _TIME, drops=True),
    _known("transactions", "state"),
    _known("transactions", "type"),
    _known("transactions", "direction", drops=True),  # the service refuses such a transaction, too
    Check(
        "amount_usable",
        "transactions",
        "ranges",
        "amount|check__usable",
        ("amount",),
        "amount is finite and not negative",
        "an amount that is negative or not finite",
        drops=True,
    ),
    _plausible("transactions", "created_at", "2000 to 2099", drops=True),
    _plausible("transactions", "completed_at", "2000 to 2099", drops=True),
    Check(
        "currency_is_eur",
        "transactions",
        "business",
        "currency|check__known",
        ("currency", "amount", "created_at"),
        "currency is EUR, or a rate of the mapping converts it to EUR",
        "a currency other than EUR and no rate that converts it",
        drops=True,
    ),
    _event(
        "completes_after_creation",
        ("created_at", "completed_at"),
        "completed_at is not more than a second before created_at",
        "a completed_at more than a second before created_at",
        drops=True,
    ),
    _event(
        "completion_matches_state",
        ("state", "completed_at"),
        "completed_at is empty if the state is PENDING, and has a value in every other state",
        "a completed_at that contradicts the state",
    ),
    _event(
        "zero_is_check_or_fee",
        ("type", "amount"),
        "an amount of 0 is a card check (CARDS) or a waived fee (PROCESSING_FEE)",
        "an amount of 0 that is neither a card check (CARDS) nor a waived fee (PROCESSING_FEE)",
    ),
    _event(
        OWNER_KNOWN,
        ("customer_id",),
        "the customer is in the users table of a cohort",
        "a customer who is in no users table",
    ),
    _event("one_owner", ("id", "customer_id"), "a transaction has one customer", "a transaction of several customers"),
    _event(
        "one_kind",
        ("id", "type", "direction"),
        "a transaction has the same type and direction in all its states",
        "a transaction whose type or direction changes",
    ),
    _event(
        "one_creation",
        ("id", "created_at"),
        "a transaction has the same created_at in all its states",
        "a transaction whose created_at changes",
    ),
    _event(
        "one_ending",
        ("id", "state"),
        "a transaction has one final state (a completed one may be reversed)",
        "a transaction with several final states",
    ),
)
_NEEDS_LABEL: Final = frozenset({"label_present", "label_known", "label_rate_in_bounds"})


def checks_of(kind: Kind, *, labelled: bool) -> tuple[Check, ...]:
    """Return the rules of one kind of table, in the order of their layers."""
    return tuple(rule for rule in CHECKS if rule.kind == kind and (labelled or rule.name not in _NEEDS_LABEL))
