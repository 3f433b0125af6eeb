"""A pattern that was found in one customer's transactions."""

from __future__ import annotations

import msgspec


class FoundPattern(msgspec.Struct, frozen=True, kw_only=True):
    """One pattern found, and the figures that show it.

    count              of the transactions that show the pattern
    amount             EUR: their sum, or the matched money of PASS_THROUGH and CRYPTO_FED_AT_ONCE
    share              of all money in (PASS_THROUGH) or of all crypto purchases (CRYPTO_FED_AT_ONCE), 0 to 1; else None
    first_at, last_at  times of the first and last transaction that show it, RFC 3339 in UTC
    investigator_text  the pattern's sentence

    `code` may be shown to every caller; the other fields need the permission `explain`.
    """

    code: str
    count: int
    amount: float
    share: float | None
    first_at: str
    last_at: str
    investigator_text: str
