"""Features of counts, sums and maxima by type and role."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from customer_risk.model.features.catalogue import AT
from customer_risk.model.features.compiled import compiled
from customer_risk.model.features.kernel.blocks.numbers import share, yes
from customer_risk.model.features.kernel.kinds import (
    CAME,
    CARDS,
    DECLINING,
    FAILING,
    N_ROLES,
    OFF_RAMP,
    ON_RAMP,
    OUT,
    STOPPED,
    TOP_UP,
    TRANSFER,
    TURNED,
    TYPES_ROLE,
    WENT,
)
from customer_risk.model.features.kernel.workspace import Workspace
from customer_risk.model.features.shapes import N_DIRECTIONS, N_STATES, N_TYPES, Floats, Kinds

_MANY: Final = 256
_N_LOG_N: Final[Floats] = np.array([n * math.log(max(n, 1)) for n in range(_MANY)])  # a logarithm is slow


@compiled
def fill_totals(amount: Floats, kind: Kinds, rows: int, work: Workspace, out: Floats) -> None:
    """Fill the features of totals from all transactions."""
    counts, sums, maxima, pairs = work.counts, work.sums, work.maxima, work.pairs
    counts[:], sums[:], maxima[:], pairs[:] = 0.0, 0.0, 0.0, 0.0
    count, euros, most, pair = counts.ravel(), sums.ravel(), maxima.ravel(), pairs.ravel()
    for row in range(rows):
        value, role = amount[row], TYPES_ROLE[kind[row]]
        count[role] += 1.0
        euros[role] += value
        most[role] = max(most[role], value)
        pair[kind[row] // N_STATES] += 1.0
    _fill_activity(counts, pair, rows, out)
    _fill_money(counts, sums, maxima, rows, out)
    _fill_transfers(counts, sums, maxima, out)
    _fill_crypto(counts, sums, out)
    _fill_top_ups(counts, sums, pairs, out)
    _fill_cards(counts, pairs, out)


@compiled
def _fill_activity(count: Floats, pair: Floats, rows: int, out: Floats) -> None:
    logs, kinds = 0.0, 0
    for place in range(N_TYPES * N_DIRECTIONS):
        alike = int(pair[place])
        kinds += alike > 0
        logs += _N_LOG_N[alike] if alike < _MANY else alike * math.log(alike)
    out[AT.kind_entropy] = math.log(rows) - logs / rows if kinds > 1 else 0.0
    declined = failed = cancelled = turned = 0.0
    for type_ in range(N_TYPES):
        declined += count[type_, DECLINING]
        failed += count[type_, FAILING]
        cancelled += count[type_, STOPPED]
        turned += count[type_, TURNED]
    out[AT.declined_share] = declined / rows
    out[AT.failed_share] = failed / rows
    out[AT.cancelled_share] = cancelled / rows
    out[AT.reversed_share] = turned / rows


@compiled
def _fill_money(count: Floats, euros: Floats, most: Floats, rows: int, out: Floats) -> None:
    in_sum = in_max = out_count = out_sum = out_max = 0.0
    for type_ in range(N_TYPES):
        in_sum += euros[type_, CAME]
        in_max = max(in_max, most[type_, CAME])
        out_count += count[type_, WENT]
        out_sum += euros[type_, WENT]
        out_max = max(out_max, most[type_, WENT])
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
    out[AT.transfer_in_count] = count[TRANSFER, CAME]
    out[AT.transfer_in_sum] = euros[TRANSFER, CAME]
    out[AT.transfer_in_max] = most[TRANSFER, CAME]
    out[AT.transfer_in_share] = share(euros[TRANSFER, CAME], out[AT.in_sum])
    out[AT.transfer_out_count] = count[TRANSFER, WENT]
    out[AT.transfer_out_sum] = euros[TRANSFER, WENT]
    out[AT.transfer_out_count_share] = count[TRANSFER, WENT] / out[AT.transactions]


@compiled
def _fill_crypto(count: Floats, euros: Floats, out: Floats) -> None:
    tried = 0.0
    for role in range(N_ROLES):
        tried += euros[ON_RAMP, role]
    out[AT.onramp_count] = count[ON_RAMP, WENT]
    out[AT.onramp_sum] = euros[ON_RAMP, WENT]
    out[AT.onramp_cancelled_count] = count[ON_RAMP, STOPPED] + count[ON_RAMP, FAILING] + count[ON_RAMP, DECLINING]
    out[AT.onramp_against_reason] = 0.0 if out[AT.reason_crypto] else tried
    out[AT.offramp_sum] = euros[OFF_RAMP, CAME]


@compiled
def _fill_top_ups(count: Floats, euros: Floats, pairs: Floats, out: Floats) -> None:
    failed = count[TOP_UP, STOPPED] + count[TOP_UP, FAILING] + count[TOP_UP, DECLINING]
    tried = 0.0
    for direction in range(N_DIRECTIONS):
        tried += pairs[TOP_UP, direction]
    out[AT.topup_failed_count] = failed
    out[AT.topup_failed_sum] = euros[TOP_UP, STOPPED] + euros[TOP_UP, FAILING] + euros[TOP_UP, DECLINING]
    out[AT.topup_failed_share] = share(failed, tried)
    out[AT.topup_never_succeeded] = yes(failed > 0 and count[TOP_UP, CAME] == 0)
    out[AT.topup_done_count] = count[TOP_UP, CAME]
    out[AT.topup_in_share] = share(euros[TOP_UP, CAME], out[AT.in_sum])


@compiled
def _fill_cards(count: Floats, pairs: Floats, out: Floats) -> None:
    used = 0.0
    for direction in range(N_DIRECTIONS):
        used += pairs[CARDS, direction]
    out[AT.card_count] = pairs[CARDS, OUT]
    out[AT.card_refused_share] = share(count[CARDS, FAILING] + count[CARDS, DECLINING], used)
