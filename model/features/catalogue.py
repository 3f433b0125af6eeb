"""Every feature, defined once: what the kernel computes, in the order of its columns, and what documents, reasons and drift say.

Terms that the formulas use:

transaction     one id: rows of the excluded types are dropped first, then the id's rows collapse to its final state, the
                greatest in the order of STATES (an unknown state counts as the greatest); of several rows in that state
                the one completed last, then of the greatest amount, type, direction. Its time is the earliest created_at.
last activity   time of the customer's last transaction of their own
look-back       transactions earlier than LOOKBACK_DAYS before the last activity don't count, nor any but the latest
                MAX_TRANSACTIONS
the bank's      types PROCESSING_FEE and USER_REWARD; those after the last activity don't count
one's own       every other transaction; where a formula says `transactions`, these
moves in        direction IN, final state COMPLETED
moves out       direction OUT, final state COMPLETED or PENDING (the money is committed)
transfers in    BANK_TRANSFER among the moves in; transfers out: among the moves out
card payments   CARDS among the moves out
crypto purchases  CRYPTO_ON_RAMP, final state COMPLETED or PENDING; crypto sales: CRYPTO_OFF_RAMP, COMPLETED
failed top-ups  CARD_TOP_UP with final state FAILED, DECLINED or CANCELLED
"""

from __future__ import annotations

import hashlib
import json
from collections import namedtuple
from dataclasses import asdict
from typing import Any, Final

from model.features.definitions import activity, channels, money, outcomes, profile
from model.features.feature import Feature

# The real tables span 79 days and at most 73 a customer; half a year takes in a season's habits and forgets older ones.
LOOKBACK_DAYS: Final = 180
MAX_TRANSACTIONS: Final = 10_000  # 2.5 times a heavy user's half-year at 20 a day; bounds the work of one request

CATALOGUE: Final[tuple[Feature, ...]] = (
    *profile.FEATURES,
    *activity.FEATURES,
    *money.FEATURES,
    *outcomes.FEATURES,
    *channels.FEATURES,
)
NAMES: Final[tuple[str, ...]] = tuple(feature.name for feature in CATALOGUE)
BY_NAME: Final[dict[str, Feature]] = {feature.name: feature for feature in CATALOGUE}

At = namedtuple("At", NAMES)  # type: ignore[misc]  # noqa: PYI024  typed fields would repeat the catalogue
AT: Final[Any] = At(*range(len(NAMES)))  # each feature's column, by name, as constants that the kernel is compiled with


def catalogue_hash() -> str:
    """Name this catalogue by the SHA-256 of all that it says, so that a bundle and the code that scores agree on it."""
    said = json.dumps(
        [LOOKBACK_DAYS, MAX_TRANSACTIONS, [asdict(feature) for feature in CATALOGUE]], sort_keys=True, allow_nan=False
    )
    return hashlib.sha256(said.encode()).hexdigest()


def default_names() -> tuple[str, ...]:
    """Name the features that a model uses unless told otherwise."""
    return tuple(feature.name for feature in CATALOGUE if feature.default)
