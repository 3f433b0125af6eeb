"""What a row's kind (its type, direction and state) makes it to the features."""

from __future__ import annotations

from typing import Final

import numpy as np

from model.features.shapes import N_DIRECTIONS, N_KINDS, N_STATES, Floats, Ints
from model.features.vocabulary import DIRECTIONS, STATES, TYPES

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

# What a row is to sums of money; the catalogue's TERMS define the words.
CAME: Final = 0
WENT: Final = 1
REFUSED_OUT: Final = 2
REFUSED_ELSE: Final = 3
STOPPED: Final = 4  # cancelled
REST: Final = 5
N_ROLES: Final = 6


def _role(kind: int) -> int:
    direction, state = kind // N_STATES % N_DIRECTIONS, kind % N_STATES
    if direction == IN and state == COMPLETED:
        return CAME
    if direction == OUT and state in {COMPLETED, PENDING}:
        return WENT
    if state in {FAILED, DECLINED}:
        return REFUSED_OUT if direction == OUT else REFUSED_ELSE
    return STOPPED if state == CANCELLED else REST


def _types_role(kind: int) -> int:
    return kind // N_STATES // N_DIRECTIONS * N_ROLES + _role(kind)


# Tables by kind, constants to the compiler: the role, and the place in (N_TYPES, N_ROLES).
ROLE: Final[Ints] = np.array([_role(kind) for kind in range(N_KINDS)])
TYPES_ROLE: Final[Ints] = np.array([_types_role(kind) for kind in range(N_KINDS)])
TRANSFER_IN: Final = TRANSFER * N_ROLES + CAME
TRANSFER_OUT: Final = TRANSFER * N_ROLES + WENT
CARD_PAYMENT: Final = CARDS * N_ROLES + WENT
PURCHASE: Final = ON_RAMP * N_ROLES + WENT
TOP_UP_DONE: Final = TOP_UP * N_ROLES + CAME

# Columns of the running sums, and whether a row of a kind adds its amount to a column (the last counts instead).
ATTEMPTED: Final = 0
IN_SUM: Final = 1
OUT_SUM: Final = 2
TRANSFER_IN_SUM: Final = 3
TRANSFER_OUT_SUM: Final = 4
TOP_UP_SUM: Final = 5
REFUSALS: Final = 6
N_COLUMNS: Final = 7


def _adds(kind: int) -> tuple[bool, ...]:
    role, types_role = ROLE[kind], TYPES_ROLE[kind]
    return (
        True,
        role == CAME,
        role == WENT,
        types_role == TRANSFER_IN,
        types_role == TRANSFER_OUT,
        types_role == TOP_UP_DONE,
        role in {REFUSED_OUT, REFUSED_ELSE},
    )


ADDS: Final[Floats] = np.array([_adds(kind) for kind in range(N_KINDS)], np.float64)
