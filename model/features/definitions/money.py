"""Features of the money that comes in and goes out."""

from __future__ import annotations

from functools import partial

from customer_risk.model.features.feature import BEGINNING_UNKNOWN, EVENTS, NO_TRANSACTION, Feature, feature

_define = partial(feature, group="money", missing=NO_TRANSACTION, customer="The amounts on your account.")

FEATURES: tuple[Feature, ...] = (
    _define("in_sum", "EUR", 1, (0, 1_000_000), "sum of the moves in", "{value} came in altogether"),
    _define(
        "in_max", "EUR", 1, (0, 200_000), "greatest move in; 0 where none", "The largest sum to come in was {value}"
    ),
    _define("out_count", "count", 0, (0, 2_000), "how many moves out", "Money went out {value} times", sources=EVENTS),
    _define("out_sum", "EUR", 1, (0, 1_000_000), "sum of the moves out", "{value} went out altogether"),
    _define(
        "out_max", "EUR", 1, (0, 200_000), "greatest move out; 0 where none", "The largest sum to go out was {value}"
    ),
    _define(
        "out_mean",
        "EUR",
        1,
        (0, 100_000),
        "out_sum / out_count",
        "On average {value} went out at a time",
        missing="no move out",
    ),
    _define(
        "attempted_max",
        "EUR",
        0,
        (0, 200_000),
        "greatest amount of any transaction, whatever its state",
        "The largest sum tried, successful or not, was {value}",
    ),
    _define(
        "amount_median",
        "EUR",
        0,
        (0, 100_000),
        "median of the amounts greater than 0 of all transactions",
        "A typical transaction was of {value}",
        missing="no amount greater than 0",
    ),
    _define(
        "amount_variation",
        "ratio",
        0,
        (0, 50),
        "standard deviation (of the population) / mean, of the amounts greater than 0 of all transactions",
        "Amounts vary by {value} times their mean",
        missing="fewer than two amounts greater than 0",
    ),
    _define(
        "value_per_transaction",
        "EUR",
        1,
        (0, 100_000),
        "(in_sum + out_sum) / transactions",
        "Each transaction moved {value} on average",
    ),
    _define(
        "turnover_per_active_day",
        "EUR",
        0,
        (0, 200_000),
        "(in_sum + out_sum) / active_days",
        "On an active day {value} moved in and out",
    ),
    _define(
        "large_share",
        "share",
        1,
        (0, 1),
        "share of the transactions with an amount of 100 or more",
        "{value} of the transactions were of EUR 100 or more",
    ),
    _define(
        "first_amount",
        "EUR",
        0,
        (0, 200_000),
        "amount of the first transaction in order",
        "The first transaction was of {value}",
        missing=BEGINNING_UNKNOWN,
    ),
    _define(
        "last_amount",
        "EUR",
        0,
        (0, 200_000),
        "amount of the last transaction in order",
        "The latest transaction was of {value}",
    ),
    _define(
        "out_to_in",
        "ratio",
        1,
        (0, 3),
        "out_sum / in_sum, at most 3",
        "Money out is {value} times money in",
        missing="no money in",
    ),
    _define(
        "left_sum",
        "EUR",
        -1,
        (-100_000, 500_000),
        "in_sum - out_sum",
        "Money in exceeds money out by {value}",
    ),
    _define(
        "left_share",
        "share",
        -1,
        (0, 1),
        "(in_sum - out_sum) / in_sum, at least 0",
        "{value} of the money that came in is left",
        missing="no money in",
    ),
)
