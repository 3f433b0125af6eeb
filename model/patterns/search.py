"""The compiled search for all patterns in the transactions that features are computed from."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numba
import numpy as np
from numba import boolean, float64, int8, int32, int64

from customer_risk.model import features
from customer_risk.model.compilation import compile_kept, sources_digest
from customer_risk.model.features.compiled import compiled
from customer_risk.model.features.kernel.rows import bring_in_order, look_back, take
from customer_risk.model.features.kernel.workspace import Workspace, make_workspace
from customer_risk.model.features.shapes import Floats, Ints, Kinds
from customer_risk.model.features.vocabulary import PROFILE, UNKNOWN_OFFSET
from customer_risk.model.patterns.bursts import (
    pick_amounts,
    pick_failed_top_ups,
    pick_just_below,
    pick_night,
    show_bursts,
    show_greatest,
    show_large,
)
from customer_risk.model.patterns.definitions import BY_CODE
from customer_risk.model.patterns.passing import match_moves, show_moves, split_moves

# Columns of `limits`; a pattern uses those that its thresholds name.
WINDOW: Final = 0  # microseconds
COUNT: Final = 1
PART: Final = 2  # share, margin, or the hour until which it is night
AMOUNT: Final = 3  # EUR
N_LIMITS: Final = 4

# Columns of `figures` and of `times`
FOUND: Final = 0  # number of transactions that show the pattern
EUR: Final = 1
SHARE: Final = 2
N_FIGURES: Final = 3
FIRST: Final = 0
LAST: Final = 1

NUMBERS: Final = {code: number for number, code in enumerate(BY_CODE)}  # of the patterns, as `which` names them
GREATEST: Final = len(NUMBERS)  # not a pattern: the greatest amount that moved
_PASS_THROUGH: Final = NUMBERS["PASS_THROUGH"]
_CRYPTO_FED: Final = NUMBERS["CRYPTO_FED_AT_ONCE"]
_FAILED_TOP_UPS: Final = NUMBERS["FAILED_TOP_UPS"]
_VELOCITY: Final = NUMBERS["VELOCITY_BURST"]
_NIGHT: Final = NUMBERS["NIGHT_BURST"]
_LARGE: Final = NUMBERS["LARGE_AMOUNT"]
_OFFSET: Final = PROFILE.index("utc_offset")


@compiled
def number_rows(
    created: Ints, completed: Ints, amount: Floats, kind: Kinds, rows: int, ready: bool, work: Workspace
) -> None:
    """Write each row's id number in place of its completion time, which no pattern needs.

    Rows that are equal in all columns are numbered in the order of their ids, so that evidence doesn't depend on the
    order of the input.
    """
    for row in range(rows):
        work.key[row] = work.ids[row] if ready else work.ids[work.at[row]]
    begin = 0
    for row in range(1, rows + 1):
        if (
            row < rows
            and created[row] == created[begin]
            and amount[row] == amount[begin]
            and kind[row] == kind[begin]
            and completed[row] == completed[begin]
        ):
            continue
        if row - begin > 1:
            work.key[begin:row].sort()
        begin = row
    for row in range(rows):
        completed[row] = work.key[row]


@compiled
def sum_up(amount: Floats, places: Ints, count: int) -> float:
    """Return the sum of the amounts at the places, in whole cents: sums of cents have no exact binary value."""
    total = 0.0
    for one in range(count):
        total += amount[places[one]]
    return to_cents(total)


@compiled
def to_cents(amount: float) -> float:
    """Return the amount rounded to the cent."""
    return float(np.rint(amount * 100) / 100)


@compiled
def pick(
    number: int, limits: Floats, created: Ints, amount: Floats, kind: Kinds, own: int, minutes: int, places: Ints
) -> int:
    """Write the places of the transactions that can be part of a burst of this pattern; return how many there are."""
    if number == _FAILED_TOP_UPS:
        return pick_failed_top_ups(kind, own, places)
    if number == _VELOCITY:
        return pick_amounts(amount, own, places)
    if number == _NIGHT:
        return pick_night(created, amount, own, minutes, limits[PART], places)
    return pick_just_below(amount, own, limits[PART], places)


@compiled
def search(
    number: int, limits: Floats, created: Ints, amount: Floats, kind: Kinds, own: int, minutes: int, work: Workspace,
    figures: Floats,
) -> int:  # fmt: skip
    """Search for one pattern; return how many transactions show it, with their places in `work.at`.

    Fills in the sum and the share (NaN where the pattern has none) of a pattern that is found, and nothing else.
    """
    if (number == _PASS_THROUGH) | (number == _CRYPTO_FED):
        ins, outs = split_moves(amount, kind, own, int(number == _CRYPTO_FED), work)
        came, went = sum_up(amount, work.in_times, ins), sum_up(amount, work.out_times, outs)
        if min(came, went) < limits[AMOUNT]:  # most customers stop here, without matching
            return 0
        matched = to_cents(match_moves(created, amount, ins, outs, int(limits[WINDOW]), own, work))
        share = min(matched / (came if number == _PASS_THROUGH else went), 1.0)
        if matched < limits[AMOUNT] or share < limits[PART]:
            return 0
        figures[EUR], figures[SHARE] = matched, share
        return show_moves(own, work, work.at)
    if number == GREATEST:
        found = show_greatest(amount, kind, own, work.at)
        if found > 0:
            figures[EUR] = amount[work.at[0]]
        return found
    if number == _LARGE:
        found = show_large(amount, kind, own, limits[AMOUNT], work.at)
    else:
        picked = pick(number, limits, created, amount, kind, own, minutes, work.in_times)
        found = show_bursts(created, work.in_times, picked, int(limits[COUNT]), int(limits[WINDOW]), work.at)
    if found > 0:
        figures[EUR], figures[SHARE] = sum_up(amount, work.at, found), np.nan
    return found


@compiled
def longest_history(offsets: Ints, first: int, last: int) -> int:
    """Return the greatest number of rows of a customer in a range, 1 at least."""
    longest = 1
    for customer in range(first, last):
        longest = max(longest, offsets[customer + 1] - offsets[customer])
    return longest


@compiled
def shows_any(figures: Floats) -> bool:
    """Whether a customer with these figures shows any pattern."""
    shown = 0.0
    for place in range(len(figures)):
        shown += figures[place, FOUND]
    return shown > 0


@compiled
def show(customer: int, place: int, found: int, numbers: Ints, work: Workspace, evidence: Ints) -> None:
    """Write the evidence of one customer and pattern."""
    for one in range(found):
        evidence[one, 0] = customer
        evidence[one, 1] = place
        evidence[one, 2] = numbers[work.at[one]]


@functools.cache
def entry() -> Callable[..., int]:
    """Return the search, compiled or from the cache on the disk.

    Its parameters are a range of customers, the columns of `Encoded`, the look-back, `excluded` by type, the patterns'
    numbers int64[p] and limits float64[p, N_LIMITS], then what it fills in: figures float64[m, p, N_FIGURES] and times
    int64[m, p, 2]. With `evidence` int64[k, 3], only customers who show a pattern are searched again, and the evidence
    of each customer and pattern is written from `starts` int64[m, p] on. It returns how many patterns it found.
    """
    return _make(sources_digest(Path(features.__file__).parent, Path(__file__).parent))


def _make(digest: str) -> Callable[..., int]:
    ints, floats, codes = (numba.types.Array(kind, 1, "C", readonly=True) for kind in (int64, float64, int8))
    profiles = numba.types.Array(int32, 2, "C", readonly=True)
    columns = (ints, ints, ints, ints, floats, codes, codes, codes, profiles)
    rule = (ints, numba.types.Array(float64, 2, "C", readonly=True))
    filled = (float64[:, :, ::1], int64[:, :, ::1], int64[:, ::1], int64[:, ::1])
    signature = int64(int64, int64, *columns, int64, int64, boolean[::1], *rule, *filled)

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
        which: Any,
        limits: Any,
        figures: Any,
        times: Any,
        starts: Any,
        evidence: Any,
    ) -> int:
        if len(digest) == 0:  # uses it, so that it is in the closure
            return 0
        patterns = 0
        again = len(evidence) > 0
        work = make_workspace(longest_history(offsets, first, last))
        for customer in range(first, last):
            if again and not shows_any(figures[customer]):
                continue
            begin, end = offsets[customer], offsets[customer + 1]
            rows, ready = take(ids, created, completed, amount, state, type_, direction, begin, end, excluded, work)
            if ready:
                when, numbers, euros, kind = work.created, work.completed, work.amount, work.kind
            else:
                rows = bring_in_order(rows, work)
                when, numbers, euros, kind = work.created2, work.completed2, work.amount2, work.kind2
            if again:
                number_rows(when, numbers, euros, kind, rows, ready, work)
            own, _, _ = look_back(when, numbers, euros, kind, rows, lookback, most)
            offset = profile[customer, _OFFSET]
            minutes = 0 if offset == UNKNOWN_OFFSET else int(offset)
            for place in range(len(which)):
                of_one = figures[customer, place]
                found = search(which[place], limits[place], when, euros, kind, own, minutes, work, of_one)
                of_one[FOUND] = found
                if found > 0:
                    patterns += 1
                    times[customer, place, FIRST] = when[work.at[0]]
                    times[customer, place, LAST] = when[work.at[found - 1]]
                    if again:
                        show(customer, place, found, numbers, work, evidence[starts[customer, place] :])
        return patterns

    return compile_kept(entry, signature, nogil=True, fastmath=False, error_model="numpy")
