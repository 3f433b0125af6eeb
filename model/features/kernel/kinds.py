"""Properties of a row's kind (its type, direction and state) that features use."""

from __future__ import annotations

from typing import Final

import numpy as np

from customer_risk.model.features.shapes import N_DIRECTIONS, N_KINDS, N_STATES, Codes, Ints
from customer_risk.model.features.vocabulary import DIRECTIONS, STATES, TYPES

PENDING: Final = STATES.index("PENDING")
COMPLETED: Final = STATES.index("COMPLETED")
CANCELLED: Final = STATES.index("CANCELLED")
FAILED: Final = STATES.index("FAILED")
DECLINED: Final = STATES.index("DECLINED")
REVERSED: Final = STATES.index("REVERSED")
IN: Final = DIRECTIONS.index("IN")
OUT: Final = DIRECTIONS.index("OUT")
CARDS: Final = TYPES.index("CARDS")
TRANSFER: Final = TYPES.index("BANK_TRANSFER")
TOP_UP: Final = TYPES.index("CARD_TOP_UP")
ON_RAMP: Final = TYPES.index("CRYPTO_ON_RAMP")
OFF_RAMP: Final = TYPES.index("CRYPTO_OFF_RAMP")
PAYMENTS: Final = TYPES.index("PAYMENTS")
FEE: Final = TYPES.index("PROCESSING_FEE")
REWARD: Final = TYPES.index("USER_REWARD")

# A row's role in sums of money; the catalogue's TERMS define the words.
CAME: Final = 0
WENT: Final = 1
STOPPED: Final = 2  # cancelled
FAILING: Final = 3
DECLINING: Final = 4
TURNED: Final = 5  # reversed
REST: Final = 6
N_ROLES: Final = 7


def _role(kind: int) -> int:
    direction, state = kind // N_STATES % N_DIRECTIONS, kind % N_STATES
    if direction == IN and state == COMPLETED:
        return CAME
    if direction == OUT and state in {COMPLETED, PENDING}:
        return WENT
    return {CANCELLED: STOPPED, FAILED: FAILING, DECLINED: DECLINING, REVERSED: TURNED}.get(state, REST)


def _types_role(kind: int) -> int:
    return _type(kind) * N_ROLES + _role(kind)


def _type(kind: int) -> int:
    return kind // N_STATES // N_DIRECTIONS


# Rare rows; each kind has a series of its own.
USUAL: Final = 0
TRANSFER_IN: Final = 1
TRANSFER_OUT: Final = 2
TOP_UP_DONE: Final = 3
PURCHASE: Final = 4
REFUSAL: Final = 5


def _rarity(kind: int) -> int:
    type_, role = _type(kind), _role(kind)
    if role in {FAILING, DECLINING}:
        return REFUSAL
    rare = {
        (TRANSFER, CAME): TRANSFER_IN,
        (TRANSFER, WENT): TRANSFER_OUT,
        (TOP_UP, CAME): TOP_UP_DONE,
        (ON_RAMP, WENT): PURCHASE,
    }
    return rare.get((type_, role), USUAL)


# Tables by kind, constants to the compiler: the index in (N_TYPES, N_ROLES), and the properties above.
TYPES_ROLE: Final[Ints] = np.array([_types_role(kind) for kind in range(N_KINDS)])
ROLE: Final[Ints] = np.array([_role(kind) for kind in range(N_KINDS)])
RARITY: Final[Ints] = np.array([_rarity(kind) for kind in range(N_KINDS)])
IS_BANKS: Final[Codes] = np.array([_type(kind) in {FEE, REWARD} for kind in range(N_KINDS)])
CARD_PAYMENT: Final = CARDS * N_ROLES + WENT
