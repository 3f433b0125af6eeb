"""The kernel's scratch arrays, made once for a range of customers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from customer_risk.model.features.compiled import compiled
from customer_risk.model.features.kernel.kinds import N_ROLES
from customer_risk.model.features.shapes import N_DIRECTIONS, N_TYPES, Floats, Ints, Kinds


class Workspace(NamedTuple):
    """Arrays with one element more than the customer with the most rows has, unless a comment says otherwise."""

    ids: Ints
    created: Ints
    completed: Ints
    kind: Kinds
    amount: Floats
    created2: Ints  # the same, sorted
    completed2: Ints
    kind2: Kinds
    amount2: Floats
    at: Ints  # for sorting
    at2: Ints
    key: Ints
    key2: Ints
    seen: Ints  # a hash table
    values: Floats
    lower: Floats
    upper: Floats
    counts: Floats  # by type and role
    sums: Floats
    maxima: Floats
    pairs: Floats  # by type and direction
    in_times: Ints
    ins: Floats
    in_sums: Floats
    out_times: Ints
    outs: Floats
    out_sums: Floats
    transfer_times: Ints
    transfers: Floats
    transfer_sums: Floats
    top_up_times: Ints
    top_up_sums: Floats
    purchase_times: Ints
    purchases: Floats
    refusal_times: Ints
    starts: Ints  # two a row
    lags: Floats
    parts: Floats


@compiled
def make_workspace(rows: int) -> Workspace:
    """Return a workspace for customers of at most `rows` rows."""
    slots = 2
    while slots < 2 * rows:
        slots *= 2
    ints, floats, kinds = np.empty((15, rows + 1), np.int64), np.empty((14, rows + 1)), np.empty((2, rows), np.uint8)
    matches, tables = np.empty((2, 2 * rows)), np.empty((3, N_TYPES, N_ROLES))
    return Workspace(
        ids=ints[0],
        created=ints[1],
        completed=ints[2],
        kind=kinds[0],
        amount=floats[0],
        created2=ints[3],
        completed2=ints[4],
        kind2=kinds[1],
        amount2=floats[1],
        at=ints[5],
        at2=ints[6],
        key=ints[7],
        key2=ints[8],
        seen=np.empty(slots, np.int64),
        values=floats[2],
        lower=floats[3],
        upper=floats[4],
        counts=tables[0],
        sums=tables[1],
        maxima=tables[2],
        pairs=np.empty((N_TYPES, N_DIRECTIONS)),
        in_times=ints[9],
        ins=floats[5],
        in_sums=floats[6],
        out_times=ints[10],
        outs=floats[7],
        out_sums=floats[8],
        transfer_times=ints[11],
        transfers=floats[9],
        transfer_sums=floats[10],
        top_up_times=ints[12],
        top_up_sums=floats[11],
        purchase_times=ints[13],
        purchases=floats[12],
        refusal_times=ints[14],
        starts=np.empty(2 * rows, np.int64),
        lags=matches[0],
        parts=matches[1],
    )
