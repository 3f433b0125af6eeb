"""Features of sums within windows of time: the busiest, the first and the last hours and days."""

from __future__ import annotations

from typing import Final

from customer_risk.model.features.catalogue import AT
from customer_risk.model.features.compiled import compiled
from customer_risk.model.features.kernel.blocks.series import Lengths
from customer_risk.model.features.kernel.kinds import PENDING, RARITY, TRANSFER_IN, TRANSFER_OUT
from customer_risk.model.features.kernel.workspace import Workspace
from customer_risk.model.features.shapes import N_STATES, Floats, Ints, Kinds

HOUR: Final = 3_600_000_000  # microseconds
DAY: Final = 24 * HOUR


@compiled
def fill_busiest(created: Ints, rows: int, work: Workspace, lengths: Lengths, out: Floats) -> None:
    """Fill the greatest counts and sums within any window."""
    out[AT.busiest_1h_count] = _most_within(created, rows, HOUR)
    out[AT.busiest_24h_count] = _most_within(created, rows, DAY)
    out[AT.busiest_24h_refused] = _most_within(work.refusal_times, lengths.refusals, DAY)
    out[AT.busiest_24h_in] = _greatest_within(work.in_times, work.in_sums, lengths.ins, DAY)
    out[AT.busiest_24h_out] = _greatest_within(work.out_times, work.out_sums, lengths.outs, DAY)
    out[AT.busiest_7d_transfers_in] = _greatest_within(
        work.transfer_times, work.transfer_sums, lengths.transfers, 7 * DAY
    )


@compiled
def _most_within(times: Ints, rows: int, window: int) -> int:
    """Return the greatest number of rows within a window; the window grows if it can and otherwise moves on."""
    first = 0
    for row in range(rows):
        first += times[row] - times[first] > window
    return rows - first


@compiled
def _greatest_within(times: Ints, sums: Floats, rows: int, window: int) -> float:
    """Return the greatest sum within a window; sums[k] is of the first k rows."""
    most, first = 0.0, 0
    for row in range(rows):
        while times[row] - times[first] > window:
            first += 1
        most = max(most, sums[row + 1] - sums[first])
    return most


@compiled
def fill_last_days(
    created: Ints, completed: Ints, kind: Kinds, rows: int, work: Workspace, lengths: Lengths, out: Floats
) -> None:
    """Fill the counts and sums of the hours and days up to the last activity, and the share that was still open."""
    last = created[rows - 1]
    out[AT.last_1h_count] = rows - _first_since(created, rows, last - HOUR)
    out[AT.last_24h_count] = rows - _first_since(created, rows, last - DAY)
    out[AT.last_7d_count] = rows - _first_since(created, rows, last - 7 * DAY)
    out[AT.last_30d_count] = rows - _first_since(created, rows, last - 30 * DAY)
    ins, outs = lengths.ins, lengths.outs
    out[AT.last_7d_in] = work.in_sums[ins] - work.in_sums[_first_since(work.in_times, ins, last - 7 * DAY)]
    out[AT.last_7d_out] = work.out_sums[outs] - work.out_sums[_first_since(work.out_times, outs, last - 7 * DAY)]
    opened = 0
    for row in range(rows):
        opened += (kind[row] % N_STATES == PENDING) | (completed[row] > last)
    out[AT.pending_share] = opened / rows


@compiled
def _first_since(times: Ints, rows: int, begin: int) -> int:
    """Return the first row that is not before a moment."""
    while rows > 0 and times[rows - 1] >= begin:
        rows -= 1
    return rows


@compiled
def fill_first_days(
    created: Ints, amount: Floats, kind: Kinds, rows: int, work: Workspace, lengths: Lengths, out: Floats
) -> None:
    """Fill the sums of the days from the first transaction on."""
    begin = created[0]
    three, row = 0.0, 0
    fortnight, month, transfers = 0.0, 0.0, 0.0
    while row < rows and created[row] - begin <= 30 * DAY:
        month += amount[row]
        if created[row] - begin <= 14 * DAY:
            fortnight = month
            if (RARITY[kind[row]] == TRANSFER_IN) | (RARITY[kind[row]] == TRANSFER_OUT):
                transfers += amount[row]
            if created[row] - begin <= 3 * DAY:
                three = month
        row += 1
    out_14 = work.out_sums[_last_until(work.out_times, lengths.outs, begin + 14 * DAY)]
    out[AT.first_amount] = amount[0]
    out[AT.first_3d_attempted] = three
    out[AT.first_7d_out] = work.out_sums[_last_until(work.out_times, lengths.outs, begin + 7 * DAY)]
    out[AT.first_14d_out] = out_14
    out[AT.first_14d_attempted] = fortnight
    out[AT.first_14d_transfers] = transfers
    out[AT.first_14d_turnover] = out_14 + work.in_sums[_last_until(work.in_times, lengths.ins, begin + 14 * DAY)]
    out[AT.first_30d_attempted] = month


@compiled
def _last_until(times: Ints, rows: int, end: int) -> int:
    """Return how many rows are not after a moment."""
    row = 0
    while row < rows and times[row] <= end:
        row += 1
    return row
