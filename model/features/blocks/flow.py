"""Features of money that passes through, and of what fed crypto purchases."""

from __future__ import annotations

from typing import Final

from model.features.blocks.kinds import (
    CAME,
    OUT_SUM,
    PURCHASE,
    ROLE,
    TOP_UP_SUM,
    TRANSFER_IN,
    TRANSFER_IN_SUM,
    TYPES_ROLE,
    WENT,
)
from model.features.blocks.numbers import NEARLY, part_of, share, weighted_median
from model.features.blocks.windows import DAY, HOUR
from model.features.catalogue import AT
from model.features.compiled import compiled
from model.features.room import Room
from model.features.shapes import Floats, Ints

_LARGE: Final = 100.0  # EUR: smaller transfers are no sweep's beginning
_SWEPT: Final = 0.8


@compiled
def fill_flow(created: Ints, amount: Floats, kind: Ints, rows: int, room: Room, whole: bool, out: Floats) -> None:
    """Fill from all transactions; `whole` where none was left out before them."""
    out[AT.irrevocable_out] = out[AT.onramp_sum] + out[AT.transfer_out_sum] + out[AT.card_large_sum]
    out[AT.irrevocable_share] = share(min(out[AT.irrevocable_out], out[AT.in_sum]), out[AT.in_sum])
    out[AT.transfer_flow] = out[AT.transfer_in_sum] + out[AT.irrevocable_out]
    large_sum = _fill_sweeps(created, amount, kind, rows, room.running, out)
    out[AT.onramp_fed_by_transfers] = out[AT.onramp_fed_by_topups] = 0.0
    if out[AT.onramp_count] > 0:
        out[AT.onramp_fed_by_transfers] = _fed(created, amount, kind, rows, room.running, TRANSFER_IN_SUM)
        out[AT.onramp_fed_by_topups] = _fed(created, amount, kind, rows, room.running, TOP_UP_SUM)
    ins, outs = _split(created, amount, kind, rows, room, _LARGE)
    matches = _match(ins, outs, room)
    passed = 0.0
    for match in range(matches):
        if room.lags[match] <= 3 * DAY:
            passed += room.parts[match]
    out[AT.transfer_pass_72h] = passed
    out[AT.transfer_pass_72h_share] = part_of(passed, large_sum)
    ins, outs = _split(created, amount, kind, rows, room, 0.0)
    matches = _match(ins, outs, room)
    _fill_matches(room.lags, room.parts, room.starts, matches, created[0], whole, out)


@compiled
def _fill_sweeps(created: Ints, amount: Floats, kind: Ints, rows: int, running: Floats, out: Floats) -> float:
    """Fill the sweeps, and return the sum of transfers in that could have been swept."""
    large = swept = begin = end = 0
    total = most = 0.0
    for row in range(rows):
        value = amount[row]
        if TYPES_ROLE[kind[row]] != TRANSFER_IN or value < _LARGE:
            continue
        while created[begin] < created[row]:
            begin += 1
        while end < rows and created[end] <= created[row] + 3 * DAY:
            end += 1
        went = running[end, OUT_SUM] - running[begin, OUT_SUM]
        large += 1
        total += value
        swept += went >= _SWEPT * value - NEARLY
        most = max(most, min(value, went))
    out[AT.sweep_count] = swept
    out[AT.sweep_share] = share(swept, large)
    out[AT.sweep_max] = most
    return total


@compiled
def _fed(created: Ints, amount: Floats, kind: Ints, rows: int, running: Floats, column: int) -> float:
    """Sum, over crypto purchases, of as much of each as a column brought in within 72 hours up to it."""
    fed = 0.0
    begin = end = 0
    for row in range(rows):
        if TYPES_ROLE[kind[row]] == PURCHASE:
            while created[begin] < created[row] - 3 * DAY:
                begin += 1
            while end < rows and created[end] <= created[row]:
                end += 1
            fed += min(amount[row], running[end, column] - running[begin, column])
    return fed


@compiled
def _split(created: Ints, amount: Floats, kind: Ints, rows: int, room: Room, least: float) -> tuple[int, int]:
    """List moves in and moves out greater than 0; with `least` above 0 only transfers in and moves out from that on.

    Each row is written to both lists, wanted or not, and kept by counting on: a branch would often be guessed wrong.
    """
    ins = outs = 0
    for row in range(rows):
        value, role = amount[row], ROLE[kind[row]]
        counts = (value >= least) & (value > 0)
        comes = TYPES_ROLE[kind[row]] == TRANSFER_IN if least > 0 else role == CAME
        room.in_times[ins], room.ins[ins] = created[row], value
        ins += counts & comes
        room.out_times[outs], room.outs[outs] = created[row], value
        outs += counts & (role == WENT)
    return ins, outs


@compiled
def _match(ins: int, outs: int, room: Room) -> int:
    """Match moves out with the earliest money in; returns how many matches there are.

    Of each match: its time, its amount and when its money came in. Each uses up a move in or a move out, so there are
    no more than of both together.
    """
    matches = first = 0
    left = room.ins[0]
    for place in range(outs):
        wanted, now = room.outs[place], room.out_times[place]
        while wanted > NEARLY and first < ins and room.in_times[first] <= now:
            part = min(wanted, left)
            room.lags[matches] = now - room.in_times[first]
            room.parts[matches] = part
            room.starts[matches] = room.in_times[first]
            matches += 1
            wanted -= part
            left -= part
            if left <= NEARLY:
                first += 1
                left = room.ins[first]
    return matches


@compiled
def _fill_matches(
    lags: Floats, parts: Floats, starts: Ints, matches: int, begin: int, whole: bool, out: Floats
) -> None:
    pass_1h = pass_24h = pass_72h = passed = early = 0.0
    for match in range(matches):
        lag, part = lags[match], parts[match]
        passed += part
        pass_1h += part if lag <= HOUR else 0.0
        pass_24h += part if lag <= DAY else 0.0
        within = part if lag <= 3 * DAY else 0.0
        pass_72h += within
        early += within if starts[match] - begin <= 14 * DAY else 0.0
    out[AT.pass_1h] = pass_1h
    out[AT.pass_24h] = pass_24h
    out[AT.pass_72h] = pass_72h
    out[AT.pass_24h_share] = part_of(pass_24h, out[AT.in_sum])
    out[AT.passed_share] = part_of(passed, out[AT.in_sum])
    # What matched nothing had gone out beyond all that had come in: the greatest such excess, by reflection.
    unfunded = out[AT.out_sum] - passed
    out[AT.unfunded_out] = unfunded if unfunded > NEARLY else 0.0
    if whole:
        out[AT.first_14d_passed] = early
    out[AT.dwell_median_hours] = weighted_median(lags, parts, matches) / HOUR
