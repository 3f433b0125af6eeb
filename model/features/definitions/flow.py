"""Features of money that passes through: in, and out again."""

from __future__ import annotations

from functools import partial

from customer_risk.model.features.feature import NO_TRANSACTION, Feature, feature

_define = partial(feature, group="flow", missing=NO_TRANSACTION, customer="How money moves through your account.")

FEATURES: tuple[Feature, ...] = (
    _define(
        "irrevocable_out",
        "EUR",
        1,
        (0, 1_000_000),
        "onramp_sum + transfer_out_sum + card_large_sum",
        "{value} went out in ways that can't be called back (crypto, transfers, large card payments)",
    ),
    _define(
        "irrevocable_share",
        "share",
        1,
        (0, 1),
        "min(irrevocable_out, in_sum) / in_sum",
        "{value} of the money that came in could go out in ways that can't be called back",
        missing="no money in",
    ),
    _define(
        "transfer_flow",
        "EUR",
        1,
        (0, 2_000_000),
        "transfer_in_sum + irrevocable_out",
        "{value} moved by transfer, crypto purchase or large card payment",
    ),
    _define(
        "unfunded_out",
        "EUR",
        1,
        (0, 100_000),
        "greatest excess of moves out so far over moves in so far, at any move out; 0 where there is none",
        "At one point {value} more had gone out than had come in",
    ),
    _define(
        "pass_1h",
        "EUR",
        1,
        (0, 1_000_000),
        "sum of the matches of at most 1 hour",
        "{value} left within an hour of coming in",
    ),
    _define(
        "pass_24h",
        "EUR",
        1,
        (0, 1_000_000),
        "sum of the matches of at most 24 hours",
        "{value} left within 24 hours of coming in",
    ),
    _define(
        "pass_72h",
        "EUR",
        1,
        (0, 1_000_000),
        "sum of the matches of at most 72 hours",
        "{value} left within three days of coming in",
    ),
    _define(
        "pass_24h_share",
        "share",
        1,
        (0, 1),
        "pass_24h / in_sum",
        "{value} of the money that came in left again within 24 hours",
        missing="no money in",
    ),
    _define(
        "passed_share",
        "share",
        1,
        (0, 1),
        "sum of all matches / in_sum",
        "{value} of the money that came in left again",
        missing="no money in",
    ),
    _define(
        "dwell_median_hours",
        "hours",
        -1,
        (0, 4_320),
        "shortest time of a match by which at least half of all matched money had left (median weighted by amount)",
        "Half of the money that left again stayed for at most {value}",
        missing="no match",
    ),
    _define(
        "sweep_count",
        "count",
        1,
        (0, 200),
        "how many transfers in of 100 or more are followed, within 72 hours from them, by moves out of at least 80% of "
        "them together",
        "{value} incoming transfers were swept out within three days",
    ),
    _define(
        "sweep_share",
        "share",
        1,
        (0, 1),
        "sweep_count / how many transfers in of 100 or more",
        "{value} of the incoming transfers of EUR 100 or more were swept out within three days",
        missing="no transfer in of 100 or more",
    ),
    _define(
        "sweep_max",
        "EUR",
        1,
        (0, 200_000),
        "over transfers in of 100 or more, the greatest min(the transfer, sum of moves out within 72 hours from it)",
        "Of a single incoming transfer {value} went out within three days",
    ),
    _define(
        "transfer_pass_72h",
        "EUR",
        1,
        (0, 1_000_000),
        "sum of the matches of at most 72 hours, when only transfers in and moves out of 100 or more are matched",
        "{value} of large incoming transfers left in large sums within three days",
    ),
    _define(
        "transfer_pass_72h_share",
        "share",
        1,
        (0, 1),
        "transfer_pass_72h / sum of transfers in of 100 or more",
        "{value} of large incoming transfers left in large sums within three days",
        missing="no transfer in of 100 or more",
    ),
)
