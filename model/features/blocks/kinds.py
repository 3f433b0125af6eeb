"""What a row's kind (its type, direction and state) makes it to the features."""

from __future__ import annotations

from typing import Final

import numpy as np

from model.features.rows import N_DIRECTIONS, N_KINDS, N_STATES, Ints
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

# Bits of MEANING. The catalogue's TERMS define the words.
MOVE_IN: Final = 1
MOVE_OUT: Final = 2
TRANSFER_IN: Final = 4
TRANSFER_OUT: Final = 8
CARD_PAYMENT: Final = 16
PURCHASE: Final = 32
TOP_UP_DONE: Final = 64
REFUSED: Final = 128
CARD_OUT: Final = 256
OPEN: Final = 512


def _meaning(kind: int) -> int:
    type_, direction, state = kind // N_STATES // N_DIRECTIONS, kind // N_STATES % N_DIRECTIONS, kind % N_STATES
    came = direction == IN and state == COMPLETED
    went = direction == OUT and state in {COMPLETED, PENDING}
    return (
        MOVE_IN * came
        + MOVE_OUT * went
        + TRANSFER_IN * (came and type_ == TRANSFER)
        + TRANSFER_OUT * (went and type_ == TRANSFER)
        + CARD_PAYMENT * (went and type_ == CARDS)
        + PURCHASE * (went and type_ == ON_RAMP)
        + TOP_UP_DONE * (came and type_ == TOP_UP)
        + REFUSED * (state in {FAILED, DECLINED})
        + CARD_OUT * (direction == OUT and type_ == CARDS)
        + OPEN * (state == PENDING)
    )


MEANING: Final[Ints] = np.array([_meaning(kind) for kind in range(N_KINDS)])  # a constant to the compiler
