"""Checks that the kernel computes every feature of the catalogue."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from customer_risk.model.errors import FeatureError
from customer_risk.model.features.catalogue import BY_NAME, NAMES
from customer_risk.model.features.encoded import Encoded
from customer_risk.model.features.vocabulary import DIRECTIONS, FIRST, PROFILE, STATES, TYPES

_HOUR: Final = 3_600_000_000  # microseconds
_ASSIGNMENT: Final = re.compile(r"\s+\w+\[AT\.(\w+)\] = ")
_FUNCTION: Final = re.compile(r"\s*def (\w+)\(")


def check_completeness(compute: Callable[[Encoded], NDArray[np.float64]]) -> None:
    """Raise FeatureError if `compute` has no value for some feature, although the customer has all data.

    The customer has a complete profile and a transaction of every known type, direction and state. The message names
    each such feature and the block that is missing.
    """
    missing = [NAMES[column] for column in np.flatnonzero(np.isnan(compute(complete_customer())[0]))]
    if missing:
        raise FeatureError(
            f"The kernel computes no value for {'; '.join(_faults(missing))}.",
            remedy="Add what is missing as docs/guide/adding-a-feature.md shows.",
        )


def complete_customer() -> Encoded:
    """Return a customer with a complete profile and a transaction of every known type, direction and state."""
    kinds = np.array(list(itertools.product(range(len(TYPES)), range(len(DIRECTIONS)), range(len(STATES)))), np.int8)
    count = len(kinds)
    type_, direction, state = np.ascontiguousarray(kinds.T)
    return Encoded(
        offsets=np.array([0, count]),
        ids=np.arange(count),
        created=np.arange(count) * _HOUR,
        completed=np.arange(count) * _HOUR,
        amount=100.0 + np.arange(count, dtype=np.float64),
        state=state,
        type=type_,
        direction=direction,
        profile=np.full((1, len(PROFILE)), FIRST, np.int32),
    )


def _faults(missing: Sequence[str]) -> Iterator[str]:
    places = dict(_assignments())
    for name in missing:
        if name not in places:
            group = BY_NAME[name].group
            others = dict.fromkeys(place for each, place in places.items() if BY_NAME[each].group == group)
            where = " or ".join(others) or "a new module of kernel/blocks"
            yield f"{name} (no block assigns out[AT.{name}]; for the group {group!r}, assign it in {where})"
    for place in sorted({places[name] for name in missing if name in places}):
        names = ", ".join(name for name in missing if places.get(name) == place)
        yield f"{names} (assigned in {place}, which compute.py does not call or which gives NaN to a complete customer)"


def _assignments() -> Iterator[tuple[str, str]]:
    """Yield each feature that the kernel assigns, and the function and module that assign it."""
    for source in sorted(Path(__file__).parent.rglob("*.py")):
        function = ""
        for line in source.read_text(encoding="utf-8").splitlines():
            if defined := _FUNCTION.match(line):
                function = defined[1]
            elif assigned := _ASSIGNMENT.match(line):
                yield assigned[1], f"{function} of {source.name}"
