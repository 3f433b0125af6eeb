"""Features of single amounts, and of the times of transactions."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from customer_risk.model.features.catalogue import AT
from customer_risk.model.features.compiled import compiled
from customer_risk.model.features.kernel.blocks.numbers import median, share
from customer_risk.model.features.kernel.blocks.series import Lengths
from customer_risk.model.features.kernel.blocks.windows import DAY, HOUR
from customer_risk.model.features.kernel.kinds import CARD_PAYMENT, CARDS, OUT, TYPES_ROLE
from customer_risk.model.features.kernel.workspace import Workspace
from customer_risk.model.features.shapes import N_DIRECTIONS, N_STATES, Floats, Ints, Kinds
from customer_risk.model.features.vocabulary import PROFILE, UNKNOWN_DAY, UNKNOWN_OFFSET

_CARDS_OUT: Final = CARDS * N_DIRECTIONS + OUT
_OFFSET: Final = PROFILE.index("utc_offset")
_BIRTH: Final = PROFILE.index("birth_day")


@compiled
def fill_amounts(amount: Floats, kind: Kinds, rows: int, work: Workspace, lengths: Lengths, out: Floats) -> None:
    """Fill the features of single amounts: spread, patterns, sizes."""
    positive = large = small = below = checks = 0
    greatest = total = card_large = 0.0
    for row in range(rows):
        value = amount[row]
        work.values[positive] = value
        positive += value > 0
        total += value
        greatest = max(greatest, value)
        large += value >= 100
        if value >= 475:  # few amounts are
            below += _just_below(value)
        paid = (TYPES_ROLE[kind[row]] == CARD_PAYMENT) & (value > 0)
        small += paid & (value <= 50)
        card_large += value * (paid & (value >= 300))
        checks += (value <= 0) & (kind[row] // N_STATES == _CARDS_OUT)
    round_outs = 0
    for place in range(lengths.outs):
        value = work.outs[place]
        round_outs += 50 * np.floor(value * 0.02 + 0.5) == value
    out[AT.attempted_max] = greatest
    out[AT.large_share] = large / rows
    out[AT.last_amount] = amount[rows - 1]
    out[AT.round_out_share] = share(round_outs, lengths.outs)
    out[AT.below_threshold_count] = below
    out[AT.card_check_share] = share(checks, out[AT.card_count])
    out[AT.card_small_share] = small / rows
    out[AT.card_large_sum] = card_large
    if positive > 1:
        mean, square = total / positive, 0.0
        for place in range(positive):
            square += (work.values[place] - mean) * (work.values[place] - mean)
        out[AT.amount_variation] = math.sqrt(square / positive) / mean
    out[AT.amount_median] = median(work.values, positive, work.lower, work.upper)


@compiled
def _just_below(value: float) -> bool:
    for limit in (500, 1_000, 2_000, 3_000, 5_000, 10_000, 15_000):  # noqa: SIM110  Numba has no any() of these
        if 0.95 * limit <= value < limit:
            return True
    return False


@compiled
def fill_rhythm(profile: Ints, created: Ints, rows: int, work: Workspace, out: Floats) -> None:
    """Fill the features of the transactions' times, and the age."""
    first, last = created[0], created[rows - 1]
    days, before = 1, 0.0
    for row in range(rows):
        day = np.floor(float(created[row] - first) / DAY)
        days += day != before
        before = day
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
        work.values[row] = gap
        square += (gap - mean) * (gap - mean)
    if rows >= 4 and mean > 0:
        spread = math.sqrt(square / (rows - 1))
        out[AT.gap_burstiness] = (spread - mean) / (spread + mean)
    out[AT.gap_median_hours] = median(work.values, rows - 1, work.lower, work.upper) / HOUR


@compiled
def _fill_local(created: Ints, rows: int, offset: int, out: Floats) -> None:
    nights = offices = weekends = 0
    # Relative to the midnight before the first: floats hold such whole numbers exactly, and floats, unlike
    # whole numbers, are divided several at a time.
    midnight = (created[0] + offset) // DAY
    start = (midnight + 3) % 7  # 0 is a Monday: 1 January 1970 was a Thursday
    for row in range(rows):
        since = float(created[row] + offset - midnight * DAY)
        day = np.floor(since / DAY)
        time = since - day * DAY
        weekday = start + day - 7.0 * np.floor((start + day) / 7.0)
        nights += time < 6.0 * HOUR
        offices += (time >= 9.0 * HOUR) & (time < 18.0 * HOUR)
        weekends += weekday >= 5.0
    out[AT.night_share] = nights / rows
    out[AT.office_share] = offices / rows
    out[AT.weekend_share] = weekends / rows
