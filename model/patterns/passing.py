"""Matches money that went out with money that came in shortly before."""

from __future__ import annotations

from typing import Final

import numpy as np

from customer_risk.model.features.compiled import compiled
from customer_risk.model.features.kernel.kinds import CAME, OFF_RAMP, ON_RAMP, PAYMENTS, ROLE, TRANSFER, WENT
from customer_risk.model.features.kernel.workspace import Workspace
from customer_risk.model.features.shapes import N_DIRECTIONS, N_STATES, N_TYPES, Floats, Ints, Kinds

_CENT: Final = 0.005  # EUR: less than half a cent is a rounding error
# Ways out by type: to someone else and hard to call back (0), and crypto purchases alone (1).
_OUT: Final = np.array(
    [[type_ in ways for type_ in range(N_TYPES)] for ways in ((TRANSFER, ON_RAMP, PAYMENTS), (ON_RAMP,))]
)


@compiled
def split_moves(amount: Floats, kind: Kinds, rows: int, crypto: int, work: Workspace) -> tuple[int, int]:
    """Write the places of moves in (`work.in_times`) and out (`work.out_times`), and what came in (`work.ins`).

    Returns how many moves there are each way. Out are transfers, payments and crypto purchases. With `crypto` (1, else
    0), out are crypto purchases alone, and crypto that was sold doesn't come in.
    """
    ins, outs = 0, 0
    for row in range(rows):
        if not amount[row] > 0:
            continue
        role, type_ = ROLE[kind[row]], kind[row] // (N_STATES * N_DIRECTIONS)
        if role == CAME and not (crypto and type_ == OFF_RAMP):
            work.in_times[ins] = row
            work.ins[ins] = amount[row]
            ins += 1
        elif role == WENT and _OUT[crypto, type_]:
            work.out_times[outs] = row
            outs += 1
    return ins, outs


@compiled
def match_moves(created: Ints, amount: Floats, ins: int, outs: int, window: int, rows: int, work: Workspace) -> float:
    """Match money out with money in of at most `window` before, the oldest first; return the EUR matched.

    Money that came in at the same time counts as before. Matching the oldest money first gives the greatest amount of
    any matching (earliest deadline first). `work.at2` is 1 at the places of the transactions that were matched, else 0.
    """
    for row in range(rows):
        work.at2[row] = 0
    matched = 0.0
    head = 0
    for one in range(outs):
        place = work.out_times[one]
        when, out = created[place], amount[place]
        while head < ins and when - created[work.in_times[head]] > window:
            head += 1
        while head < ins and created[work.in_times[head]] <= when and out >= _CENT:
            taken = min(out, work.ins[head])
            matched += taken
            out -= taken
            work.ins[head] -= taken
            work.at2[work.in_times[head]] = 1
            work.at2[place] = 1
            if work.ins[head] < _CENT:
                head += 1
    return matched


@compiled
def show_moves(rows: int, work: Workspace, shown: Ints) -> int:
    """Write the places of the transactions that the last call of `match_moves` matched; return how many there are."""
    found = 0
    for row in range(rows):
        if work.at2[row]:
            shown[found] = row
            found += 1
    return found
