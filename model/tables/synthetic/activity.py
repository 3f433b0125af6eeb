"""The customers' transactions, each in its final state."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from customer_risk.model.tables.synthetic.population import DAY, DAYS, HOUR, START, Population
from customer_risk.model.tables.synthetic.shift import Shift, factors

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MINUTE: Final = HOUR // 60
END: Final = START + DAYS * DAY

# kind: type, direction, weight in a plain customer's mix, median amount, spread of its logarithm
KINDS: Final = (
    ("CARDS", "OUT", 0.60, 13.0, 1.25),
    ("BANK_TRANSFER", "IN", 0.13, 80.0, 1.5),
    ("BANK_TRANSFER", "OUT", 0.07, 60.0, 1.4),
    ("CARD_TOP_UP", "IN", 0.07, 70.0, 1.0),
    ("CRYPTO_ON_RAMP", "OUT", 0.03, 220.0, 1.5),
    ("CRYPTO_OFF_RAMP", "IN", 0.02, 100.0, 1.2),
    ("PROCESSING_FEE", "OUT", 0.03, 15.0, 0.0),
    ("PAYMENTS", "OUT", 0.015, 25.0, 1.2),
    ("PAYMENTS", "IN", 0.015, 20.0, 1.2),
    ("USER_REWARD", "IN", 0.01, 10.0, 0.3),
    ("CARDS", "IN", 0.01, 30.0, 1.0),
    ("MANUAL", "OUT", 0.0, 120.0, 1.5),
    ("MANUAL", "IN", 0.0, 10.0, 0.0),
)
CARD, TRANSFER_IN, TRANSFER_OUT, TOP_UP, ON_RAMP, OFF_RAMP, FEE = range(7)
MANUAL_OUT, MANUAL_IN = 11, 12
TYPES: Final = np.array([kind[0] for kind in KINDS])
DIRECTIONS: Final = np.array([kind[1] for kind in KINDS])
_MEDIANS: Final = np.array([kind[3] for kind in KINDS])
_SPREADS: Final = np.array([kind[4] for kind in KINDS])
_FEES: Final = np.array([0.0, 4.99, 14.99, 29.99])

COMPLETED, DECLINED, FAILED, CANCELLED, REVERSED, PENDING = range(6)


@dataclass(frozen=True, slots=True)
class Activity:
    """`t` transactions.

    customer  int64[t]    index of the customer
    kind      int64[t]    index into KINDS
    created   int64[t]    microseconds since 1970
    amount    float64[t]  EUR
    state     int64[t]    final state: COMPLETED ... PENDING of this module
    """

    customer: Ints
    kind: Ints
    created: Ints
    amount: Floats
    state: Ints

    def where(self, wanted: NDArray[np.bool_] | Ints) -> Activity:
        """Return the transactions of a mask, or those of indices in their order."""
        return Activity(*(getattr(self, field.name)[wanted] for field in fields(self)))

    @staticmethod
    def concatenate(parts: list[Activity]) -> Activity:
        """Return all transactions of the parts, in their order."""
        return Activity(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Activity)))


def act(seeds: np.random.SeedSequence, people: Population, shift: Shift | None) -> Activity:
    """Return the customers' transactions in the order of their creation.

    Each stage draws from its own stream of random numbers, and draws as many with a shift as without. So a shift
    doesn't change the transactions before it.
    """
    when, what, through, how, more, manual = (np.random.default_rng(seed) for seed in seeds.spawn(6))
    customer = np.repeat(np.arange(len(people.joined)), _counts(when, people))
    created = _moments(when, people, customer, shift)
    kind = _kinds(what, people, customer, created, shift)
    amount = _amounts(what, people, customer, kind, created, shift)
    plain = Activity(customer, kind, created, amount, np.zeros(len(customer), dtype=np.int64))
    passed, leaves_again = _passed_through(through, people, plain, shift)
    both = Activity.concatenate([plain, passed])
    state = _states(how, people, both, shift)
    # Money that passes through has arrived, and its transfer out succeeds.
    arrived = np.flatnonzero(leaves_again)
    state[arrived] = COMPLETED
    state[len(customer) + arrived] = COMPLETED
    present = np.concatenate([np.ones(len(customer), dtype=bool), leaves_again])
    done = Activity(both.customer, both.kind, both.created, both.amount, state).where(present)
    done = _velocity(more, people, done, shift)
    everything = Activity.concatenate([done, _by_hand(manual, people, done)])
    return everything.where(np.argsort(everything.created, kind="stable"))


def _counts(random: np.random.Generator, people: Population) -> Ints:
    """Return each customer's number of transactions: 0 for a third; else a heavy tail, median near 5, at most 250."""
    active = people.habits["active"]
    n = len(active)
    none = random.random(n) < np.where(people.suspended, 0.09, 0.38)
    usual = np.log(4.2) + 1.1 * active - 0.6 * people.late + 1.45 * random.standard_normal(n)
    return np.where(none, 0, np.clip(np.rint(np.exp(usual)), 1, 250)).astype(np.int64)


def _moments(random: np.random.Generator, people: Population, customer: Ints, shift: Shift | None) -> Ints:
    """Return the times of creation: sessions in the day or night, with minutes between a session's transactions."""
    n = len(customer)
    opens = random.random(n) >= 0.15 + 0.6 * people.habits["burst"][customer]
    if n:
        opens[0] = True
        opens[1:] |= customer[1:] != customer[:-1]
    day = random.random(n)
    night, day_hour, night_hour = random.random(n), random.triangular(7, 15, 24, n), random.random(n) * 6
    waits = (MINUTE * (0.3 + random.exponential(7, n))).astype(np.int64)

    joined, leaves, offset = people.joined[customer], people.leaves[customer], people.offset[customer]
    moment = joined + (day * (leaves - joined)).astype(np.int64)
    midnight = (moment + offset) // DAY * DAY - offset
    chance = (0.05 + 0.55 * people.habits["night"][customer]) * factors(shift, "night_share", midnight)
    hour = np.where(night < chance, night_hour, day_hour)
    start = midnight + (hour * HOUR).astype(np.int64)

    waits[opens] = 0
    waited = np.cumsum(waits)
    session = np.cumsum(opens) - 1
    first = np.flatnonzero(opens)
    created = start[first][session] + waited - waited[first][session]
    # An hour of the first or last day can be outside the customer's time. Move it inside, in the session's order.
    latest = np.maximum(leaves - MINUTE + waited % MINUTE, joined + 1)
    within: Ints = np.clip(created, joined + waited % (40 * MINUTE), latest)
    return within


def _kinds(random: np.random.Generator, people: Population, customer: Ints, created: Ints, shift: Shift | None) -> Ints:
    n = len(customer)
    taste = random.lognormal(0, 0.6, size=(len(people.joined), MANUAL_OUT))
    weights = np.array([kind[2] for kind in KINDS[:MANUAL_OUT]]) * taste  # customers make no MANUAL transactions
    says_crypto = people.profiles["reason_to_use_app"].is_in(["CRYPTO_SERVICES", "NON_CUSTODIAL_CRYPTO_WALLET"])
    crypto = np.where(says_crypto.fill_null(value=False).to_numpy(), 2.0, 1.0) * (1 + 9 * people.habits["crypto"])
    weights[:, [ON_RAMP, OFF_RAMP]] *= crypto[:, None]
    weights[:, TOP_UP] *= 1 + 2.5 * people.habits["failure"]
    weights[:, TRANSFER_IN] *= 1 + 2.5 * people.habits["pass_through"]
    mixes = weights[customer]
    mixes[:, [ON_RAMP, OFF_RAMP]] *= factors(shift, "crypto_share", created)[:, None]
    edges = np.cumsum(mixes, axis=1)
    kind: Ints = ((random.random(n) * edges[:, -1])[:, None] >= edges[:, :-1]).sum(axis=1)
    return kind


def _amounts(
    random: np.random.Generator, people: Population, customer: Ints, kind: Ints, created: Ints, shift: Shift | None
) -> Floats:
    n = len(customer)
    habit = people.habits["amount"][customer]
    wealth = 0.4 * random.standard_normal(len(people.joined))[customer]
    raised = np.where(kind == FEE, 0, 1.9 * habit + wealth)
    amount = _MEDIANS[kind] * np.exp(raised + _SPREADS[kind] * random.standard_normal(n))
    round_sum = (random.random(n) < 0.6) & np.isin(kind, (TRANSFER_IN, TRANSFER_OUT, TOP_UP, ON_RAMP))
    amount = np.where(round_sum, np.maximum(10, np.rint(amount / 10) * 10), amount)
    below = (random.random(n) < 0.1 * habit) & np.isin(kind, (TRANSFER_IN, TRANSFER_OUT, ON_RAMP))
    threshold = np.where(amount < 2000, 1000.0, np.where(amount < 7000, 5000.0, 10000.0))
    amount = np.where(below, threshold - np.rint(random.random(n) * 20) - 1, amount)
    fee = _FEES[np.searchsorted([0.03, 0.25, 0.85], random.random(n))]
    amount = np.where(kind == FEE, fee, np.clip(amount, 0.01, 35_000))
    checks = (kind == CARD) & (random.random(n) < 0.1)
    shifted = np.where(kind == FEE, 1.0, factors(shift, "amount", created))
    return np.round(np.where(checks, 0.0, amount) * shifted, 2)


def _passed_through(
    random: np.random.Generator, people: Population, plain: Activity, shift: Shift | None
) -> tuple[Activity, NDArray[np.bool_]]:
    """Return for each transaction a candidate that moves its money out again, and which candidates happen."""
    n = len(plain.customer)
    chance = 0.03 + 0.85 * people.habits["pass_through"][plain.customer]
    happens = random.random(n) < chance * factors(shift, "pass_through", plain.created)
    happens &= np.isin(plain.kind, (TRANSFER_IN, TOP_UP, OFF_RAMP))
    waits = (HOUR * np.minimum(random.lognormal(0.5, 1.1, n), 48)).astype(np.int64)
    to_crypto = random.random(n) < 0.2 + 0.6 * people.habits["crypto"][plain.customer]
    amount = np.maximum(0.01, np.round(plain.amount * random.uniform(0.85, 1.0, n), 2))
    created = plain.created + waits
    happens &= created < people.leaves[plain.customer]
    kind = np.where(to_crypto, ON_RAMP, TRANSFER_OUT)
    return Activity(plain.customer, kind, created, amount, np.zeros(n, dtype=np.int64)), happens


def _states(random: np.random.Generator, people: Population, all_of_it: Activity, shift: Shift | None) -> Ints:
    """Draw the final state of each transaction."""
    kind, created = all_of_it.kind, all_of_it.created
    habit = people.habits["failure"][all_of_it.customer]
    declined = factors(shift, "declined_share", created)
    failed = factors(shift, "failed_share", created)
    card = np.isin(TYPES[kind], ("CARDS",))
    decline = np.where(card & (all_of_it.amount > 0), 0.1 + 0.45 * habit, 0) * declined
    fail = np.select(
        [kind == TOP_UP, kind == TRANSFER_OUT, kind == ON_RAMP], [0.4 + 0.45 * habit, 0.1 + 0.1 * habit, 0.02], 0
    )
    fail = np.minimum(fail * failed, 0.97)
    cancel = np.where(kind == ON_RAMP, 0.05 + 0.1 * habit, 0)
    undo = np.select([card & (all_of_it.amount > 0), kind == 7], [0.015, 0.06], 0)
    hang = np.select([card & (all_of_it.amount > 0), kind == ON_RAMP, kind == TRANSFER_OUT], [0.03, 0.03, 0.02], 0)
    edges = np.cumsum(np.stack([np.minimum(decline, 0.97), fail, cancel, undo, hang], axis=1), axis=1)
    drawn = (random.random(len(kind))[:, None] >= edges).sum(axis=1)
    state: Ints = np.array([DECLINED, FAILED, CANCELLED, REVERSED, PENDING, COMPLETED])[drawn]
    return state


def _velocity(random: np.random.Generator, people: Population, done: Activity, shift: Shift | None) -> Activity:
    """Multiply the transactions after the shift: added ones follow minutes after the existing ones."""
    wanted = factors(shift, "velocity", done.created)
    copies = np.floor(wanted + random.random(len(wanted))).astype(np.int64)
    if shift is None or shift.feature != "velocity":
        return done
    kept = done.where(copies > 0)
    extra = Activity(*(np.repeat(getattr(done, field.name), np.maximum(copies - 1, 0)) for field in fields(Activity)))
    created = extra.created + (MINUTE * (0.3 + random.exponential(7, len(extra.created)))).astype(np.int64)
    created = np.minimum(created, np.maximum(people.leaves[extra.customer] - 1, extra.created))
    return Activity.concatenate([kept, Activity(extra.customer, extra.kind, created, extra.amount, extra.state)])


def _by_hand(random: np.random.Generator, people: Population, done: Activity) -> Activity:
    """Return the bank's MANUAL transactions: pay-outs when it closes suspended accounts, a few credits to others."""
    n = len(people.joined)
    acted = np.bincount(done.customer, minlength=n) > 0
    chance = np.where(people.suspended, 0.15, 0.006)
    drawn = random.random(n)
    wait = (DAY * random.random(n)).astype(np.int64)
    amount = np.round(np.exp(np.log(90) + 1.5 * random.standard_normal(n)), 2)
    chosen = np.flatnonzero(acted & (drawn < chance))
    out = people.suspended[chosen]
    created = np.where(out, people.leaves[chosen] + wait[chosen], people.joined[chosen] + wait[chosen] // 48)
    return Activity(
        chosen,
        np.where(out, MANUAL_OUT, MANUAL_IN),
        np.minimum(created, END - 1),
        np.where(out, amount[chosen], 10.0),
        np.full(len(chosen), COMPLETED),
    )
