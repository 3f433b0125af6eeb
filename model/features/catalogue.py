"""Every feature, defined once: what the kernel computes, and what documents, reasons and drift say of it."""

from __future__ import annotations

import hashlib
import json
from collections import namedtuple
from dataclasses import asdict
from typing import Any, Final

from model.features.definitions import activity, channels, flow, habits, money, outcomes, profile, velocity
from model.features.feature import Feature

# What the formulas' words mean.
TERMS: Final[dict[str, str]] = {
    "transaction": "One id. Rows of the excluded types are dropped first; then an id's rows collapse to its final state, "
    "the greatest in the order PENDING, COMPLETED, CANCELLED, FAILED, DECLINED, REVERSED (an unknown state counts as the "
    "greatest). Of several rows in that state, the one completed last counts, then the one of the greatest amount, type "
    "and direction. Its time is the earliest created_at of the id.",
    "order": "By time, then amount, type, direction, state and completed_at; never by id.",
    "one's own": "Every transaction but the bank's own, PROCESSING_FEE and USER_REWARD. Formulas mean these where they say "
    "transactions.",
    "last activity": "The time of the customer's last transaction of their own. The bank's later ones don't count.",
    "look-back": "Only the LOOKBACK_DAYS before the last activity count, and of these the latest MAX_TRANSACTIONS.",
    "moves in": "Direction IN and final state COMPLETED; money in is their sum.",
    "moves out": "Direction OUT and final state COMPLETED or PENDING, for then the money is committed; money out is their "
    "sum.",
    "transfers in, transfers out": "BANK_TRANSFER among the moves in, and among the moves out.",
    "card payments": "CARDS among the moves out.",
    "crypto purchases, crypto sales": "CRYPTO_ON_RAMP among the moves out, CRYPTO_OFF_RAMP among the moves in.",
    "top-ups that succeeded": "CARD_TOP_UP among the moves in.",
    "failed top-ups": "CARD_TOP_UP with final state FAILED, DECLINED or CANCELLED.",
    "matches": "Moves out are paid, in order, from the earliest money in that is there and not yet used; a match is a part "
    "of a move in and a part of a move out that meet, and its time is from the one to the other. What goes out beyond "
    "the money that is there matches nothing. A move in at the very time of a move out is there for it.",
    "within": "Both ends included. Sums are compared to within a millionth of a euro.",
}

# The real tables span 79 days and at most 73 a customer; half a year takes in a season's habits and forgets older ones.
LOOKBACK_DAYS: Final = 180
MAX_TRANSACTIONS: Final = 10_000  # 2.5 times a heavy user's half-year at 20 a day; bounds the work of one request

CATALOGUE: Final[tuple[Feature, ...]] = (
    *profile.FEATURES,
    *activity.FEATURES,
    *money.FEATURES,
    *outcomes.FEATURES,
    *channels.FEATURES,
    *flow.FEATURES,
    *velocity.FEATURES,
    *habits.FEATURES,
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
