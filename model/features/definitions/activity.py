"""Features of the number and variety of transactions."""

from __future__ import annotations

from functools import partial

from customer_risk.model.features.feature import BEGINNING_UNKNOWN, EVENTS, NO_TRANSACTION, Feature, feature

_define = partial(feature, group="activity", sources=EVENTS, customer="How you use your account.")

FEATURES: tuple[Feature, ...] = (
    _define(
        "no_transactions",
        "yes/no",
        0,
        (0, 1),
        "there are no own transactions",
        "The customer made no transactions",
        meaning="whether the customer made no transactions",
        none="The customer made transactions",
        customer="How often you use your account.",
    ),
    _define(
        "transactions",
        "count",
        0,
        (0, 2_000),
        "how many own transactions",
        "The customer made {value}",
        meaning="number of transactions",
        noun="transaction",
        customer="How often you use your account.",
    ),
    _define(
        "kind_entropy",
        "nats",
        0,
        (0, 3),
        "-sum of p ln p over the pairs of type and direction, p the pair's share of the transactions",
        "The transactions are as varied as if {value} of transaction (such as card payments or transfers in) were used "
        "equally often",
        missing=NO_TRANSACTION,
        meaning="variety of kinds of transaction",
        none="All transactions are of one kind",
        customer="What you use your account for.",
    ),
    _define(
        "span_days",
        "days",
        0,
        (0, 180),
        "days from the first transaction to the last activity",
        "The last transaction came {value} after the first",
        missing=NO_TRANSACTION,
        meaning="time from the first transaction to the last",
        none="All transactions were made at the same moment",
        customer="How long you have used your account.",
    ),
    _define(
        "active_days",
        "count",
        0,
        (1, 181),
        "how many periods of 24 hours, counted from the first transaction, hold a transaction",
        "There were transactions on {value}",
        missing=NO_TRANSACTION,
        meaning="number of days with transactions",
        noun="day",
        customer="How often you use your account.",
    ),
    _define(
        "active_day_share",
        "share",
        0,
        (0, 1),
        "active_days / (whole days in span_days + 1)",
        "There were transactions on {value} of the days from the first transaction to the last",
        missing=NO_TRANSACTION,
        meaning="share of days with transactions between the first transaction and the last",
        customer="How often you use your account.",
    ),
    _define(
        "starts_with_fee",
        "yes/no",
        0,
        (0, 1),
        "the earliest transaction of all, the bank's included, is a PROCESSING_FEE",
        "A bank fee, such as for ordering a card, came before all other transactions",
        missing=BEGINNING_UNKNOWN,
        meaning="whether a bank fee came before all other transactions",
        none="No bank fee came before the first transaction",
        customer="The first days of your account's use.",
    ),
)
