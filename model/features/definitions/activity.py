"""Features of how much the account does, and of how many kinds."""

from __future__ import annotations

from functools import partial

from model.features.feature import EVENTS, Feature, feature

_define = partial(feature, group="activity", sources=EVENTS, customer="How you use your account.")
_none = "no transaction of one's own"

FEATURES: tuple[Feature, ...] = (
    _define(
        "transactions",
        "count",
        0,
        (0, 2_000),
        "how many transactions of one's own",
        "The customer made {value} transactions",
    ),
    _define(
        "kinds",
        "count",
        0,
        (0, 20),
        "how many different pairs of type and direction among them",
        "The account was used in {value} ways (type and direction)",
    ),
    _define(
        "kind_entropy",
        "nats",
        0,
        (0, 3),
        "-sum of p ln p over the pairs of type and direction, p the pair's share of the transactions",
        "Use is spread over kinds of transaction with an entropy of {value}",
        missing=_none,
    ),
    _define(
        "span_days",
        "days",
        0,
        (0, 180),
        "days from the first transaction to the last activity",
        "The transactions span {value}",
        missing=_none,
    ),
    _define(
        "active_days",
        "count",
        0,
        (0, 180),
        "how many periods of 24 hours, counted from the first transaction, hold a transaction",
        "There was activity on {value} days",
    ),
    _define(
        "active_day_share",
        "share",
        0,
        (0, 1),
        "active_days / (whole days in span_days + 1)",
        "There was activity on {value} of the days between the first transaction and the last",
        missing=_none,
    ),
    _define(
        "transactions_per_active_day",
        "per day",
        0,
        (1, 100),
        "transactions / active_days",
        "On active days the customer made {value} transactions",
        missing=_none,
    ),
    _define(
        "fees",
        "count",
        0,
        (0, 20),
        "how many of the bank's PROCESSING_FEE rows up to the last activity",
        "The bank charged {value} fees",
    ),
    _define(
        "rewards",
        "count",
        0,
        (0, 20),
        "how many of the bank's USER_REWARD rows up to the last activity",
        "The bank paid {value} rewards",
    ),
)
