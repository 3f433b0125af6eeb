"""Features from the profile, and from counts and sums a kind of transaction."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from model.features.catalogue import AT
from model.features.compiled import compiled
from model.features.rows import N_DIRECTIONS, N_STATES, N_TYPES, Floats, Ints
from model.features.vocabulary import (
    DIRECTIONS,
    FIRST,
    KYC_STATES,
    MISSING,
    OCCUPATIONS,
    PROFILE,
    REASONS,
    SCREENING_STATES,
    STATES,
    TYPES,
    UNKNOWN_DAY,
)

PENDING: Final = STATES.index("PENDING")
COMPLETED: Final = STATES.index("COMPLETED")
CANCELLED: Final = STATES.index("CANCELLED")
FAILED: Final = STATES.index("FAILED")
DECLINED: Final = STATES.index("DECLINED")
REVERSED: Final = STATES.index("REVERSED")
IN: Final = DIRECTIONS.index("IN")
OUT: Final = DIRECTIONS.index("OUT")
CARDS: Final = TYPES.index("CARDS")
TRANSFER: Final = TYPES.index("BANK_TRANSFER")
TOP_UP: Final = TYPES.index("CARD_TOP_UP")
ON_RAMP: Final = TYPES.index("CRYPTO_ON_RAMP")
OFF_RAMP: Final = TYPES.index("CRYPTO_OFF_RAMP")
PAYMENTS: Final = TYPES.index("PAYMENTS")

_BIOMETRICS: Final = PROFILE.index("has_biometrics")
_KYC: Final = PROFILE.index("kyc_state")
_SCREENING: Final = PROFILE.index("screening_state")
_PEP: Final = PROFILE.index("is_pep")
_MEDIA: Final = PROFILE.index("is_adverse_media_minor")
_REASON: Final = PROFILE.index("reason_to_use_app")
_OCCUPATION: Final = PROFILE.index("occupation")
_PHONE: Final = PROFILE.index("phone_mismatch")
_DOCUMENT: Final = PROFILE.index("document_mismatch")
_OVERSEAS: Final = PROFILE.index("overseas")
_LOCALE: Final = PROFILE.index("foreign_locale")
_BIRTH: Final = PROFILE.index("birth_day")
_KYC_DONE: Final = FIRST + KYC_STATES.index("COMPLETED")
_SCREENING_DONE: Final = FIRST + SCREENING_STATES.index("COMPLETED")
_DAILY: Final = FIRST + REASONS.index("DAILY_PAYMENT_SERVICES")
_CRYPTO: Final = FIRST + REASONS.index("CRYPTO_SERVICES")
_WALLET: Final = FIRST + REASONS.index("NON_CUSTODIAL_CRYPTO_WALLET")
_ABROAD: Final = FIRST + REASONS.index("INTERNATIONAL_TRANSFERS")
_TRAVEL: Final = FIRST + REASONS.index("TRAVEL_ACCOUNT")
_STUDENT: Final = FIRST + OCCUPATIONS.index("STUDENTS")
_UNEMPLOYED: Final = FIRST + OCCUPATIONS.index("UNEMPLOYED")
_RETIRED: Final = FIRST + OCCUPATIONS.index("RETIRED")
_MANAGER: Final = FIRST + OCCUPATIONS.index("MANAGEMENT")


@compiled
def share(part: float, whole: float) -> float:
    """One number over another; NaN where the other is 0."""
    return part / whole if whole > 0 else math.nan


@compiled
def yes(condition: bool) -> float:
    """1 for yes, 0 for no."""
    return 1.0 if condition else 0.0


@compiled
def flag(value: int) -> float:
    """Yes, no or missing of a profile's flag."""
    return float(value) if value >= 0 else math.nan


@compiled
def from_profile(profile: Ints, out: Floats) -> None:
    """Fill the features of the profile alone, but for the age."""
    biometrics, kyc, screening = profile[_BIOMETRICS], profile[_KYC], profile[_SCREENING]
    reason, occupation = profile[_REASON], profile[_OCCUPATION]
    out[AT.no_biometrics] = 1.0 - flag(biometrics)
    out[AT.kyc_incomplete] = math.nan if kyc == MISSING else yes(kyc != _KYC_DONE)
    out[AT.screening_review] = math.nan if screening == MISSING else yes(screening != _SCREENING_DONE)
    out[AT.politically_exposed] = flag(profile[_PEP])
    out[AT.adverse_media] = flag(profile[_MEDIA])
    out[AT.profile_gaps] = (
        yes(biometrics < 0)
        + yes(kyc == MISSING)
        + yes(screening == MISSING)
        + yes(reason == MISSING)
        + yes(occupation == MISSING)
    )
    out[AT.reason_missing] = yes(reason == MISSING)
    out[AT.reason_daily] = yes(reason == _DAILY)
    out[AT.reason_crypto] = yes(reason in (_CRYPTO, _WALLET))
    out[AT.reason_wallet] = yes(reason == _WALLET)
    out[AT.reason_transfers] = yes(reason == _ABROAD)
    out[AT.reason_travel] = yes(reason == _TRAVEL)
    out[AT.occupation_missing] = yes(occupation == MISSING)
    out[AT.occupation_no_income] = yes(occupation in (_STUDENT, _UNEMPLOYED))
    out[AT.occupation_retired] = yes(occupation == _RETIRED)
    out[AT.occupation_management] = yes(occupation == _MANAGER)
    out[AT.document_mismatch] = flag(profile[_DOCUMENT])
    out[AT.overseas] = flag(profile[_OVERSEAS])
    out[AT.phone_mismatch] = flag(profile[_PHONE])
    out[AT.foreign_locale] = flag(profile[_LOCALE])


@compiled
def age(profile: Ints, last_day: int, out: Floats) -> None:
    """Fill the age on a day counted from 1970."""
    if profile[_BIRTH] != UNKNOWN_DAY:
        out[AT.age_years] = (last_day - profile[_BIRTH]) / 365.25


@compiled
def total(amount: Floats, kind: Ints, rows: int, counts: Floats, sums: Floats, greatest: Floats) -> None:
    """Count, sum and take the maximum of the rows of each kind; the last three arrays hold a place a kind."""
    counts[:] = 0.0
    sums[:] = 0.0
    greatest[:] = 0.0
    for row in range(rows):
        kind_, euros = kind[row], amount[row]
        counts[kind_] += 1.0
        sums[kind_] += euros
        greatest[kind_] = max(greatest[kind_], euros)


@compiled
def from_totals(rows: int, counts: Floats, sums: Floats, greatest: Floats, out: Floats) -> None:
    """Fill the features that counts, sums and maxima a kind are enough for."""
    shape = (N_TYPES, N_DIRECTIONS, N_STATES)
    count, euros, most = counts.reshape(shape), sums.reshape(shape), greatest.reshape(shape)
    by_state = np.zeros(N_STATES)
    in_count = in_sum = in_max = out_count = out_sum = out_max = attempted_max = entropy = kinds = 0.0
    for type_ in range(N_TYPES):
        for direction in range(N_DIRECTIONS):
            alike = 0.0
            for state in range(N_STATES):
                alike += count[type_, direction, state]
                by_state[state] += count[type_, direction, state]
                attempted_max = max(attempted_max, most[type_, direction, state])
            if alike > 0:
                kinds += 1.0
                entropy -= alike / rows * math.log(alike / rows)
        in_count += count[type_, IN, COMPLETED]
        in_sum += euros[type_, IN, COMPLETED]
        in_max = max(in_max, most[type_, IN, COMPLETED])
        out_count += count[type_, OUT, COMPLETED] + count[type_, OUT, PENDING]
        out_sum += euros[type_, OUT, COMPLETED] + euros[type_, OUT, PENDING]
        out_max = max(out_max, most[type_, OUT, COMPLETED], most[type_, OUT, PENDING])
    out[AT.transactions] = rows
    out[AT.kinds] = kinds
    out[AT.kind_entropy] = max(entropy, 0.0) if rows > 0 else math.nan
    out[AT.in_count], out[AT.in_sum], out[AT.in_max] = in_count, in_sum, in_max
    out[AT.out_count], out[AT.out_sum], out[AT.out_max] = out_count, out_sum, out_max
    out[AT.attempted_max] = attempted_max
    out[AT.out_to_in] = min(share(out_sum, in_sum), 3.0) if in_sum > 0 else math.nan
    out[AT.left_share] = max(share(in_sum - out_sum, in_sum), 0.0) if in_sum > 0 else math.nan
    out[AT.declined_share] = share(by_state[DECLINED], rows)
    out[AT.failed_share] = share(by_state[FAILED], rows)
    out[AT.cancelled_share] = share(by_state[CANCELLED], rows)
    out[AT.reversed_share] = share(by_state[REVERSED], rows)
    lost = by_state[DECLINED] + by_state[FAILED] + by_state[CANCELLED] + by_state[REVERSED]
    out[AT.unsuccessful_share] = share(lost, rows)
    _transfers(count, euros, most, in_sum, out_sum, out)
    _crypto(count, euros, in_sum, out_sum, out)
    _top_ups(count, euros, most, in_sum, out)
    _cards(count, euros, most, out_sum, out)


@compiled
def _transfers(count: Floats, euros: Floats, most: Floats, in_sum: float, out_sum: float, out: Floats) -> None:
    came_in, went_out = euros[TRANSFER, IN, COMPLETED], euros[TRANSFER, OUT, COMPLETED] + euros[TRANSFER, OUT, PENDING]
    out[AT.transfer_in_count] = count[TRANSFER, IN, COMPLETED]
    out[AT.transfer_in_sum] = came_in
    out[AT.transfer_in_max] = most[TRANSFER, IN, COMPLETED]
    out[AT.transfer_in_share] = share(came_in, in_sum)
    out[AT.transfer_in_concentration] = share(most[TRANSFER, IN, COMPLETED], came_in)
    out[AT.transfer_out_count] = count[TRANSFER, OUT, COMPLETED] + count[TRANSFER, OUT, PENDING]
    out[AT.transfer_out_sum] = went_out
    out[AT.transfer_out_share] = share(went_out, out_sum)
    out[AT.transfer_out_refused] = count[TRANSFER, OUT, FAILED] + count[TRANSFER, OUT, DECLINED]


@compiled
def _crypto(count: Floats, euros: Floats, in_sum: float, out_sum: float, out: Floats) -> None:
    bought = euros[ON_RAMP, OUT, COMPLETED] + euros[ON_RAMP, OUT, PENDING]
    stopped = 0.0
    for direction in range(N_DIRECTIONS):
        stopped += count[ON_RAMP, direction, CANCELLED] + count[ON_RAMP, direction, FAILED]
        stopped += count[ON_RAMP, direction, DECLINED]
    out[AT.onramp_count] = count[ON_RAMP, OUT, COMPLETED] + count[ON_RAMP, OUT, PENDING]
    out[AT.onramp_sum] = bought
    out[AT.onramp_attempted_sum] = np.sum(euros[ON_RAMP])
    out[AT.onramp_cancelled_count] = stopped
    out[AT.onramp_share_of_out] = share(bought, out_sum)
    out[AT.onramp_to_in] = min(share(bought, in_sum), 3.0) if in_sum > 0 else math.nan
    out[AT.offramp_count] = count[OFF_RAMP, IN, COMPLETED]
    out[AT.offramp_sum] = euros[OFF_RAMP, IN, COMPLETED]


@compiled
def _top_ups(count: Floats, euros: Floats, most: Floats, in_sum: float, out: Floats) -> None:
    failed = failed_sum = failed_max = tried = done = 0.0
    for direction in range(N_DIRECTIONS):
        for state in (CANCELLED, FAILED, DECLINED):
            failed += count[TOP_UP, direction, state]
            failed_sum += euros[TOP_UP, direction, state]
            failed_max = max(failed_max, most[TOP_UP, direction, state])
        for state in range(N_STATES):
            tried += count[TOP_UP, direction, state]
        done += count[TOP_UP, direction, COMPLETED]
    out[AT.topup_failed_count] = failed
    out[AT.topup_failed_sum] = failed_sum
    out[AT.topup_failed_max] = failed_max
    out[AT.topup_failed_share] = share(failed, tried)
    out[AT.topup_done_count] = done
    out[AT.topup_in_share] = share(euros[TOP_UP, IN, COMPLETED], in_sum)


@compiled
def _cards(count: Floats, euros: Floats, most: Floats, out_sum: float, out: Floats) -> None:
    refused = refused_sum = refused_max = used = 0.0
    for direction in range(N_DIRECTIONS):
        for state in (FAILED, DECLINED):
            refused += count[CARDS, direction, state]
            refused_sum += euros[CARDS, direction, state]
            refused_max = max(refused_max, most[CARDS, direction, state])
        for state in range(N_STATES):
            used += count[CARDS, direction, state]
    paid = euros[CARDS, OUT, COMPLETED] + euros[CARDS, OUT, PENDING]
    out[AT.card_count] = np.sum(count[CARDS, OUT])
    out[AT.card_sum] = paid
    out[AT.card_max] = max(most[CARDS, OUT, COMPLETED], most[CARDS, OUT, PENDING])
    out[AT.card_refused_count] = refused
    out[AT.card_refused_sum] = refused_sum
    out[AT.card_refused_max] = refused_max
    out[AT.card_refused_share] = share(refused, used)
    out[AT.card_share_of_out] = share(paid, out_sum)
    out[AT.payment_count] = np.sum(count[PAYMENTS])


@compiled
def from_rows(created: Ints, completed: Ints, amount: Floats, kind: Ints, rows: int, room: Floats, out: Floats) -> None:
    """Fill the features that need the rows themselves: medians, spread, days and what is still open."""
    day = 86_400_000_000
    first, last = created[0], created[rows - 1]
    periods, period = 0, -1
    open_ = positive = checks = 0
    mean = square = 0.0
    for row in range(rows):
        now = (created[row] - first) // day
        if now != period:
            periods += 1
            period = now
        if kind[row] % N_STATES == PENDING or completed[row] > last:
            open_ += 1
        if amount[row] > 0:
            positive += 1
            step = amount[row] - mean
            mean += step / positive
            square += step * (amount[row] - mean)
        elif kind[row] // N_STATES == CARDS * N_DIRECTIONS + OUT:
            checks += 1
    out[AT.span_days] = (last - first) / day
    out[AT.active_days] = periods
    out[AT.active_day_share] = periods / ((last - first) // day + 1)
    out[AT.transactions_per_active_day] = rows / periods
    out[AT.pending_share] = open_ / rows
    if positive > 1:
        out[AT.amount_variation] = math.sqrt(square / positive) / mean
    out[AT.card_check_share] = share(checks, out[AT.card_count])
    out[AT.in_median] = _median_moved(amount, kind, rows, IN, room)
    out[AT.out_median] = _median_moved(amount, kind, rows, OUT, room)


@compiled
def _median_moved(amount: Floats, kind: Ints, rows: int, direction: int, room: Floats) -> float:
    found = 0
    for row in range(rows):
        state = kind[row] % N_STATES
        moved = state == COMPLETED or (direction == OUT and state == PENDING)
        if moved and kind[row] // N_STATES % N_DIRECTIONS == direction and amount[row] > 0:
            room[found] = amount[row]
            found += 1
    return median(room, found)


@compiled
def median(values: Floats, n: int) -> float:
    """Middle value of the first `n` values, or the mean of the middle two; NaN of none. Reorders them."""
    if n == 0:
        return math.nan
    middle = n // 2
    upper = select(values, n, middle)
    if n % 2 == 1:
        return upper
    lower = values[0]
    for place in range(1, middle):
        lower = max(lower, values[place])
    return lower + (upper - lower) / 2


@compiled
def select(values: Floats, n: int, rank: int) -> float:
    """Value of a rank (from 0) among the first `n`, by Hoare's quickselect; none before it is greater afterwards."""
    left, right = 0, n - 1
    while left < right:
        pivot = values[(left + right) // 2]
        up, down = left, right
        while up <= down:
            while values[up] < pivot:
                up += 1
            while values[down] > pivot:
                down -= 1
            if up <= down:
                values[up], values[down] = values[down], values[up]
                up += 1
                down -= 1
        if rank <= down:
            right = down
        elif rank >= up:
            left = up
        else:
            break
    return values[rank]
