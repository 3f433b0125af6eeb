"""Features from one walk over the transactions in order: first and last days, rhythm, open ones, amounts' pattern."""

from __future__ import annotations

import math
from typing import Final

from model.features.blocks.kinds import (
    CARD_OUT,
    CARD_PAYMENT,
    MEANING,
    MOVE_IN,
    MOVE_OUT,
    OPEN,
    TRANSFER_IN,
    TRANSFER_OUT,
)
from model.features.blocks.numbers import median, share
from model.features.catalogue import AT
from model.features.compiled import compiled
from model.features.rows import Floats, Ints
from model.features.vocabulary import PROFILE, UNKNOWN_DAY, UNKNOWN_OFFSET

HOUR: Final = 3_600_000_000  # microseconds
DAY: Final = 24 * HOUR
_OFFSET: Final = PROFILE.index("utc_offset")
_BIRTH: Final = PROFILE.index("birth_day")


@compiled
def fill_course(
    created: Ints, completed: Ints, amount: Floats, kind: Ints, rows: int, room: Floats, out: Floats
) -> None:
    """Fill what depends on order or on single amounts."""
    first, last = created[0], created[rows - 1]
    days = opened = positive = large = small_cards = checks = outs = round_outs = below = 0
    day = -1
    mean = square = attempted_max = card_large = 0.0
    last_1h = last_24h = last_7d = last_30d = 0
    last_in = last_out = 0.0
    tried_3d = tried_14d = tried_30d = out_7d = out_14d = transfers_14d = turnover_14d = 0.0
    for row in range(rows):
        euros, meaning, since, left = amount[row], MEANING[kind[row]], created[row] - first, last - created[row]
        if since // DAY != day:
            day = since // DAY
            days += 1
        if meaning & OPEN or completed[row] > last:
            opened += 1
        attempted_max = max(attempted_max, euros)
        large += euros >= 100
        below += _just_below(euros)
        if euros > 0:
            room[positive] = euros
            positive += 1
            step = euros - mean
            mean += step / positive
            square += step * (euros - mean)
            if meaning & MOVE_OUT:
                outs += 1
                round_outs += euros / 50 == math.floor(euros / 50)
            if meaning & CARD_PAYMENT:
                small_cards += euros <= 50
                if euros >= 300:
                    card_large += euros
        elif meaning & CARD_OUT:
            checks += 1
        last_30d += left <= 30 * DAY
        if left <= 7 * DAY:
            last_7d += 1
            last_24h += left <= DAY
            last_1h += left <= HOUR
            if meaning & MOVE_IN:
                last_in += euros
            elif meaning & MOVE_OUT:
                last_out += euros
        if since <= 30 * DAY:
            tried_30d += euros
            if since <= 14 * DAY:
                tried_14d += euros
                if since <= 3 * DAY:
                    tried_3d += euros
                if meaning & (MOVE_IN | MOVE_OUT):
                    turnover_14d += euros
                if meaning & (TRANSFER_IN | TRANSFER_OUT):
                    transfers_14d += euros
                if meaning & MOVE_OUT:
                    out_14d += euros
                    if since <= 7 * DAY:
                        out_7d += euros
    out[AT.span_days] = (last - first) / DAY
    out[AT.active_days] = days
    out[AT.active_day_share] = days / ((last - first) // DAY + 1)
    out[AT.turnover_per_active_day] = (out[AT.in_sum] + out[AT.out_sum]) / days
    out[AT.pending_share] = opened / rows
    out[AT.attempted_max] = attempted_max
    out[AT.amount_median] = median(room, positive)
    if positive > 1:
        out[AT.amount_variation] = math.sqrt(square / positive) / mean
    out[AT.large_share] = large / rows
    out[AT.first_amount] = amount[0]
    out[AT.last_amount] = amount[rows - 1]
    out[AT.round_out_share] = share(round_outs, outs)
    out[AT.below_threshold_count] = below
    out[AT.card_check_share] = share(checks, out[AT.card_count])
    out[AT.card_small_share] = small_cards / rows
    out[AT.card_large_sum] = card_large
    out[AT.last_1h_count] = last_1h
    out[AT.last_24h_count] = last_24h
    out[AT.last_7d_count] = last_7d
    out[AT.last_30d_count] = last_30d
    out[AT.last_7d_in] = last_in
    out[AT.last_7d_out] = last_out
    out[AT.first_3d_attempted] = tried_3d
    out[AT.first_7d_out] = out_7d
    out[AT.first_14d_out] = out_14d
    out[AT.first_14d_attempted] = tried_14d
    out[AT.first_14d_transfers] = transfers_14d
    out[AT.first_14d_turnover] = turnover_14d
    out[AT.first_30d_attempted] = tried_30d


@compiled
def _just_below(euros: float) -> bool:
    if euros < 475:  # most amounts
        return False
    for limit in (500, 1_000, 2_000, 3_000, 5_000, 10_000, 15_000):
        if 0.95 * limit <= euros < limit:
            return True
    return False


@compiled
def fill_rhythm(profile: Ints, created: Ints, rows: int, room: Floats, out: Floats) -> None:
    """Fill the features of when the transactions were, and the age."""
    last = created[rows - 1]
    if profile[_BIRTH] != UNKNOWN_DAY:
        out[AT.age_years] = (last // DAY - profile[_BIRTH]) / 365.25
    offset = profile[_OFFSET]
    if offset != UNKNOWN_OFFSET:
        nights = offices = weekends = 0
        for row in range(rows):
            local = created[row] + offset * (HOUR // 60)
            day = local // DAY
            time = local - day * DAY
            nights += time < 6 * HOUR
            offices += 9 * HOUR <= time < 18 * HOUR
            weekends += (day + 3) % 7 >= 5  # 1 January 1970 was a Thursday
        out[AT.night_share] = nights / rows
        out[AT.office_share] = offices / rows
        out[AT.weekend_share] = weekends / rows
    if rows < 2:
        return
    mean = (last - created[0]) / (rows - 1)
    square = 0.0
    for row in range(rows - 1):
        gap = float(created[row + 1] - created[row])
        room[row] = gap
        square += (gap - mean) * (gap - mean)
    if rows >= 4 and mean > 0:
        spread = math.sqrt(square / (rows - 1))
        out[AT.gap_burstiness] = (spread - mean) / (spread + mean)
    out[AT.gap_median_hours] = median(room, rows - 1) / HOUR
