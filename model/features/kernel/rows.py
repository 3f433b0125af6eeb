"""Prepares a customer's event rows: one row a transaction, sorted, within the look-back."""

from __future__ import annotations

from typing import Final

from customer_risk.model.features.compiled import compiled
from customer_risk.model.features.encoded import GREATEST_AMOUNT
from customer_risk.model.features.kernel.kinds import FEE, IS_BANKS
from customer_risk.model.features.kernel.workspace import Workspace
from customer_risk.model.features.shapes import N_DIRECTIONS, N_STATES, Codes, Floats, Ints, Kinds

_RUN: Final = 16  # rows sorted by insertion before merging


@compiled
def take(  # noqa: PLR0917  compiled code takes arrays
    ids: Ints, created: Ints, completed: Ints, amount: Floats, state: Codes, type_: Codes, direction: Codes,
    begin: int, end: int, excluded: Codes, work: Workspace,
) -> tuple[int, bool]:  # fmt: skip
    """Copy rows begin..end without excluded types; return their number, and whether they are collapsed and sorted.

    Increasing ids are all different, so such rows need no collapsing.
    """
    rows, ready = 0, True
    last_id, last_created = 0, 0
    for row in range(begin, end):
        if excluded[type_[row]]:
            continue
        work.ids[rows] = ids[row]
        work.created[rows] = created[row]
        work.completed[rows] = completed[row]
        # Invalid amounts become 0, also if an encoder let them through; adding 0.0 turns -0.0 into 0.0.
        work.amount[rows] = amount[row] + 0.0 if 0 <= amount[row] <= GREATEST_AMOUNT else 0.0
        # NumPy's eight-bit scalars (without compilation) would overflow here: convert the codes first.
        work.kind[rows] = (int(type_[row]) * N_DIRECTIONS + int(direction[row])) * N_STATES + int(state[row])
        if rows > 0:
            ready &= (ids[row] > last_id) & (created[row] >= last_created)
            if created[row] == last_created:
                ready &= _before(rows - 1, rows, work.completed, work.amount, work.kind)
        last_id, last_created = ids[row], created[row]
        rows += 1
    return rows, ready


@compiled
def bring_in_order(rows: int, work: Workspace) -> int:
    """Collapse the rows and write them, sorted, into the workspace's second columns; return how many are left."""
    slots = 2
    while slots < 2 * rows:
        slots *= 2
    left = _collapse(work.ids, work.created, work.completed, work.amount, work.kind, rows, work.seen, slots)
    _sort(work.created, work.completed, work.amount, work.kind, left, work.at, work.key, work.at2, work.key2)
    for row in range(left):
        at = work.at[row]
        work.created2[row] = work.created[at]
        work.completed2[row] = work.completed[at]
        work.amount2[row] = work.amount[at]
        work.kind2[row] = work.kind[at]
    return left


@compiled
def _collapse(
    ids: Ints, created: Ints, completed: Ints, amount: Floats, kind: Kinds, rows: int, seen: Ints, slots: int
) -> int:
    """Collapse the first `rows` rows in place to one for each id; return how many are left, in any order.

    `seen` is a hash table of at least `slots` places, a power of two of at least twice the rows.
    """
    for slot in range(slots):
        seen[slot] = -1
    left = 0
    for row in range(rows):
        # Encoders number ids from 0, which gives each its own slot; the higher bits are for any other ids.
        slot = (ids[row] ^ (ids[row] >> 20) ^ (ids[row] >> 40)) & (slots - 1)
        while seen[slot] >= 0 and ids[seen[slot]] != ids[row]:
            slot = (slot + 1) & (slots - 1)
        kept = seen[slot]
        if kept < 0:
            seen[slot] = left
            ids[left] = ids[row]
            created[left] = created[row]
            completed[left] = completed[row]
            amount[left] = amount[row]
            kind[left] = kind[row]
            left += 1
            continue
        created[kept] = min(created[kept], created[row])
        state, other = kind[kept] % N_STATES, kind[row] % N_STATES
        later = other > state
        if other == state:
            later = completed[row] > completed[kept]
            if completed[row] == completed[kept]:
                later = amount[row] > amount[kept] or (amount[row] == amount[kept] and kind[row] > kind[kept])
        if later:
            completed[kept] = completed[row]
            amount[kept] = amount[row]
            kind[kept] = kind[row]
    return left


@compiled
def _sort(
    created: Ints, completed: Ints, amount: Floats, kind: Kinds, rows: int, at: Ints, key: Ints, at2: Ints, key2: Ints
) -> None:
    """Write into `at` the positions of the first `rows` rows by created, amount, type, direction, state and completed.

    By values only: rows that are equal in all of these are the same to every feature, so neither the ids nor the order
    of input matters. `key`, `at2` and `key2` are scratch arrays.
    """
    for row in range(rows):
        at[row] = row
        key[row] = created[row]
    for start in range(0, rows, _RUN):  # insertion sort of short runs: cheap, and almost free if they are sorted
        for row in range(start + 1, min(start + _RUN, rows)):
            moving, moving_key = at[row], key[row]
            place = row
            while place > start and (
                moving_key < key[place - 1]
                or (
                    moving_key == key[place - 1]
                    and _before(moving, at[place - 1], completed, amount, kind)
                    and not _before(at[place - 1], moving, completed, amount, kind)
                )
            ):
                at[place] = at[place - 1]
                key[place] = key[place - 1]
                place -= 1
            at[place] = moving
            key[place] = moving_key
    width = _RUN
    while width < rows:
        for start in range(0, rows, 2 * width):
            left, middle, end = start, min(start + width, rows), min(start + 2 * width, rows)
            right = middle
            for place in range(start, end):
                take_left = right >= end or (
                    left < middle
                    and (
                        key[left] < key[right]
                        or (key[left] == key[right] and _before(at[left], at[right], completed, amount, kind))
                    )
                )
                if take_left:
                    at2[place], key2[place] = at[left], key[left]
                    left += 1
                else:
                    at2[place], key2[place] = at[right], key[right]
                    right += 1
        for row in range(rows):
            at[row], key[row] = at2[row], key2[row]
        width *= 2


@compiled
def _before(one: int, other: int, completed: Ints, amount: Floats, kind: Kinds) -> bool:
    """Return whether a row sorts before another or is equal to it; their `created` is equal."""
    if amount[one] != amount[other]:
        return bool(amount[one] < amount[other])
    if kind[one] != kind[other]:
        return bool(kind[one] < kind[other])
    return bool(completed[one] <= completed[other])


@compiled
def look_back(
    created: Ints, completed: Ints, amount: Floats, kind: Kinds, rows: int, lookback: int, most: int
) -> tuple[int, bool, bool]:
    """Keep, in place, the customer's own transactions within the look-back.

    Returns the number of transactions, whether no earlier row was left out, and whether a fee of the bank came first.
    Rows are sorted. The bank's rows after the last activity don't count: they would reveal the account's age.
    """
    last = rows - 1
    while last >= 0 and IS_BANKS[kind[last]]:
        last -= 1
    if last < 0:
        return 0, True, False
    first = max(0, last + 1 - most)
    while created[first] < created[last] - lookback:
        first += 1
    fee_first = kind[first] // (N_STATES * N_DIRECTIONS) == FEE
    own = 0
    for row in range(first, last + 1):
        if IS_BANKS[kind[row]]:
            continue
        if own < row:
            created[own], completed[own] = created[row], completed[row]
            amount[own], kind[own] = amount[row], kind[row]
        own += 1
    return own, first == 0, fee_first
