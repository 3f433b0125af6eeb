"""Features from the transactions in order: amounts one by one, the first days and the last, rhythm."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from model.features.blocks.kinds import (
    CARD_PAYMENT,
    CARDS,
    OUT,
    ROLE,
    TYPES_ROLE,
    WENT,
)
from model.features.blocks.numbers import median, share
from model.features.blocks.windows import DAY, HOUR
from model.features.catalogue import AT
from model.features.compiled import compiled
from model.features.shapes import N_DIRECTIONS, N_STATES, Floats, Ints
from model.features.vocabulary import PROFILE, UNKNOWN_DAY, UNKNOWN_OFFSET

_CARDS_OUT: Final = CARDS * N_DIRECTIONS + OUT
_OFFSET: Final = PROFILE.index("utc_offset")
_BIRTH: Final = PROFILE.index("birth_day")


@compiled
def fill_amounts(amount: Floats, kind: Ints, rows: int, room: Floats, out: Floats) -> None:
    """Fill the features of single amounts: spread, patterns, sizes."""
    positive = large = small = outs = round_outs = below = checks = 0
    greatest = total = card_large = 0.0
    for row in range(rows):
        value, role = amount[row], TYPES_ROLE[kind[row]]
        room[positive] = value
        counts = value > 0
        positive += counts
        total += value
        greatest = max(greatest, value)
        large += value >= 100
        if value >= 475:  # most amounts are not
            below += _just_below(value)
        went = counts & (ROLE[kind[row]] == WENT)
        outs += went
        round_outs += went & (value / 50 == np.floor(value / 50))
        paid = counts & (role == CARD_PAYMENT)
        small += paid & (value <= 50)
        card_large += value if paid & (value >= 300) else 0.0
        checks += (not counts) & (kind[row] // N_STATES == _CARDS_OUT)
    out[AT.attempted_max] = greatest
    out[AT.large_share] = large / rows
    out[AT.last_amount] = amount[rows - 1]
    out[AT.round_out_share] = share(round_outs, outs)
    out[AT.below_threshold_count] = below
    out[AT.card_check_share] = share(checks, out[AT.card_count])
    out[AT.card_small_share] = small / rows
    out[AT.card_large_sum] = card_large
    if positive > 1:
        mean, square = total / positive, 0.0
        for place in range(positive):
            square += (room[place] - mean) * (room[place] - mean)
        out[AT.amount_variation] = math.sqrt(square / positive) / mean
    out[AT.amount_median] = median(room, positive)


@compiled
def _just_below(value: float) -> bool:
    for limit in (500, 1_000, 2_000, 3_000, 5_000, 10_000, 15_000):  # noqa: SIM110  Numba has no any() of these
        if 0.95 * limit <= value < limit:
            return True
    return False


@compiled
def fill_rhythm(profile: Ints, created: Ints, rows: int, room: Floats, out: Floats) -> None:
    """Fill the features of when the transactions were, and the age."""
    first, last = created[0], created[rows - 1]
    days, day = 0, -1
    for row in range(rows):
        now = (created[row] - first) // DAY
        days += now != day
        day = now
    out[AT.span_days] = (last - first) / DAY
    out[AT.active_days] = days
    out[AT.active_day_share] = days / ((last - first) // DAY + 1)
    out[AT.turnover_per_active_day] = (out[AT.in_sum] + out[AT.out_sum]) / days
    if profile[_BIRTH] != UNKNOWN_DAY:
        out[AT.age_years] = (last // DAY - profile[_BIRTH]) / 365.25
    if profile[_OFFSET] != UNKNOWN_OFFSET:
        _fill_local(created, rows, int(profile[_OFFSET]) * (HOUR // 60), out)
    if rows < 2:
        return
    mean, square = (last - first) / (rows - 1), 0.0
    for row in range(rows - 1):
        gap = float(created[row + 1] - created[row])
        room[row] = gap
        square += (gap - mean) * (gap - mean)
    if rows >= 4 and mean > 0:
        spread = math.sqrt(square / (rows - 1))
        out[AT.gap_burstiness] = (spread - mean) / (spread + mean)
    out[AT.gap_median_hours] = median(room, rows - 1) / HOUR


@compiled
def _fill_local(created: Ints, rows: int, offset: int, out: Floats) -> None:
    nights = offices = weekends = 0
    for row in range(rows):
        day = (created[row] + offset) // DAY
        time = created[row] + offset - day * DAY
        nights += time < 6 * HOUR
        offices += (time >= 9 * HOUR) & (time < 18 * HOUR)
        weekends += (day + 3) % 7 >= 5  # 1 January 1970 was a Thursday
    out[AT.night_share] = nights / rows
    out[AT.office_share] = offices / rows
    out[AT.weekend_share] = weekends / rows
