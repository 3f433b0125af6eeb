"""Computes every feature of one customer or many, with one compiled function: both give the same bits."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba import boolean, float64, int8, int32, int64
from numpy.typing import NDArray

from customer_risk.model.compilation import compile_kept, sources_digest
from customer_risk.model.features.catalogue import AT, LOOKBACK_DAYS, MAX_TRANSACTIONS, NAMES
from customer_risk.model.features.encoded import Encoded
from customer_risk.model.features.kernel.blocks.course import fill_amounts, fill_rhythm
from customer_risk.model.features.kernel.blocks.flow import fill_flow
from customer_risk.model.features.kernel.blocks.profile import fill_fit, fill_profile
from customer_risk.model.features.kernel.blocks.series import split
from customer_risk.model.features.kernel.blocks.totals import fill_totals
from customer_risk.model.features.kernel.blocks.windows import DAY, fill_busiest, fill_first_days, fill_last_days
from customer_risk.model.features.kernel.completeness import check_completeness
from customer_risk.model.features.kernel.rows import bring_in_order, look_back, take
from customer_risk.model.features.kernel.workspace import make_workspace
from customer_risk.model.features.vocabulary import TYPES


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings that apply to every customer; part of a bundle.

    `lookback_us` microseconds before the customer's last activity count, and of these the latest `max_transactions`.
    Rows of `excluded_types` (names of model.features.vocabulary.TYPES, or OTHER) are dropped first.
    """

    lookback_us: int = LOOKBACK_DAYS * DAY
    max_transactions: int = MAX_TRANSACTIONS
    excluded_types: tuple[str, ...] = ("MANUAL",)


DEFAULTS = Settings()


def compute(encoded: Encoded, settings: Settings = DEFAULTS, *, threads: int = 1) -> NDArray[np.float64]:
    """Compute every feature of every customer: float64[m, len(NAMES)], NaN where missing, never infinite.

    Customers are divided among `threads` threads in ranges of about equally many rows; the number of threads changes no
    value.
    """
    return _compute(_entry(), encoded, settings, threads)


def _compute(entry: Callable[..., None], encoded: Encoded, settings: Settings, threads: int = 1) -> NDArray[np.float64]:
    values = np.empty((len(encoded.offsets) - 1, len(NAMES)))
    rows = (*encoded.columns(), settings.lookback_us, settings.max_transactions, are_excluded(settings.excluded_types))

    def run(first: int, last: int) -> None:
        entry(first, last, *rows, values)

    run_in_threads(run, encoded.offsets, threads)
    return values


def run_in_threads(run: Callable[[int, int], None], offsets: NDArray[np.int64], threads: int) -> None:
    """Call `run` with ranges of customers (first, last) of about equally many rows, one range for each thread."""
    customers = len(offsets) - 1
    if threads == 1 or customers < 2 * threads:
        run(0, customers)
        return
    cuts = np.searchsorted(offsets, np.linspace(0, offsets[-1], threads + 1)[1:-1])
    bounds = [0, *(int(cut) for cut in cuts), customers]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, bounds[:-1], bounds[1:]))


@functools.lru_cache(maxsize=8)
def are_excluded(types: tuple[str, ...]) -> NDArray[np.bool_]:
    """Return, for each code of a transaction's type, whether `types` (names) has it: bool[len(TYPES) + 1]."""
    return np.array([name in types for name in (*TYPES, "OTHER")])


@functools.cache
def _entry() -> Callable[..., None]:
    """Return the kernel, compiled or from the cache on the disk; the catalogue's order is part of the key.

    Raises FeatureError if the catalogue has a feature that the kernel does not compute.
    """
    return _make(sources_digest(Path(__file__).parent.parent) + ",".join(NAMES))


def _make(digest: str) -> Callable[..., None]:
    ints, floats, codes = (numba.types.Array(kind, 1, "C", readonly=True) for kind in (int64, float64, int8))
    profiles = numba.types.Array(int32, 2, "C", readonly=True)
    columns = (ints, ints, ints, ints, floats, codes, codes, codes, profiles)
    signature = numba.void(int64, int64, *columns, int64, int64, boolean[::1], float64[:, ::1])

    def entry(  # noqa: PLR0917  compiled code takes arrays, not objects
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
        if len(digest) == 0:  # uses it, so that it is in the closure
            return
        longest = 1
        for customer in range(first, last):
            longest = max(longest, offsets[customer + 1] - offsets[customer])
        work = make_workspace(longest)
        for customer in range(first, last):
            begin, end, features = offsets[customer], offsets[customer + 1], out[customer]
            features[:] = np.nan
            fill_profile(profile[customer], features)
            rows, ready = take(ids, created, completed, amount, state, type_, direction, begin, end, excluded, work)
            if ready:
                when, done, euros, kind = work.created, work.completed, work.amount, work.kind
            else:
                rows = bring_in_order(rows, work)
                when, done, euros, kind = work.created2, work.completed2, work.amount2, work.kind2
            own, whole, fee_first = look_back(when, done, euros, kind, rows, lookback, most)
            features[AT.transactions] = own
            features[AT.no_transactions] = own == 0
            if own == 0:
                continue
            lengths = split(when, euros, kind, own, work)
            fill_totals(euros, kind, own, work, features)
            fill_amounts(euros, kind, own, work, lengths, features)
            fill_busiest(when, own, work, lengths, features)
            fill_last_days(when, done, kind, own, work, lengths, features)
            if whole:
                features[AT.starts_with_fee] = fee_first
                fill_first_days(when, euros, kind, own, work, lengths, features)
            fill_rhythm(profile[customer], when, own, work, features)
            fill_flow(when[0], work, lengths, whole, features)
            fill_fit(features)

    kernel = compile_kept(entry, signature, nogil=True, fastmath=False, error_model="numpy")
    check_completeness(lambda customer: _compute(kernel, customer, DEFAULTS))
    return kernel
