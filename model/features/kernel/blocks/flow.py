"""Features of money that passes through, and of what fed crypto purchases."""

from __future__ import annotations

from typing import Final

from customer_risk.model.features.catalogue import AT
from customer_risk.model.features.compiled import compiled
from customer_risk.model.features.kernel.blocks.numbers import NEARLY, part_of, share, weighted_median
from customer_risk.model.features.kernel.blocks.series import Lengths
from customer_risk.model.features.kernel.blocks.windows import DAY, HOUR
from customer_risk.model.features.kernel.workspace import Workspace
from customer_risk.model.features.shapes import Floats, Ints

_LARGE: Final = 100.0  # EUR: smaller transfers don't begin a sweep
_SWEPT: Final = 0.8


@compiled
def fill_flow(begin: int, work: Workspace, lengths: Lengths, whole: bool, out: Floats) -> None:
    """Fill the features; `begin` is the first transaction's time; `whole` is true if no earlier one was left out."""
    out[AT.irrevocable_out] = out[AT.onramp_sum] + out[AT.transfer_out_sum] + out[AT.card_large_sum]
    out[AT.irrevocable_share] = share(min(out[AT.irrevocable_out], out[AT.in_sum]), out[AT.in_sum])
    out[AT.transfer_flow] = out[AT.transfer_in_sum] + out[AT.irrevocable_out]
    out[AT.onramp_fed_by_transfers] = _fed(work.transfer_times, work.transfer_sums, lengths.transfers, work, lengths)
    out[AT.onramp_fed_by_topups] = _fed(work.top_up_times, work.top_up_sums, lengths.top_ups, work, lengths)
    _fill_sweeps(work, lengths, out)
    matches = _match(work.in_times, work.ins, lengths.ins, 0.0, work, lengths.outs)
    _fill_matches(work.lags, work.parts, work.starts, matches, begin, whole, out)
    matches = _match(work.transfer_times, work.transfers, lengths.transfers, _LARGE, work, lengths.outs)
    passed = 0.0
    for match in range(matches):
        passed += work.parts[match] * (work.lags[match] <= 3 * DAY)
    out[AT.transfer_pass_72h] = passed
    large = 0.0
    for place in range(lengths.transfers):
        large += work.transfers[place] * (work.transfers[place] >= _LARGE)
    out[AT.transfer_pass_72h_share] = part_of(passed, large)


@compiled
def _fed(times: Ints, sums: Floats, rows: int, work: Workspace, lengths: Lengths) -> float:
    """Return the sum, over crypto purchases, of the part that a series of the 72 hours before it can pay."""
    fed = 0.0
    begin = end = 0
    for place in range(lengths.purchases):
        when = work.purchase_times[place]
        while begin < rows and times[begin] < when - 3 * DAY:
            begin += 1
        while end < rows and times[end] <= when:
            end += 1
        fed += min(work.purchases[place], sums[end] - sums[begin])
    return fed


@compiled
def _fill_sweeps(work: Workspace, lengths: Lengths, out: Floats) -> None:
    large = swept = begin = end = 0
    most = 0.0
    for place in range(lengths.transfers):
        value, when = work.transfers[place], work.transfer_times[place]
        if value < _LARGE:
            continue
        while begin < lengths.outs and work.out_times[begin] < when:
            begin += 1
        while end < lengths.outs and work.out_times[end] <= when + 3 * DAY:
            end += 1
        went = work.out_sums[end] - work.out_sums[begin]
        large += 1
        swept += went >= _SWEPT * value - NEARLY
        most = max(most, min(value, went))
    out[AT.sweep_count] = swept
    out[AT.sweep_share] = share(swept, large)
    out[AT.sweep_max] = most


@compiled
def _match(times: Ints, ins: Floats, n_ins: int, least: float, work: Workspace, outs: int) -> int:
    """Match moves out with the earliest money in, both of `least` or more; return the number of matches.

    A match has its time, its amount and the time of the move in. Each match uses up a move in or a move out, so there
    are at most as many matches as moves.
    """
    matches = first = 0
    while first < n_ins and ins[first] < least:
        first += 1
    left = ins[first]
    for place in range(outs):
        wanted, now = work.outs[place], work.out_times[place]
        if wanted < least:
            continue
        while wanted > NEARLY and first < n_ins and times[first] <= now:
            part = min(wanted, left)
            work.lags[matches] = now - times[first]
            work.parts[matches] = part
            work.starts[matches] = times[first]
            matches += 1
            wanted -= part
            left -= part
            if left <= NEARLY:
                first += 1
                while first < n_ins and ins[first] < least:
                    first += 1
                left = ins[first]
    return matches


@compiled
def _fill_matches(
    lags: Floats, parts: Floats, starts: Ints, matches: int, begin: int, whole: bool, out: Floats
) -> None:
    pass_1h = pass_24h = pass_72h = passed = early = 0.0
    for match in range(matches):
        lag, part = lags[match], parts[match]
        passed += part
        pass_1h += part * (lag <= HOUR)
        pass_24h += part * (lag <= DAY)
        within = part * (lag <= 3 * DAY)
        pass_72h += within
        early += within * (starts[match] - begin <= 14 * DAY)
    out[AT.pass_1h] = pass_1h
    out[AT.pass_24h] = pass_24h
    out[AT.pass_72h] = pass_72h
    out[AT.pass_24h_share] = part_of(pass_24h, out[AT.in_sum])
    out[AT.passed_share] = part_of(passed, out[AT.in_sum])
    # The greatest excess of money out over money in so far equals the unmatched money out (reflection principle).
    unfunded = out[AT.out_sum] - passed
    out[AT.unfunded_out] = unfunded if unfunded > NEARLY else 0.0
    if whole:
        out[AT.first_14d_passed] = early
    out[AT.dwell_median_hours] = weighted_median(lags, parts, matches) / HOUR
