"""Features of money that passes through, of what fed crypto purchases, and of the busiest times."""

from __future__ import annotations

from typing import Final

from model.features.blocks.course import DAY, HOUR
from model.features.blocks.kinds import (
    MEANING,
    MOVE_IN,
    MOVE_OUT,
    PURCHASE,
    REFUSED,
    TOP_UP_DONE,
    TRANSFER_IN,
)
from model.features.blocks.numbers import NEARLY, share, weighted_median
from model.features.catalogue import AT
from model.features.compiled import compiled
from model.features.rows import Floats, Ints

_LARGE: Final = 100.0  # EUR: transfers smaller than this are no sweep's beginning
_SWEPT: Final = 0.8
SERIES: Final = 6  # room that the flow needs: rows of times, rows of amounts, rows of running sums
_INS, _OUTS, _TRANSFERS, _TOP_UPS, _LARGE_INS, _LARGE_OUTS = range(SERIES)


@compiled
def fill_flow(
    created: Ints, amount: Floats, kind: Ints, rows: int, times: Ints, euros: Floats, sums: Floats, out: Floats
) -> None:
    """Fill from the rows; `times`, `euros` and `sums` are room of (SERIES, twice the rows and one more)."""
    n_ins = n_outs = n_transfers = n_top_ups = n_large_ins = n_large_outs = 0
    for series in range(SERIES):
        sums[series, 0] = 0.0
    for row in range(rows):
        value, meaning, when = amount[row], MEANING[kind[row]], created[row]
        if value <= 0:
            continue
        if meaning & MOVE_IN:
            n_ins = _append(times[_INS], euros[_INS], sums[_INS], n_ins, when, value)
            if meaning & TRANSFER_IN:
                n_transfers = _append(times[_TRANSFERS], euros[_TRANSFERS], sums[_TRANSFERS], n_transfers, when, value)
                if value >= _LARGE:
                    n_large_ins = _append(
                        times[_LARGE_INS], euros[_LARGE_INS], sums[_LARGE_INS], n_large_ins, when, value
                    )
            elif meaning & TOP_UP_DONE:
                n_top_ups = _append(times[_TOP_UPS], euros[_TOP_UPS], sums[_TOP_UPS], n_top_ups, when, value)
        elif meaning & MOVE_OUT:
            n_outs = _append(times[_OUTS], euros[_OUTS], sums[_OUTS], n_outs, when, value)
            if value >= _LARGE:
                n_large_outs = _append(
                    times[_LARGE_OUTS], euros[_LARGE_OUTS], sums[_LARGE_OUTS], n_large_outs, when, value
                )
    out[AT.irrevocable_out] = out[AT.onramp_sum] + out[AT.transfer_out_sum] + out[AT.card_large_sum]
    out[AT.irrevocable_share] = share(min(out[AT.irrevocable_out], out[AT.in_sum]), out[AT.in_sum])
    out[AT.transfer_flow] = out[AT.transfer_in_sum] + out[AT.irrevocable_out]
    out[AT.busiest_24h_in] = _busiest(times[_INS], sums[_INS], n_ins, DAY)
    out[AT.busiest_24h_out] = _busiest(times[_OUTS], sums[_OUTS], n_outs, DAY)
    out[AT.busiest_7d_transfers_in] = _busiest(times[_TRANSFERS], sums[_TRANSFERS], n_transfers, 7 * DAY)
    _fill_sweeps(times, euros, sums, n_large_ins, n_outs, out)
    out[AT.onramp_fed_by_transfers], out[AT.onramp_fed_by_topups] = 0.0, 0.0
    if out[AT.onramp_count] > 0:
        out[AT.onramp_fed_by_transfers] = _fed(
            created, amount, kind, rows, times[_TRANSFERS], sums[_TRANSFERS], n_transfers
        )
        out[AT.onramp_fed_by_topups] = _fed(created, amount, kind, rows, times[_TOP_UPS], sums[_TOP_UPS], n_top_ups)
    # The running sums have served: their room takes the matches' times, parts and beginnings.
    lags, parts, starts = sums[_INS], sums[_OUTS], times[_TRANSFERS]
    matches = _match(
        times[_LARGE_INS], euros[_LARGE_INS], n_large_ins, times[_LARGE_OUTS], euros[_LARGE_OUTS], n_large_outs,
        lags, parts, starts,
    )  # fmt: skip
    passed = 0.0
    for match in range(matches):
        if lags[match] <= 3 * DAY:
            passed += parts[match]
    out[AT.transfer_pass_72h] = passed
    out[AT.transfer_pass_72h_share] = share(passed, sums[_LARGE_INS, n_large_ins])
    matches = _match(times[_INS], euros[_INS], n_ins, times[_OUTS], euros[_OUTS], n_outs, lags, parts, starts)
    _fill_matches(lags, parts, starts, matches, created[0], out)


@compiled
def _append(times: Ints, euros: Floats, sums: Floats, n: int, when: int, value: float) -> int:
    times[n] = when
    euros[n] = value
    sums[n + 1] = sums[n] + value
    return n + 1


@compiled
def _match(
    in_times: Ints, ins: Floats, n_ins: int, out_times: Ints, outs: Floats, n_outs: int,
    lags: Floats, parts: Floats, starts: Ints,
) -> int:  # fmt: skip
    """Match moves out with the earliest money in, and return how many matches there are.

    Of each match: its time, its amount and when its money came in. Each uses up a move in or a move out, so there are
    no more than of both together.
    """
    matches = first = 0
    left = ins[0]
    for place in range(n_outs):
        wanted, now = outs[place], out_times[place]
        while wanted > NEARLY and first < n_ins and in_times[first] <= now:
            part = min(wanted, left)
            lags[matches] = now - in_times[first]
            parts[matches] = part
            starts[matches] = in_times[first]
            matches += 1
            wanted -= part
            left -= part
            if left <= NEARLY:
                first += 1
                left = ins[first]
    return matches


@compiled
def _fill_matches(lags: Floats, parts: Floats, starts: Ints, matches: int, begin: int, out: Floats) -> None:
    pass_1h = pass_24h = pass_72h = passed = early = 0.0
    for match in range(matches):
        lag, part = lags[match], parts[match]
        passed += part
        if lag <= 3 * DAY:
            pass_72h += part
            if lag <= DAY:
                pass_24h += part
            if lag <= HOUR:
                pass_1h += part
            if starts[match] - begin <= 14 * DAY:
                early += part
    out[AT.pass_1h] = pass_1h
    out[AT.pass_24h] = pass_24h
    out[AT.pass_72h] = pass_72h
    out[AT.pass_24h_share] = share(pass_24h, out[AT.in_sum])
    out[AT.passed_share] = share(passed, out[AT.in_sum])
    # What matched nothing had gone out beyond all that had come in: the greatest such excess, by reflection.
    unfunded = out[AT.out_sum] - passed
    out[AT.unfunded_out] = unfunded if unfunded > NEARLY else 0.0
    out[AT.first_14d_passed] = early
    out[AT.dwell_median_hours] = weighted_median(lags, parts, matches) / HOUR


@compiled
def _busiest(times: Ints, sums: Floats, n: int, window: int) -> float:
    """Greatest sum within any `window` microseconds."""
    most, first = 0.0, 0
    for place in range(n):
        while times[place] - times[first] > window:
            first += 1
        most = max(most, sums[place + 1] - sums[first])
    return most


@compiled
def fill_busiest(created: Ints, kind: Ints, rows: int, out: Floats) -> None:
    """Fill the greatest numbers of transactions within an hour and within a day, and of refused ones within a day."""
    hour = day = refused = most_hour = most_day = most_refused = 0
    for row in range(rows):
        while created[row] - created[hour] > HOUR:
            hour += 1
        while created[row] - created[day] > DAY:
            refused -= (MEANING[kind[day]] & REFUSED) > 0
            day += 1
        refused += (MEANING[kind[row]] & REFUSED) > 0
        most_hour = max(most_hour, row - hour + 1)
        most_day = max(most_day, row - day + 1)
        most_refused = max(most_refused, refused)
    out[AT.busiest_1h_count] = most_hour
    out[AT.busiest_24h_count] = most_day
    out[AT.busiest_24h_refused] = most_refused


@compiled
def _fill_sweeps(times: Ints, euros: Floats, sums: Floats, n_large: int, n_outs: int, out: Floats) -> None:
    swept = begin = end = 0
    most = 0.0
    for place in range(n_large):
        when, value = times[_LARGE_INS, place], euros[_LARGE_INS, place]
        while begin < n_outs and times[_OUTS, begin] < when:
            begin += 1
        while end < n_outs and times[_OUTS, end] <= when + 3 * DAY:
            end += 1
        went = sums[_OUTS, end] - sums[_OUTS, begin]
        swept += went >= _SWEPT * value - NEARLY
        most = max(most, min(value, went))
    out[AT.sweep_count] = swept
    out[AT.sweep_share] = share(swept, n_large)
    out[AT.sweep_max] = most


@compiled
def _fed(created: Ints, amount: Floats, kind: Ints, rows: int, times: Ints, sums: Floats, n: int) -> float:
    """Sum, over crypto purchases, of as much of each as the series brought in within 72 hours up to it."""
    fed = 0.0
    begin = end = 0
    for row in range(rows):
        if MEANING[kind[row]] & PURCHASE:
            while begin < n and times[begin] < created[row] - 3 * DAY:
                begin += 1
            while end < n and times[end] <= created[row]:
                end += 1
            fed += min(amount[row], sums[end] - sums[begin])
    return fed
