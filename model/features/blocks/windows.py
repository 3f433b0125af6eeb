"""Features of sums within windows of time: the busiest, the first and the last hours and days."""

from __future__ import annotations

from typing import Final

from model.features.blocks.kinds import (
    ADDS,
    ATTEMPTED,
    IN_SUM,
    N_COLUMNS,
    OUT_SUM,
    PENDING,
    REFUSALS,
    TRANSFER_IN_SUM,
    TRANSFER_OUT_SUM,
)
from model.features.catalogue import AT
from model.features.compiled import compiled
from model.features.shapes import N_STATES, Floats, Ints

HOUR: Final = 3_600_000_000  # microseconds
DAY: Final = 24 * HOUR


@compiled
def run_sums(amount: Floats, kind: Ints, rows: int, running: Floats) -> None:
    """Sum up to each row: running[k] is of the first k rows, so a window's sum is a difference of two."""
    for column in range(N_COLUMNS):
        running[0, column] = 0.0
    for row in range(rows):
        value, kind_ = amount[row], kind[row]
        for column in range(REFUSALS):
            running[row + 1, column] = running[row, column] + ADDS[kind_, column] * value
        running[row + 1, REFUSALS] = running[row, REFUSALS] + ADDS[kind_, REFUSALS]


@compiled
def fill_windows(created: Ints, rows: int, running: Floats, out: Floats) -> None:
    """Fill the greatest counts and sums within any window, and those of the windows that end with the last activity."""
    hour = day = week = fortnight = month = 0  # the first row within each window that ends with a row
    most_hour = most_day = 0
    in_day = out_day = refused_day = transfers_week = 0.0
    out_14 = tried_14 = tried_30 = transfers_14 = turnover_14 = 0.0
    for row in range(rows):
        now = created[row]
        while now - created[hour] > HOUR:
            hour += 1
        while now - created[day] > DAY:
            day += 1
        while now - created[week] > 7 * DAY:
            week += 1
        while now - created[fortnight] > 14 * DAY:
            fortnight += 1
        while now - created[month] > 30 * DAY:
            month += 1
        end = row + 1
        most_hour = max(most_hour, end - hour)
        most_day = max(most_day, end - day)
        in_day = max(in_day, running[end, IN_SUM] - running[day, IN_SUM])
        out_day = max(out_day, running[end, OUT_SUM] - running[day, OUT_SUM])
        refused_day = max(refused_day, running[end, REFUSALS] - running[day, REFUSALS])
        transfers_week = max(transfers_week, running[end, TRANSFER_IN_SUM] - running[week, TRANSFER_IN_SUM])
        came = running[end, IN_SUM] - running[fortnight, IN_SUM]
        went = running[end, OUT_SUM] - running[fortnight, OUT_SUM]
        out_14 = max(out_14, went)
        turnover_14 = max(turnover_14, came + went)
        transfers = running[end, TRANSFER_IN_SUM] - running[fortnight, TRANSFER_IN_SUM]
        transfers += running[end, TRANSFER_OUT_SUM] - running[fortnight, TRANSFER_OUT_SUM]
        transfers_14 = max(transfers_14, transfers)
        tried_14 = max(tried_14, running[end, ATTEMPTED] - running[fortnight, ATTEMPTED])
        tried_30 = max(tried_30, running[end, ATTEMPTED] - running[month, ATTEMPTED])
    out[AT.busiest_1h_count] = most_hour
    out[AT.busiest_24h_count] = most_day
    out[AT.busiest_24h_in] = in_day
    out[AT.busiest_24h_out] = out_day
    out[AT.busiest_24h_refused] = refused_day
    out[AT.busiest_7d_transfers_in] = transfers_week
    out[AT.busiest_14d_out] = out_14
    out[AT.busiest_14d_attempted] = tried_14
    out[AT.busiest_14d_transfers] = transfers_14
    out[AT.busiest_14d_turnover] = turnover_14
    out[AT.busiest_30d_attempted] = tried_30
    out[AT.last_1h_count] = rows - hour
    out[AT.last_24h_count] = rows - day
    out[AT.last_7d_count] = rows - week
    out[AT.last_30d_count] = rows - month
    out[AT.last_7d_in] = running[rows, IN_SUM] - running[week, IN_SUM]
    out[AT.last_7d_out] = running[rows, OUT_SUM] - running[week, OUT_SUM]


@compiled
def fill_open(created: Ints, completed: Ints, kind: Ints, rows: int, out: Floats) -> None:
    """Fill the share of what was open at the last activity."""
    opened, last = 0, created[rows - 1]
    for row in range(rows):
        opened += (kind[row] % N_STATES == PENDING) | (completed[row] > last)
    out[AT.pending_share] = opened / rows


@compiled
def fill_first_days(created: Ints, amount: Floats, rows: int, running: Floats, out: Floats) -> None:
    """Fill the sums of the days from the first transaction on."""
    three = seven = fortnight = month = 0  # how many rows fall into the first days
    for row in range(rows):
        since = created[row] - created[0]
        if since > 30 * DAY:
            break
        three += since <= 3 * DAY
        seven += since <= 7 * DAY
        fortnight += since <= 14 * DAY
        month += 1
    out[AT.first_amount] = amount[0]
    out[AT.first_3d_attempted] = running[three, ATTEMPTED]
    out[AT.first_7d_out] = running[seven, OUT_SUM]
    out[AT.first_14d_out] = running[fortnight, OUT_SUM]
    out[AT.first_14d_attempted] = running[fortnight, ATTEMPTED]
    out[AT.first_14d_transfers] = running[fortnight, TRANSFER_IN_SUM] + running[fortnight, TRANSFER_OUT_SUM]
    out[AT.first_14d_turnover] = running[fortnight, IN_SUM] + running[fortnight, OUT_SUM]
    out[AT.first_30d_attempted] = running[month, ATTEMPTED]
