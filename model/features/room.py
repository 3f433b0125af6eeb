"""The kernel's room to work in, made once for a range of customers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from model.features.blocks.kinds import N_COLUMNS, N_ROLES
from model.features.compiled import compiled
from model.features.shapes import N_DIRECTIONS, N_STATES, N_TYPES, Floats, Ints


class Room(NamedTuple):
    """Arrays with a place for each row of the customer who has most of them, unless said otherwise."""

    ids: Ints
    created: Ints
    completed: Ints
    kind: Ints
    amount: Floats
    created2: Ints  # the same in order
    completed2: Ints
    kind2: Ints
    amount2: Floats
    at: Ints  # for sorting
    at2: Ints
    key: Ints
    key2: Ints
    seen: Ints  # a hash table
    values: Floats
    counts: Floats  # by type and role
    sums: Floats
    maxima: Floats
    pairs: Floats  # by type and direction
    states: Floats
    running: Floats  # a row more, by column
    in_times: Ints  # a row more
    ins: Floats
    out_times: Ints
    outs: Floats
    starts: Ints  # two a row
    lags: Floats
    parts: Floats


@compiled
def make_room(rows: int) -> Room:
    """Make room for customers of at most so many rows."""
    slots = 2
    while slots < 2 * rows:
        slots *= 2
    ints, floats = np.empty((14, rows + 1), np.int64), np.empty((5, rows + 1))
    matches = np.empty((2, 2 * rows))
    return Room(
        ids=ints[0],
        created=ints[1],
        completed=ints[2],
        kind=ints[3],
        amount=floats[0],
        created2=ints[4],
        completed2=ints[5],
        kind2=ints[6],
        amount2=floats[1],
        at=ints[7],
        at2=ints[8],
        key=ints[9],
        key2=ints[10],
        seen=np.empty(slots, np.int64),
        values=floats[2],
        counts=np.empty((N_TYPES, N_ROLES)),
        sums=np.empty((N_TYPES, N_ROLES)),
        maxima=np.empty((N_TYPES, N_ROLES)),
        pairs=np.empty((N_TYPES, N_DIRECTIONS)),
        states=np.empty(N_STATES),
        running=np.empty((rows + 1, N_COLUMNS)),
        in_times=ints[11],
        ins=floats[3],
        out_times=ints[12],
        outs=floats[4],
        starts=np.empty(2 * rows, np.int64),
        lags=matches[0],
        parts=matches[1],
    )
