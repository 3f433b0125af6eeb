"""Features of how much the account does."""

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
        "there is no transaction of one's own",
        "The customer made no transaction: {value}",
    ),
    _define(
        "transactions",
        "count",
        0,
        (0, 2_000),
        "how many transactions of one's own",
        "The customer made {value} transactions",
    ),
    _define(
        "kind_entropy",
        "nats",
        0,
        (0, 3),
        "-sum of p ln p over the pairs of type and direction, p the pair's share of the transactions",
        "Use is spread over kinds of transaction with an entropy of {value}",
        missing=NO_TRANSACTION,
    ),
    _define(
        "span_days",
        "days",
        0,
        (0, 180),
        "days from the first transaction to the last activity",
        "The transactions span {value}",
        missing=NO_TRANSACTION,
    ),
    _define(
        "active_days",
        "count",
        0,
        (1, 181),
        "how many periods of 24 hours, counted from the first transaction, hold a transaction",
        "There was activity on {value} days",
        missing=NO_TRANSACTION,
    ),
    _define(
        "active_day_share",
        "share",
        0,
        (0, 1),
        "active_days / (whole days in span_days + 1)",
        "There was activity on {value} of the days between the first transaction and the last",
        missing=NO_TRANSACTION,
    ),
    _define(
        "starts_with_fee",
        "yes/no",
        0,
        (0, 1),
        "the earliest transaction of all, the bank's included, is a PROCESSING_FEE",
        "A fee of the bank's (ordering a card) came before anything else: {value}",
        missing=BEGINNING_UNKNOWN,
    ),
)
