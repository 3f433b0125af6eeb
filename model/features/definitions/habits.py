"""Features of when and in what amounts the customer transacts, and of whether that fits the profile."""

from __future__ import annotations

from functools import partial

from customer_risk.model.features.feature import EVENTS, MONEY, NO_TRANSACTION, Feature, feature

_LOCAL = (*EVENTS, "country_of_residence")

_rhythm = partial(feature, group="rhythm", sources=EVENTS, customer="When you use your account.")
_local = partial(_rhythm, sources=_LOCAL, missing=f"{NO_TRANSACTION}, or a residence whose time zone is not known")
_patterns = partial(feature, group="patterns", missing=NO_TRANSACTION, customer="The amounts on your account.")
_fit = partial(feature, group="fit to the profile", customer="How your account's use fits your profile.")

FEATURES: tuple[Feature, ...] = (
    _local(
        "night_share",
        "share",
        0,
        (0, 1),
        "share of the transactions at 0:00 to 5:59 by the standard time of the residence",
        "{value} of the transactions were at night",
    ),
    _local(
        "office_share",
        "share",
        0,
        (0, 1),
        "share of the transactions at 9:00 to 17:59 by the standard time of the residence, on any day",
        "{value} of the transactions were in office hours",
    ),
    _local(
        "weekend_share",
        "share",
        0,
        (0, 1),
        "share of the transactions on Saturdays and Sundays by the standard time of the residence",
        "{value} of the transactions were at weekends",
    ),
    _rhythm(
        "gap_median_hours",
        "hours",
        0,
        (0, 4_320),
        "median time between one transaction and the next",
        "Half of the transactions followed within {value} of the one before",
        missing="fewer than two transactions",
    ),
    _rhythm(
        "gap_burstiness",
        "ratio",
        0,
        (-1, 1),
        "(s - m) / (s + m), s the standard deviation (of the population) and m the mean of the times between one "
        "transaction and the next (Goh and Barabasi 2008)",
        "Activity comes in bursts: {value} on a scale from -1 (regular) to 1",
        missing="fewer than four transactions, or all at one moment",
    ),
    _patterns(
        "round_out_share",
        "share",
        0,
        (0, 1),
        "share of the moves out greater than 0 whose amount is a multiple of 50",
        "{value} of the sums that went out were multiples of EUR 50",
        missing="no move out greater than 0",
    ),
    _patterns(
        "below_threshold_count",
        "count",
        1,
        (0, 200),
        "how many transactions in any state have an amount below 500, 1000, 2000, 3000, 5000, 10000 or 15000, but not "
        "below 95% of it",
        "{value} transactions were just below a round sum",
    ),
    _fit(
        "low_income_in",
        "EUR",
        1,
        (0, 1_000_000),
        "in_sum; 0 where occupation_low_income is no",
        "{value} came in, though the stated occupation brings little income",
        sources=(*MONEY, "occupation"),
        missing=NO_TRANSACTION,
    ),
    _fit(
        "no_biometrics_in",
        "EUR",
        1,
        (0, 1_000_000),
        "in_sum; 0 where no_biometrics is no",
        "{value} came in without a biometric log-in",
        sources=(*MONEY, "has_biometrics"),
        missing=f"{NO_TRANSACTION}, or the profile doesn't say",
    ),
)
