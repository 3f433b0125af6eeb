"""Small arithmetic of the kernel: guarded division and medians by selection."""

from __future__ import annotations

import math
from typing import Final

from model.features.compiled import compiled
from model.features.shapes import Floats

NEARLY: Final = 1e-6  # EUR: sums closer than this are equal, whatever the order that rounded them


@compiled
def yes(condition: bool) -> float:
    """1 for yes, 0 for no."""
    return 1.0 if condition else 0.0


@compiled
def share(part: float, whole: float) -> float:
    """One number over another; NaN where the other is 0."""
    return part / whole if whole > 0 else math.nan


@compiled
def part_of(part: float, whole: float) -> float:
    """Give the share of a part in its whole, never more than 1 for rounding; NaN where the whole is 0."""
    return min(part / whole, 1.0) if whole > 0 else math.nan


@compiled
def median(values: Floats, n: int) -> float:
    """Middle value of the first `n` values, or the mean of the middle two; NaN of none. Reorders them."""
    if n == 0:
        return math.nan
    middle = n // 2
    left, right = 0, n
    upper = values[0]
    while True:
        upper = values[(left + right) // 2]
        smaller = _gather_below(values, left, right, upper)
        if middle < smaller:
            right = smaller
            continue
        equal = _gather_equal(values, smaller, right, upper)
        if middle < equal:
            break
        left = equal
    if n % 2 == 1:
        return float(upper)
    if middle > smaller:
        return float(upper)  # the value before it equals it
    lower = values[0]
    for place in range(1, middle):
        lower = max(lower, values[place])
    return float(lower + (upper - lower) / 2)


@compiled
def _gather_below(values: Floats, left: int, right: int, pivot: float) -> int:
    """Bring values below the pivot to the front of left..right, and return where the others begin.

    Moves at every step, wanted or not: a branch would be guessed wrong half of the time.
    """
    border = left
    for place in range(left, right):
        value = values[place]
        values[place] = values[border]
        values[border] = value
        border += value < pivot
    return border


@compiled
def _gather_equal(values: Floats, left: int, right: int, pivot: float) -> int:
    """Bring values equal to the pivot to the front of left..right, where none is below it; returns where they end."""
    border = left
    for place in range(left, right):
        value = values[place]
        values[place] = values[border]
        values[border] = value
        border += value == pivot
    return border


@compiled
def weighted_median(values: Floats, weights: Floats, n: int) -> float:
    """Least of the first `n` values by which at least half of their weight is reached; NaN of none. Reorders both."""
    if n == 0:
        return math.nan
    half = 0.0
    for place in range(n):
        half += weights[place]
    half = half / 2 - NEARLY
    left, right, reached = 0, n, 0.0  # the answer is in left..right; `reached` is the weight of what is below left
    while True:
        pivot = values[(left + right) // 2]
        border, below, equal = left, reached, 0.0
        for place in range(left, right):
            value, weight = values[place], weights[place]
            values[place], weights[place] = values[border], weights[border]
            values[border], weights[border] = value, weight
            smaller = value < pivot
            border += smaller
            below += weight if smaller else 0.0
            equal += weight if value == pivot else 0.0
        if below >= half and border > left:
            right = border
        elif below + equal >= half:
            return float(pivot)
        else:
            reached = below + equal
            left = border
            for place in range(border, right):  # leave those equal to the pivot behind
                value, weight = values[place], weights[place]
                values[place], weights[place] = values[left], weights[left]
                values[left], weights[left] = value, weight
                left += value == pivot
