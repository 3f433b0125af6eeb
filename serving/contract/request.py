"""The types of a request, with their bounds; the description of each type is the text of its refusal.

These classes alone define which requests are valid. decisions.request_parser decodes with them in one pass. If that
fails, decisions.validation checks field by field.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from customer_risk.model.features.encoded import GREATEST_AMOUNT
from customer_risk.model.features.timestamps import EXPECTED, LONGEST, SHORTEST, read_timestamps


class Timestamp(int):
    """Microseconds since 1970 in UTC, from year 1 to year 9999."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: object) -> Timestamp:
        """Parse RFC 3339, or the tables' form `2024-08-26 10:33:50.629801 UTC`; raises ValueError for other texts."""
        if type(text) is not str or len(text) < SHORTEST:
            raise ValueError(f"Expected {EXPECTED}")
        return cls(read_timestamps([text])[0])


def decode_hook(kind: type, value: object) -> object:
    """Decode Timestamp, the one type that msgspec doesn't know."""
    if kind is Timestamp:
        return Timestamp.parse(value)
    raise NotImplementedError(f"{kind} isn't a type of a request")


Identifier = Annotated[str, Meta(min_length=1, max_length=128, description="a string of 1 to 128 characters")]
RESERVED_ID = "erased"  # the id of erased customers in the record
CustomerId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=f"^(?!{RESERVED_ID}$)",
        description=f'a string of 1 to 128 characters other than "{RESERVED_ID}"',
    ),
]
Category = Annotated[str, Meta(min_length=1, max_length=128, description="a string of 1 to 128 characters")]
# Not a category: the sums of incoming and outgoing amounts depend on it, so other values are refused.
Direction = Annotated[Literal["IN", "OUT"], Meta(description='"IN" or "OUT"')]
Text = Annotated[
    Annotated[str, Meta(max_length=128)] | None, Meta(description="a string of at most 128 characters, or null")
]
Flag = Annotated[bool | None, Meta(description="true, false or null")]
Day = Annotated[dt.date | None, Meta(description="a date as in 1990-01-31, or null")]
# With this bound, the sum of as many transactions as fit into a body is finite.
Amount = Annotated[
    float, Meta(ge=0, le=GREATEST_AMOUNT, description=f"a number of EUR from 0 to {GREATEST_AMOUNT:,.0f}")
]
GREATEST_NUMBER = 1e15  # the bound of a feature's absolute value
Number = Annotated[
    float, Meta(ge=-GREATEST_NUMBER, le=GREATEST_NUMBER, description="a number from -1e15 to 1e15, or null if missing")
]
Currency = Annotated[Literal["EUR"], Meta(description='"EUR": convert the amount before sending it')]
Time = Annotated[Timestamp, Meta(description=EXPECTED)]
TimeOrNull = Annotated[Timestamp | None, Meta(description=f"{EXPECTED}, or null")]
# Decoding leaves times as texts: they are parsed together afterwards.
_TimeText = Annotated[str, Meta(min_length=SHORTEST, max_length=LONGEST)]
TimeText = Annotated[_TimeText, Meta(description=EXPECTED)]
TimeTextOrNull = Annotated[_TimeText | None, Meta(description=f"{EXPECTED}, or null")]
YesNo = Annotated[bool, Meta(description="true or false")]
_Unused = Any | UnsetType


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A row of the customers' table; a field that is null or left out is unknown."""

    reason_to_use_app: Text | UnsetType = UNSET
    occupation: Text | UnsetType = UNSET
    kyc_state: Text | UnsetType = UNSET
    screening_state: Text | UnsetType = UNSET
    has_biometrics: Flag | UnsetType = UNSET
    is_pep: Flag | UnsetType = UNSET
    is_adverse_media_minor: Flag | UnsetType = UNSET
    country_of_residence: Text | UnsetType = UNSET
    phone_number_country_code: Text | UnsetType = UNSET
    document_issuing_country: Text | UnsetType = UNSET
    locale: Text | UnsetType = UNSET
    date_of_birth: Day | UnsetType = UNSET
    # Columns of the same table that no decision may use: accepted and dropped, so that callers can send whole rows.
    gender: _Unused = UNSET
    user_id: _Unused = UNSET
    session_id: _Unused = UNSET


class Transaction(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A row of the transactions' table; other columns are ignored."""

    id: Identifier
    state: Category
    type: Category
    amount: Amount
    direction: Direction
    created_at: TimeText
    completed_at: TimeTextOrNull | UnsetType = UNSET
    currency: Currency | UnsetType = UNSET


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """The same transactions as columns: one list for each field, all of the same length."""

    id: list[Identifier]
    state: list[Category]
    type: list[Category]
    amount: list[Amount]
    direction: list[Direction]
    created_at: list[TimeText]
    completed_at: list[TimeTextOrNull] | UnsetType = UNSET
    currency: list[Currency] | UnsetType = UNSET

    def lengths(self) -> dict[str, int]:
        """Return the length of each column that was sent."""
        columns = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: len(values) for name, values in columns.items() if values is not UNSET}


class RiskRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of `POST /ai/v1/risk`, and an instance of V1: a profile with transactions, or features."""

    customer_id: CustomerId
    profile: Profile | UnsetType = UNSET
    transactions: list[Transaction] | Columns | UnsetType = UNSET
    history_complete: YesNo | UnsetType = UNSET
    features: dict[str, Number | None] | UnsetType = UNSET


def _variant(strict: type[msgspec.Struct], *, forbid: bool, without: str = "", **kinds: Any) -> Any:
    """Return a struct of the same fields, with other types for those in `kinds`; `forbid` refuses unknown fields."""
    fields = [
        (each.name, kinds.get(each.name, each.type), *(() if each.required else (each.default,)))
        for each in msgspec.structs.fields(strict)
        if each.name != without
    ]
    namespace = {without: UNSET} if without else {}
    return msgspec.defstruct(
        strict.__name__, fields, frozen=True, kw_only=True, forbid_unknown_fields=forbid, namespace=namespace
    )


_Undecoded = msgspec.Raw | UnsetType
_UNREAD: dict[str, Any] = dict.fromkeys(("gender", "user_id", "session_id"), _Undecoded)
# A large request is decoded as this; its transactions are decoded afterwards, some thousands at a time. It can't have
# features: valid ones are never that large, and decoding a million of them would take half a second.
LargeRequest: Any = _variant(
    RiskRequest,
    forbid=True,
    without="features",
    profile=_variant(Profile, forbid=True, **_UNREAD) | UnsetType,
    transactions=_Undecoded,
)
# A request is decoded as this if unknown fields are its only faults.
LenientRequest: Any = _variant(
    RiskRequest, forbid=False, profile=_variant(Profile, forbid=False, **_UNREAD) | UnsetType, transactions=_Undecoded
)
