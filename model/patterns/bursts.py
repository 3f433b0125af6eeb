"""Searches for several transactions within a period, and for single large transactions."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from customer_risk.model.features.compiled import compiled
from customer_risk.model.features.kernel.kinds import CAME, CANCELLED, DECLINED, FAILED, ROLE, TOP_UP, WENT
from customer_risk.model.features.shapes import N_DIRECTIONS, N_STATES, Floats, Ints, Kinds
from customer_risk.model.patterns.definitions import ROUND_THRESHOLDS

_MINUTE: Final = 60_000_000  # microseconds
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_THRESHOLDS: Final[Floats] = np.array(ROUND_THRESHOLDS, np.float64)


@compiled
def pick_failed_top_ups(kind: Kinds, rows: int, places: Ints) -> int:
    """Write the places of card top-ups that failed; return how many there are."""
    picked = 0
    for row in range(rows):
        state = kind[row] % N_STATES
        if kind[row] // (N_STATES * N_DIRECTIONS) == TOP_UP and (
            (state == FAILED) | (state == DECLINED) | (state == CANCELLED)
        ):
            places[picked] = row
            picked += 1
    return picked


@compiled
def pick_amounts(amount: Floats, rows: int, places: Ints) -> int:
    """Write the places of transactions of more than 0 EUR; return how many there are."""
    picked = 0
    for row in range(rows):
        places[picked] = row
        picked += int(amount[row] > 0)
    return picked


@compiled
def pick_night(created: Ints, amount: Floats, rows: int, minutes: int, until: float, places: Ints) -> int:
    """Write the places of transactions of more than 0 EUR before the hour `until`, `minutes` east of UTC.

    Returns how many there are.
    """
    picked = 0
    end = math.ceil(until) * _HOUR
    for row in range(rows):
        places[picked] = row
        picked += int((amount[row] > 0) & ((created[row] + minutes * _MINUTE) % _DAY < end))
    return picked


@compiled
def pick_just_below(amount: Floats, rows: int, margin: float, places: Ints) -> int:
    """Write the places of amounts at most `margin` (a share) below a round threshold; return how many there are."""
    picked = 0
    for row in range(rows):
        for threshold in _THRESHOLDS:
            if amount[row] < threshold:  # if an amount is near a greater threshold, it is near this one too
                places[picked] = row
                picked += int(amount[row] >= threshold * (1 - margin))
                break
    return picked


@compiled
def show_bursts(created: Ints, places: Ints, picked: int, count: int, window: int, shown: Ints) -> int:
    """Write the places in any period of `window` that has at least `count` of them; return how many there are.

    `shown` must be another array than `places`.
    """
    found, next_one = 0, 0
    for first in range(picked - count + 1):
        if created[places[first + count - 1]] - created[places[first]] > window:
            continue
        for one in range(max(first, next_one), first + count):
            shown[found] = places[one]
            found += 1
        next_one = first + count
    return found


@compiled
def show_large(amount: Floats, kind: Kinds, rows: int, least: float, shown: Ints) -> int:
    """Write the places of amounts of `least` or more that moved; return how many there are."""
    found = 0
    for row in range(rows):
        role = ROLE[kind[row]]
        if amount[row] >= least and amount[row] > 0 and ((role == CAME) | (role == WENT)):
            shown[found] = row
            found += 1
    return found


@compiled
def show_greatest(amount: Floats, kind: Kinds, rows: int, shown: Ints) -> int:
    """Write the place of the greatest amount that moved, the first of equal ones; return 1, or 0 if none moved."""
    most, found = 0.0, 0
    for row in range(rows):
        role = ROLE[kind[row]]
        if amount[row] > most and ((role == CAME) | (role == WENT)):
            most, found = amount[row], 1
            shown[0] = row
    return found
