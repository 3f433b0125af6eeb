"""Features of speed: the latest, the busiest and the first hours and days."""

from __future__ import annotations

from functools import partial

from customer_risk.model.features.feature import BEGINNING_UNKNOWN, EVENTS, NO_TRANSACTION, Feature, feature

_last = partial(
    feature, group="latest activity", missing=NO_TRANSACTION, customer="The latest activity on your account."
)
_busiest = partial(
    feature, group="busiest times", missing=NO_TRANSACTION, customer="The busiest times on your account."
)
_start = partial(
    feature, group="first days", missing=BEGINNING_UNKNOWN, customer="The first days of your account's use."
)

FEATURES: tuple[Feature, ...] = (
    _last(
        "last_1h_count",
        "count",
        0,
        (1, 100),
        "how many transactions within 1 hour up to the last activity",
        "{value} transactions fell into the last hour of activity",
        sources=EVENTS,
    ),
    _last(
        "last_24h_count",
        "count",
        0,
        (1, 200),
        "how many transactions within 24 hours up to the last activity",
        "{value} transactions fell into the last 24 hours of activity",
        sources=EVENTS,
    ),
    _last(
        "last_7d_count",
        "count",
        0,
        (1, 500),
        "how many transactions within 7 days up to the last activity",
        "{value} transactions fell into the last seven days of activity",
        sources=EVENTS,
    ),
    _last(
        "last_30d_count",
        "count",
        0,
        (1, 1_000),
        "how many transactions within 30 days up to the last activity",
        "{value} transactions fell into the last thirty days of activity",
        sources=EVENTS,
    ),
    _last(
        "last_7d_in",
        "EUR",
        0,
        (0, 500_000),
        "sum of moves in within 7 days up to the last activity",
        "{value} came in during the last seven days of activity",
    ),
    _last(
        "last_7d_out",
        "EUR",
        1,
        (0, 500_000),
        "sum of moves out within 7 days up to the last activity",
        "{value} went out during the last seven days of activity",
    ),
    _busiest(
        "busiest_1h_count",
        "count",
        0,
        (1, 200),
        "greatest number of transactions within any 1 hour",
        "Up to {value} transactions fell into one hour",
        sources=EVENTS,
    ),
    _busiest(
        "busiest_24h_count",
        "count",
        0,
        (1, 500),
        "greatest number of transactions within any 24 hours",
        "Up to {value} transactions fell into 24 hours",
        sources=EVENTS,
    ),
    _busiest(
        "busiest_24h_in",
        "EUR",
        1,
        (0, 500_000),
        "greatest sum of moves in within any 24 hours",
        "Up to {value} came in within 24 hours",
    ),
    _busiest(
        "busiest_24h_out",
        "EUR",
        1,
        (0, 500_000),
        "greatest sum of moves out within any 24 hours",
        "Up to {value} went out within 24 hours",
    ),
    _busiest(
        "busiest_24h_refused",
        "count",
        0,
        (0, 200),
        "greatest number of transactions with final state FAILED or DECLINED within any 24 hours",
        "Up to {value} transactions were refused within 24 hours",
        sources=EVENTS,
    ),
    _busiest(
        "busiest_7d_transfers_in",
        "EUR",
        1,
        (0, 500_000),
        "greatest sum of transfers in within any 7 days",
        "Up to {value} came in by bank transfer within seven days",
    ),
    _start(
        "first_3d_attempted",
        "EUR",
        0,
        (0, 500_000),
        "sum of all amounts, in any state, within 3 days from the first transaction",
        "In the first three days {value} was moved or tried",
    ),
    _start(
        "first_7d_out",
        "EUR",
        1,
        (0, 500_000),
        "sum of moves out within 7 days from the first transaction",
        "In the first seven days {value} went out",
    ),
    _start(
        "first_14d_out",
        "EUR",
        1,
        (0, 500_000),
        "sum of moves out within 14 days from the first transaction",
        "In the first fourteen days {value} went out",
    ),
    _start(
        "first_14d_attempted",
        "EUR",
        0,
        (0, 1_000_000),
        "sum of all amounts, in any state, within 14 days from the first transaction",
        "In the first fourteen days {value} was moved or tried",
    ),
    _start(
        "first_14d_transfers",
        "EUR",
        1,
        (0, 1_000_000),
        "sum of transfers in and out within 14 days from the first transaction",
        "In the first fourteen days {value} moved by bank transfer",
    ),
    _start(
        "first_14d_turnover",
        "EUR",
        1,
        (0, 1_000_000),
        "sum of moves in and out within 14 days from the first transaction",
        "In the first fourteen days {value} moved in and out",
    ),
    _start(
        "first_14d_passed",
        "EUR",
        1,
        (0, 500_000),
        "sum of the matches of at most 72 hours whose move in is within 14 days from the first transaction",
        "Of the money of the first fourteen days {value} left within three days of coming in",
    ),
    _start(
        "first_30d_attempted",
        "EUR",
        0,
        (0, 1_000_000),
        "sum of all amounts, in any state, within 30 days from the first transaction",
        "In the first thirty days {value} was moved or tried",
    ),
)
