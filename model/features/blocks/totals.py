"""Features that counts, sums and maxima a kind of transaction are enough for."""

from __future__ import annotations

import math

import numpy as np

from model.features.blocks.kinds import (
    CANCELLED,
    CARDS,
    COMPLETED,
    DECLINED,
    FAILED,
    IN,
    OFF_RAMP,
    ON_RAMP,
    OUT,
    PAYMENTS,
    PENDING,
    REVERSED,
    TOP_UP,
    TRANSFER,
)
from model.features.blocks.numbers import share, yes
from model.features.catalogue import AT
from model.features.compiled import compiled
from model.features.rows import N_DIRECTIONS, N_STATES, N_TYPES, Floats, Ints


@compiled
def fill_totals(amount: Floats, kind: Ints, rows: int, totals: Floats, out: Floats) -> None:
    """Fill from all transactions; `totals` is room of (3, N_KINDS)."""
    totals[:] = 0.0
    counts, sums, maxima = totals[0], totals[1], totals[2]
    for row in range(rows):
        kind_, euros = kind[row], amount[row]
        counts[kind_] += 1.0
        sums[kind_] += euros
        maxima[kind_] = max(maxima[kind_], euros)
    shape = (N_TYPES, N_DIRECTIONS, N_STATES)
    count, euros_, most = counts.reshape(shape), sums.reshape(shape), maxima.reshape(shape)
    _fill_activity(count, rows, out)
    _fill_money(count, euros_, most, rows, out)
    _fill_transfers(count, euros_, most, out)
    _fill_crypto(count, euros_, out)
    _fill_top_ups(count, euros_, out)
    _fill_cards(count, out)


@compiled
def _fill_activity(count: Floats, rows: int, out: Floats) -> None:
    by_state = np.zeros(N_STATES)
    entropy = 0.0
    for type_ in range(N_TYPES):
        for direction in range(N_DIRECTIONS):
            alike = 0.0
            for state in range(N_STATES):
                alike += count[type_, direction, state]
                by_state[state] += count[type_, direction, state]
            if alike > 0:
                entropy -= alike / rows * math.log(alike / rows)
    out[AT.kind_entropy] = max(entropy, 0.0)  # of a single kind it is -0.0
    out[AT.declined_share] = by_state[DECLINED] / rows
    out[AT.failed_share] = by_state[FAILED] / rows
    out[AT.cancelled_share] = by_state[CANCELLED] / rows
    out[AT.reversed_share] = by_state[REVERSED] / rows
    lost = by_state[DECLINED] + by_state[FAILED] + by_state[CANCELLED] + by_state[REVERSED]
    out[AT.unsuccessful_share] = lost / rows


@compiled
def _fill_money(count: Floats, euros: Floats, most: Floats, rows: int, out: Floats) -> None:
    in_sum = in_max = out_count = out_sum = out_max = 0.0
    for type_ in range(N_TYPES):
        in_sum += euros[type_, IN, COMPLETED]
        in_max = max(in_max, most[type_, IN, COMPLETED])
        out_count += count[type_, OUT, COMPLETED] + count[type_, OUT, PENDING]
        out_sum += euros[type_, OUT, COMPLETED] + euros[type_, OUT, PENDING]
        out_max = max(out_max, most[type_, OUT, COMPLETED], most[type_, OUT, PENDING])
    out[AT.in_sum] = in_sum
    out[AT.in_max] = in_max
    out[AT.out_count] = out_count
    out[AT.out_sum] = out_sum
    out[AT.out_max] = out_max
    out[AT.out_mean] = share(out_sum, out_count)
    out[AT.value_per_transaction] = (in_sum + out_sum) / rows
    out[AT.left_sum] = in_sum - out_sum
    if in_sum > 0:
        out[AT.out_to_in] = min(out_sum / in_sum, 3.0)
        out[AT.left_share] = max((in_sum - out_sum) / in_sum, 0.0)


@compiled
def _fill_transfers(count: Floats, euros: Floats, most: Floats, out: Floats) -> None:
    went = count[TRANSFER, OUT, COMPLETED] + count[TRANSFER, OUT, PENDING]
    out[AT.transfer_in_count] = count[TRANSFER, IN, COMPLETED]
    out[AT.transfer_in_sum] = euros[TRANSFER, IN, COMPLETED]
    out[AT.transfer_in_max] = most[TRANSFER, IN, COMPLETED]
    out[AT.transfer_in_share] = share(euros[TRANSFER, IN, COMPLETED], out[AT.in_sum])
    out[AT.transfer_out_count] = went
    out[AT.transfer_out_sum] = euros[TRANSFER, OUT, COMPLETED] + euros[TRANSFER, OUT, PENDING]
    out[AT.transfer_out_count_share] = went / out[AT.transactions]
    out[AT.transfer_out_refused] = count[TRANSFER, OUT, FAILED] + count[TRANSFER, OUT, DECLINED]


@compiled
def _fill_crypto(count: Floats, euros: Floats, out: Floats) -> None:
    bought = euros[ON_RAMP, OUT, COMPLETED] + euros[ON_RAMP, OUT, PENDING]
    stopped = tried = 0.0
    for direction in range(N_DIRECTIONS):
        stopped += count[ON_RAMP, direction, CANCELLED]
        stopped += count[ON_RAMP, direction, FAILED] + count[ON_RAMP, direction, DECLINED]
        for state in range(N_STATES):
            tried += euros[ON_RAMP, direction, state]
    out[AT.onramp_count] = count[ON_RAMP, OUT, COMPLETED] + count[ON_RAMP, OUT, PENDING]
    out[AT.onramp_sum] = bought
    out[AT.onramp_cancelled_count] = stopped
    out[AT.onramp_share_of_out] = share(bought, out[AT.out_sum])
    out[AT.onramp_against_reason] = 0.0 if out[AT.reason_crypto] else tried
    out[AT.offramp_sum] = euros[OFF_RAMP, IN, COMPLETED]


@compiled
def _fill_top_ups(count: Floats, euros: Floats, out: Floats) -> None:
    failed = failed_sum = tried = 0.0
    for direction in range(N_DIRECTIONS):
        for state in (CANCELLED, FAILED, DECLINED):
            failed += count[TOP_UP, direction, state]
            failed_sum += euros[TOP_UP, direction, state]
        for state in range(N_STATES):
            tried += count[TOP_UP, direction, state]
    done = count[TOP_UP, IN, COMPLETED]
    out[AT.topup_failed_count] = failed
    out[AT.topup_failed_sum] = failed_sum
    out[AT.topup_failed_share] = share(failed, tried)
    out[AT.topup_never_succeeded] = yes(failed > 0 and done == 0)
    out[AT.topup_done_count] = done
    out[AT.topup_in_share] = share(euros[TOP_UP, IN, COMPLETED], out[AT.in_sum])


@compiled
def _fill_cards(count: Floats, out: Floats) -> None:
    refused = used = out_used = paid = 0.0
    for state in range(N_STATES):
        out_used += count[CARDS, OUT, state]
        for direction in range(N_DIRECTIONS):
            used += count[CARDS, direction, state]
            paid += count[PAYMENTS, direction, state]
    for direction in range(N_DIRECTIONS):
        refused += count[CARDS, direction, FAILED] + count[CARDS, direction, DECLINED]
    out[AT.card_count] = out_used
    out[AT.card_refused_share] = share(refused, used)
    out[AT.payment_count] = paid
