"""The numbers of codes, and the types of the kernel's arrays."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from customer_risk.model.features.vocabulary import DIRECTIONS, STATES, TYPES

N_STATES: Final = len(STATES) + 1  # with OTHER
N_DIRECTIONS: Final = len(DIRECTIONS) + 1
N_TYPES: Final = len(TYPES) + 1
N_KINDS: Final = N_TYPES * N_DIRECTIONS * N_STATES  # a row's kind has its type, direction and state in eight bits

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.int8]
Kinds: TypeAlias = NDArray[np.uint8]  # unsigned: an index that can't be negative needs no check
