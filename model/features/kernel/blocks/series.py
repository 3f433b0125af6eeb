"""Splits the moves of money into series with running sums, for the features of flow and windows."""

from __future__ import annotations

from typing import NamedTuple

from customer_risk.model.features.compiled import compiled
from customer_risk.model.features.kernel.kinds import (
    CAME,
    PURCHASE,
    RARITY,
    REFUSAL,
    ROLE,
    TOP_UP_DONE,
    TRANSFER_IN,
    USUAL,
    WENT,
)
from customer_risk.model.features.kernel.workspace import Workspace
from customer_risk.model.features.shapes import Floats, Ints, Kinds


class Lengths(NamedTuple):
    """The number of rows of each series."""

    ins: int
    outs: int
    transfers: int
    top_ups: int
    purchases: int
    refusals: int


@compiled
def split(created: Ints, amount: Floats, kind: Kinds, rows: int, work: Workspace) -> Lengths:
    """List moves in and out, transfers in, top-ups, purchases (all greater than 0) and refusals, in order.

    Every row is written to both moves in and moves out, and the counters keep the right ones: a branch would
    often be mispredicted, a factor of 0 or 1 needs no branch. Entry k of a running sum is of the first k moves.
    """
    ins = outs = transfers = top_ups = purchases = refusals = 0
    came = went = transferred = topped_up = 0.0
    work.in_sums[0] = work.out_sums[0] = work.transfer_sums[0] = work.top_up_sums[0] = 0.0
    for row in range(rows):
        value, kind_, when = amount[row], kind[row], created[row]
        work.in_times[ins], work.ins[ins] = when, value
        comes = (ROLE[kind_] == CAME) & (value > 0)
        came += value * comes
        ins += comes
        work.in_sums[ins] = came
        work.out_times[outs], work.outs[outs] = when, value
        goes = (ROLE[kind_] == WENT) & (value > 0)
        went += value * goes
        outs += goes
        work.out_sums[outs] = went
        rarity = RARITY[kind_]
        if rarity == USUAL:
            continue
        if rarity == REFUSAL:
            work.refusal_times[refusals] = when
            refusals += 1
        elif value > 0:
            if rarity == TRANSFER_IN:
                work.transfer_times[transfers], work.transfers[transfers] = when, value
                transferred += value
                transfers += 1
                work.transfer_sums[transfers] = transferred
            elif rarity == TOP_UP_DONE:
                work.top_up_times[top_ups] = when
                topped_up += value
                top_ups += 1
                work.top_up_sums[top_ups] = topped_up
            elif rarity == PURCHASE:
                work.purchase_times[purchases], work.purchases[purchases] = when, value
                purchases += 1
    return Lengths(ins, outs, transfers, top_ups, purchases, refusals)
