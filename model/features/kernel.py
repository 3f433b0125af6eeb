"""The one computation of every feature, for one customer or all of them: the same compiled function, so the same bits."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from model.features.blocks.course import DAY, fill_course, fill_rhythm
from model.features.blocks.flow import SERIES, fill_busiest, fill_flow
from model.features.blocks.numbers import yes
from model.features.blocks.profile import fill_profile
from model.features.blocks.totals import fill_totals
from model.features.catalogue import AT, LOOKBACK_DAYS, MAX_TRANSACTIONS, NAMES
from model.features.encoded import Encoded
from model.features.rows import N_KINDS, collapse, is_ready, kind_of, look_back, order
from model.features.vocabulary import TYPES


@dataclass(frozen=True, slots=True)
class Settings:
    """What applies to every customer alike; part of a bundle's meaning.

    `lookback_us` microseconds before the customer's last activity count, and of these the latest `max_transactions`.
    Rows of `excluded_types` (names of model.features.vocabulary.TYPES, or OTHER) are dropped first of all.
    """

    lookback_us: int = LOOKBACK_DAYS * DAY
    max_transactions: int = MAX_TRANSACTIONS
    excluded_types: tuple[str, ...] = ("MANUAL",)


DEFAULTS = Settings()


def compute(encoded: Encoded, settings: Settings = DEFAULTS, *, threads: int = 1) -> NDArray[np.float64]:
    """Compute every feature of every customer: float64[m, len(NAMES)], NaN where missing, never infinite.

    Customers are shared out to `threads` threads in ranges of about equally many rows; how many makes no difference to
    any value.
    """
    customers = len(encoded.offsets) - 1
    values = np.full((customers, len(NAMES)), np.nan)
    excluded = np.array([name in settings.excluded_types for name in (*TYPES, "OTHER")])

    def run(first: int, last: int) -> None:
        _entry()(
            first,
            last,
            encoded.offsets,
            encoded.ids,
            encoded.created,
            encoded.completed,
            encoded.amount,
            encoded.state,
            encoded.type,
            encoded.direction,
            encoded.profile,
            settings.lookback_us,
            settings.max_transactions,
            excluded,
            values,
        )

    if threads == 1 or customers < 2 * threads:
        run(0, customers)
        return values
    cuts = np.searchsorted(encoded.offsets, np.linspace(0, encoded.offsets[-1], threads + 1)[1:-1])
    bounds = [0, *(int(cut) for cut in cuts), customers]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, bounds[:-1], bounds[1:]))
    return values


@functools.cache
def _entry() -> Callable[..., None]:
    """Compile the kernel, or take it from the disk.

    Numba keeps compiled code by the source of the entry alone, and would not notice a change in what the entry calls or
    in the catalogue's order. What the entry closes over is part of the key, so it closes over a digest of both.
    """
    sources = sorted(Path(__file__).parent.rglob("*.py"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources) + ",".join(NAMES).encode())
    try:
        return _make(digest.hexdigest(), cache=True)
    except RuntimeError:  # no place to keep compiled code (a read-only disk): compile for this process
        return _make(digest.hexdigest(), cache=False)


def _make(digest: str, *, cache: bool) -> Callable[..., None]:
    @numba.njit(cache=cache, nogil=True, fastmath=False)
    def entry(
        first: int,
        last: int,
        offsets: Any,
        ids: Any,
        created: Any,
        completed: Any,
        amount: Any,
        state: Any,
        type_: Any,
        direction: Any,
        profile: Any,
        lookback: int,
        most: int,
        excluded: Any,
        out: Any,
    ) -> None:
        if len(digest) == 0:  # read, so that it is closed over
            return
        room = 1
        for customer in range(first, last):
            room = max(room, offsets[customer + 1] - offsets[customer])
        slots = 2
        while slots < 2 * room:
            slots *= 2
        taken = np.empty((4, room), np.int64)  # the rows as they came, then collapsed: id, created, completed, kind
        sorted_ = np.empty((3, room), np.int64)  # in order: created, completed, kind
        places = np.empty((4, room), np.int64)
        at, key, at2, key2 = places[0], places[1], places[2], places[3]
        floats = np.empty((3, room), np.float64)
        euros, euros_sorted, work = floats[0], floats[1], floats[2]
        seen = np.empty(slots, np.int64)
        totals = np.empty((3, N_KINDS), np.float64)
        times = np.empty((SERIES, 2 * room + 1), np.int64)
        series, running = np.empty((SERIES, 2 * room + 1), np.float64), np.empty((SERIES, 2 * room + 1), np.float64)
        for customer in range(first, last):
            row_out = out[customer]
            fill_profile(profile[customer], row_out)
            rows = 0
            for row in range(offsets[customer], offsets[customer + 1]):
                if not excluded[type_[row]]:
                    taken[0, rows] = ids[row]
                    taken[1, rows] = created[row]
                    taken[2, rows] = completed[row]
                    taken[3, rows] = kind_of(type_[row], direction[row], state[row])
                    euros[rows] = amount[row]
                    rows += 1
            if is_ready(taken[0], taken[1], taken[2], euros, taken[3], rows):
                for row in range(rows):
                    at[row] = row
            else:
                slots = 2
                while slots < 2 * rows:
                    slots *= 2
                rows = collapse(taken[0], taken[1], taken[2], euros, taken[3], rows, seen, slots)
                order(taken[1], taken[2], euros, taken[3], rows, at, key, at2, key2)
            for row in range(rows):
                sorted_[0, row] = taken[1, at[row]]
                sorted_[1, row] = taken[2, at[row]]
                sorted_[2, row] = taken[3, at[row]]
                euros_sorted[row] = euros[at[row]]
            own, fee_first = look_back(sorted_[0], sorted_[1], euros_sorted, sorted_[2], rows, lookback, most)
            row_out[AT.transactions] = own
            row_out[AT.no_transactions] = yes(own == 0)
            if own > 0:
                row_out[AT.starts_with_fee] = yes(fee_first)
                fill_totals(euros_sorted, sorted_[2], own, totals, row_out)
                fill_course(sorted_[0], sorted_[1], euros_sorted, sorted_[2], own, work, row_out)
                fill_rhythm(profile[customer], sorted_[0], own, work, row_out)
                fill_flow(sorted_[0], euros_sorted, sorted_[2], own, times, series, running, row_out)
                fill_busiest(sorted_[0], sorted_[2], own, row_out)
                row_out[AT.low_income_in] = row_out[AT.in_sum] if row_out[AT.occupation_low_income] else 0.0
                if not np.isnan(row_out[AT.no_biometrics]):
                    row_out[AT.no_biometrics_in] = row_out[AT.in_sum] if row_out[AT.no_biometrics] else 0.0

    compiled: Callable[..., None] = entry
    return compiled
