"""The tables as classes: their columns, types and rules.

Profile and Event are the rows of the files, with canonical names and types, and with columns that reading adds for the
rules. Customers, LabelledCustomers and Events are the result of cleaning. The name, layer and sentence of each rule are
in customer_risk.model.tables.checks, under the key that dataframely gives the rule.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, Final

import dataframely as dy
import polars as pl

from customer_risk.model.features.vocabulary import (
    DIRECTIONS,
    KYC_STATES,
    OCCUPATIONS,
    REASONS,
    SCREENING_STATES,
    STATES,
    TYPES,
)

LABELS: Final = ("SUSPENDED", "ACTIVE")
FLAGS: Final = ("true", "false")
CURRENCY: Final = "EUR"
CLOCKS: Final = pl.duration(seconds=1)  # completed_at may be this much before created_at: two clocks may differ
FREE_TYPES: Final = ("CARDS", "PROCESSING_FEE")  # an amount of 0 is a card check or a waived fee

# The known values of columns: targets of a mapping's values, and the basis of the rules `..._known`.
VOCABULARIES: Final[dict[str, tuple[str, ...]]] = {
    "label": LABELS,
    "reason_to_use_app": REASONS,
    "occupation": OCCUPATIONS,
    "kyc_state": KYC_STATES,
    "screening_state": SCREENING_STATES,
    "state": STATES,
    "type": TYPES,
    "direction": DIRECTIONS,
    "currency": (CURRENCY,),
    "has_biometrics": FLAGS,
    "is_pep": FLAGS,
    "is_adverse_media_minor": FLAGS,
}
_OPTIONAL: Final = {"optional": True}  # metadata: a file may lack the column


def _known(column: str) -> dict[str, Any]:
    return {"known": lambda values: values.is_in(VOCABULARIES[column])}


def _formed(pattern: str) -> dict[str, Any]:
    return {"formed": lambda values: values.str.contains(pattern)}


def _plausible(first: date, last: date) -> dict[str, Any]:
    return {"plausible": lambda values: values.is_between(first, last)}


def _moment() -> dict[str, Any]:
    return _plausible(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


class Profile(dy.Schema):
    """One row of a users file: a snapshot of a customer's profile."""

    row = dy.UInt32(description="number of the row in the file; the first row under the header is 1")
    in_other_cohort = dy.Bool(
        nullable=True, description="whether the other cohort's users have the customer, too; null: not known"
    )
    customer_id = dy.String(description="the customer's id")
    session_id = dy.String(nullable=True, metadata=_OPTIONAL, description="not used")
    country_of_residence = dy.String(
        nullable=True, check=_formed(r"^[A-Z]{2}$"), description="ISO 3166 code of two letters"
    )
    has_biometrics = dy.Bool(nullable=True, description="whether the customer logs in with a fingerprint or a face")
    phone_number_country_code = dy.String(
        nullable=True, check=_formed(r"^\+\d{1,3}$"), description="'+' and the code, possibly cut to two digits"
    )
    reason_to_use_app = dy.String(nullable=True, check=_known("reason_to_use_app"), description="stated when joining")
    occupation = dy.String(nullable=True, check=_known("occupation"), description="stated when joining")
    kyc_state = dy.String(nullable=True, check=_known("kyc_state"), description="state of the identity check")
    gender = dy.String(nullable=True, description="never a feature; used to measure fairness")
    date_of_birth = dy.Date(
        nullable=True,
        metadata=_OPTIONAL,
        check=_plausible(date(1900, 1, 1), date(2020, 1, 1)),
        description="used to measure fairness",
    )
    document_issuing_country = dy.String(
        nullable=True, check=_formed(r"^[A-Z]{2}$"), description="ISO 3166 code of two letters"
    )
    locale = dy.String(
        nullable=True,
        check=_formed(r"^[a-z]{2,3}_([A-Z]{2}|\d{3})$"),
        description="language and territory of the device",
    )
    screening_state = dy.String(
        nullable=True, check=_known("screening_state"), description="state of the sanctions and media screening"
    )
    is_adverse_media_minor = dy.Bool(nullable=True, description="whether minor adverse media were found")
    is_pep = dy.Bool(nullable=True, description="whether the customer is a politically exposed person")

    @dy.rule()
    def one_cohort(cls) -> pl.Expr:  # noqa: N805  dataframely passes the class
        """Require that one cohort only has the customer."""
        return ~pl.col("in_other_cohort")


class LabelledProfile(Profile):
    """One row of the labelled users file."""

    label = dy.String(check=_known("label"), description="SUSPENDED: off-boarded for risk; ACTIVE: within appetite")


class Event(dy.Schema):
    """One row of a transactions file: a transaction in one of the states that it went through."""

    row = dy.UInt32(description="number of the row in the file; the first row under the header is 1")
    owner_known = dy.Bool(nullable=True, description="whether a users file has the customer; null: not known")
    same_owner = dy.Bool(description="whether all rows of the transaction have one customer")
    same_kind = dy.Bool(description="whether all rows of the transaction have one type and one direction")
    same_creation = dy.Bool(description="whether all rows of the transaction have one created_at")
    same_ending = dy.Bool(description="whether the transaction has one final state (a completed one may be reversed)")
    id = dy.String(description="the transaction's id; one row for each of its states has it")
    reference_transaction_id = dy.String(nullable=True, metadata=_OPTIONAL, description="not used")
    customer_id = dy.String(description="id of the customer who owns the account")
    state = dy.String(check=_known("state"), description="state of the transaction that this row records")
    type = dy.String(check=_known("type"), description="type of the transaction")
    category_id = dy.String(nullable=True, metadata=_OPTIONAL, description="not used")
    amount = dy.Float64(
        allow_inf=True,
        allow_nan=True,
        check={"usable": lambda values: values.is_finite() & (values >= 0)},
        description="in `currency`, 0 or more; `direction` has the sign",
    )
    currency = dy.String(check=_known("currency"), description="EUR, or a currency for which the mapping has rates")
    direction = dy.String(check=_known("direction"), description="IN or OUT, as seen from the account")
    completed_at = dy.Datetime(
        nullable=True,
        time_unit="us",
        time_zone="UTC",
        check=_moment(),
        description="time at which the transaction reached the state; empty while PENDING",
    )
    created_at = dy.Datetime(
        time_unit="us", time_zone="UTC", check=_moment(), description="time at which the transaction was created"
    )

    @dy.rule()
    def completes_after_creation(cls) -> pl.Expr:  # noqa: N805  dataframely passes the class
        """Require that completion is not more than a second before creation."""
        return pl.col("completed_at") >= pl.col("created_at") - CLOCKS

    @dy.rule()
    def completion_matches_state(cls) -> pl.Expr:  # noqa: N805  dataframely passes the class
        """Require a completion for every state but PENDING."""
        return pl.col("completed_at").is_null() == (pl.col("state") == "PENDING")

    @dy.rule()
    def zero_is_check_or_fee(cls) -> pl.Expr:  # noqa: N805  dataframely passes the class
        """Require that an amount of 0 is a card check or a waived fee."""
        return (pl.col("amount") != 0) | pl.col("type").is_in(FREE_TYPES)

    @dy.rule()
    def owner_is_known(cls) -> pl.Expr:  # noqa: N805  dataframely passes the class
        """Require that a users file has the customer."""
        return pl.col("owner_known")

    @dy.rule()
    def one_owner(cls) -> pl.Expr:  # noqa: N805  dataframely passes the class
        """Require that a transaction has one customer."""
        return pl.col("same_owner")

    @dy.rule()
    def one_kind(cls) -> pl.Expr:  # noqa: N805  dataframely passes the class
        """Require that a transaction has one type and direction."""
        return pl.col("same_kind")

    @dy.rule()
    def one_creation(cls) -> pl.Expr:  # noqa: N805  dataframely passes the class
        """Require that a transaction has one time of creation."""
        return pl.col("same_creation")

    @dy.rule()
    def one_ending(cls) -> pl.Expr:  # noqa: N805  dataframely passes the class
        """Require that a transaction has one final state."""
        return pl.col("same_ending")


class Customers(dy.Schema):
    """A cohort's customers, one row per customer, ordered by id."""

    customer_id = dy.String(primary_key=True)
    country_of_residence = dy.String(nullable=True)
    phone_number_country_code = dy.String(nullable=True)
    reason_to_use_app = dy.String(nullable=True)
    occupation = dy.String(nullable=True)
    kyc_state = dy.String(nullable=True)
    screening_state = dy.String(nullable=True)
    gender = dy.String(nullable=True)
    document_issuing_country = dy.String(nullable=True)
    locale = dy.String(nullable=True)
    has_biometrics = dy.Bool(nullable=True)
    is_pep = dy.Bool(nullable=True)
    is_adverse_media_minor = dy.Bool(nullable=True)
    date_of_birth = dy.Date(nullable=True)


class LabelledCustomers(Customers):
    """Customers with their label."""

    suspended = dy.Bool(description="whether the customer was ever SUSPENDED")


class Events(dy.Schema):
    """A cohort's event rows, ordered by customer and creation; no row twice, ids not collapsed."""

    id = dy.String()
    customer_id = dy.String()
    state = dy.String()
    type = dy.String()
    direction = dy.String()
    amount = dy.Float64(min=0)
    currency = dy.String(check=_known("currency"))
    created_at = dy.Datetime(time_unit="us", time_zone="UTC")
    completed_at = dy.Datetime(nullable=True, time_unit="us", time_zone="UTC")


# Columns of Profile and Event that reading adds.
BESIDE: Final = frozenset(
    {"row", "in_other_cohort", "owner_known", "same_owner", "same_kind", "same_creation", "same_ending"}
)
