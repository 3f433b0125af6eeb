"""Small arithmetic of the kernel: guarded division and medians by selection."""

from __future__ import annotations

import math
from typing import Final

from model.features.compiled import compiled
from model.features.rows import Floats

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
def median(values: Floats, n: int) -> float:
    """Middle value of the first `n` values, or the mean of the middle two; NaN of none. Reorders them."""
    if n == 0:
        return math.nan
    middle = n // 2
    upper = _select(values, n, middle)
    if n % 2 == 1:
        return upper
    lower = values[0]
    for place in range(1, middle):
        lower = max(lower, values[place])
    return lower + (upper - lower) / 2


@compiled
def _select(values: Floats, n: int, rank: int) -> float:
    """Value of a rank (from 0) among the first `n`, by Hoare's quickselect; none before it is greater afterwards."""
    left, right = 0, n - 1
    while left < right:
        pivot = values[(left + right) // 2]
        up, down = left, right
        while up <= down:
            while values[up] < pivot:
                up += 1
            while values[down] > pivot:
                down -= 1
            if up <= down:
                values[up], values[down] = values[down], values[up]
                up += 1
                down -= 1
        if rank <= down:
            right = down
        elif rank >= up:
            left = up
        else:
            break
    return float(values[rank])


@compiled
def weighted_median(values: Floats, weights: Floats, n: int) -> float:
    """Least of the first `n` values by which at least half of their weight is reached; NaN of none. Reorders both."""
    if n == 0:
        return math.nan
    half = 0.0
    for place in range(n):
        half += weights[place]
    half = half / 2 - NEARLY
    left, right, below = 0, n - 1, 0.0  # the answer is within left..right; `below` is the weight before left
    while left < right:
        pivot = values[(left + right) // 2]
        up, down = left, right
        while up <= down:
            while values[up] < pivot:
                up += 1
            while values[down] > pivot:
                down -= 1
            if up <= down:
                values[up], values[down] = values[down], values[up]
                weights[up], weights[down] = weights[down], weights[up]
                up += 1
                down -= 1
        weight = below
        for place in range(left, down + 1):
            weight += weights[place]
        if weight >= half:
            right = down
            continue
        middle = weight
        for place in range(down + 1, up):  # those equal to the pivot that no swap moved
            middle += weights[place]
        if middle >= half:
            return float(pivot)
        below, left = middle, up
    return float(values[left])
