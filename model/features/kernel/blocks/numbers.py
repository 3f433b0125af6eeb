"""Small arithmetic of the kernel: guarded division and medians by selection."""

from __future__ import annotations

import math
from typing import Final

from customer_risk.model.features.compiled import compiled
from customer_risk.model.features.shapes import Floats

NEARLY: Final = 1e-6  # EUR: sums that differ by less are equal; the order of additions changes their rounding
_FEW: Final = 8  # this many values or fewer are sorted


@compiled
def yes(condition: bool) -> float:
    """Return 1 for true, 0 for false."""
    return 1.0 if condition else 0.0


@compiled
def share(part: float, whole: float) -> float:
    """Return one number divided by another; NaN if the other is 0."""
    return part / whole if whole > 0 else math.nan


@compiled
def part_of(part: float, whole: float) -> float:
    """Return the share of a part in its whole, at most 1 despite rounding; NaN if the whole is 0."""
    return min(part / whole, 1.0) if whole > 0 else math.nan


@compiled
def median(values: Floats, n: int, lower: Floats, upper: Floats) -> float:
    """Return the median of the first `n` values, NaN if `n` is 0. Overwrites all three arrays.

    Each round writes every value to both the values below and those above a pivot, and increases the right count: a
    branch on a value would be mispredicted half of the time.
    """
    if n == 0:
        return math.nan
    rank, left, before = n // 2, n, values[0]  # the value before that of the rank, if no value is left below
    while left > _FEW:
        first, second, third = values[left // 4], values[left // 2], values[3 * (left // 4)]
        pivot = max(min(first, second), min(max(first, second), third))
        below = above = 0
        for place in range(left):
            value = values[place]
            lower[below] = value
            below += value < pivot
            upper[above] = value
            above += value > pivot
        if rank < below:
            values, lower, left = lower, values, below
        elif rank >= left - above:
            rank -= left - above
            before = pivot
            values, upper, left = upper, values, above
        else:
            if rank == below:
                for place in range(below):
                    before = lower[place] if place == 0 else max(before, lower[place])
            else:
                before = pivot
            return float(pivot if n % 2 == 1 else before + (pivot - before) / 2)
    _sort(values, left)
    if rank > 0:
        before = values[rank - 1]
    return float(values[rank] if n % 2 == 1 else before + (values[rank] - before) / 2)


@compiled
def _sort(values: Floats, n: int) -> None:
    for row in range(1, n):
        moving, place = values[row], row
        while place > 0 and values[place - 1] > moving:
            values[place] = values[place - 1]
            place -= 1
        values[place] = moving


@compiled
def weighted_median(values: Floats, weights: Floats, n: int) -> float:
    """Return the least of the first `n` values that reaches half of their weight; NaN if `n` is 0. Overwrites both."""
    if n == 0:
        return math.nan
    half = 0.0
    for place in range(n):
        half += weights[place]
    half, left = half / 2 - NEARLY, n
    while True:
        pivot = values[left // 2]
        below, equal = 0.0, 0.0
        for place in range(left):
            below += weights[place] * (values[place] < pivot)
            equal += weights[place] * (values[place] == pivot)
        downwards = 0 < below >= half
        if not downwards and below + equal >= half:
            return float(pivot)
        kept = 0
        for place in range(left):
            value = values[place]
            values[kept], weights[kept] = value, weights[place]
            kept += value < pivot if downwards else value > pivot
        if kept == 0:  # rounding of the weights left less than half
            return float(pivot)
        half -= 0.0 if downwards else below + equal
        left = kept
