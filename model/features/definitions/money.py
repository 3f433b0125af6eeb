"""Features of the money that comes in and goes out."""

from __future__ import annotations

from functools import partial

from model.features.feature import Feature, feature

_define = partial(feature, group="money", customer="The amounts on your account.")

FEATURES: tuple[Feature, ...] = (
    _define("in_count", "count", 0, (0, 1_000), "how many moves in", "Money came in {value} times"),
    _define("out_count", "count", 0, (0, 2_000), "how many moves out", "Money went out {value} times"),
    _define("in_sum", "EUR", 1, (0, 1_000_000), "sum of moves in", "{value} came in altogether"),
    _define("out_sum", "EUR", 1, (0, 1_000_000), "sum of moves out", "{value} went out altogether"),
    _define(
        "in_max", "EUR", 1, (0, 200_000), "greatest move in; 0 where none", "The largest sum to come in was {value}"
    ),
    _define(
        "out_max", "EUR", 1, (0, 200_000), "greatest move out; 0 where none", "The largest sum to go out was {value}"
    ),
    _define(
        "attempted_max",
        "EUR",
        1,
        (0, 200_000),
        "greatest amount of any transaction, whatever its state; 0 where none",
        "The largest sum tried, successful or not, was {value}",
    ),
    _define(
        "in_median",
        "EUR",
        0,
        (0, 100_000),
        "median of moves in greater than 0",
        "The typical sum to come in was {value}",
        missing="no move in greater than 0",
    ),
    _define(
        "out_median",
        "EUR",
        0,
        (0, 100_000),
        "median of moves out greater than 0",
        "The typical sum to go out was {value}",
        missing="no move out greater than 0",
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
        "out_to_in",
        "ratio",
        0,
        (0, 3),
        "out_sum / in_sum, at most 3",
        "Money out is {value} times money in",
        missing="no money in",
    ),
    _define(
        "left_share",
        "share",
        0,
        (0, 1),
        "(in_sum - out_sum) / in_sum, at least 0",
        "{value} of the money that came in is left",
        missing="no money in",
    ),
)
