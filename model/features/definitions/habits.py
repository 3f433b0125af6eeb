"""Features of the times and amounts of transactions, and of their fit to the profile."""

from __future__ import annotations

from functools import partial

from customer_risk.model.features.feature import EVENTS, MONEY, NO_TRANSACTION, Feature, feature

_LOCAL = (*EVENTS, "country_of_residence")

_rhythm = partial(feature, group="rhythm", sources=EVENTS, customer="When you use your account.")
_local = partial(_rhythm, sources=_LOCAL, missing=f"{NO_TRANSACTION}, or the time zone of the residence is not known")
_patterns = partial(feature, group="patterns", missing=NO_TRANSACTION, customer="The amounts of your transactions.")
_fit = partial(feature, group="fit to the profile", customer="How your account's use fits your profile.")

FEATURES: tuple[Feature, ...] = (
    _local(
        "night_share",
        "share",
        0,
        (0, 1),
        "share of the transactions at 0:00 to 5:59 by the standard time of the residence",
        "{value} of the transactions were made at night (midnight to 6:00 where the customer lives)",
        meaning="share of transactions at night",
    ),
    _local(
        "office_share",
        "share",
        0,
        (0, 1),
        "share of the transactions at 9:00 to 17:59 by the standard time of the residence, on any day",
        "{value} of the transactions were made in office hours (9:00 to 18:00 where the customer lives)",
        meaning="share of transactions in office hours",
    ),
    _local(
        "weekend_share",
        "share",
        0,
        (0, 1),
        "share of the transactions on Saturdays and Sundays by the standard time of the residence",
        "{value} of the transactions were made at weekends",
        meaning="share of transactions at weekends",
    ),
    _rhythm(
        "gap_median_hours",
        "hours",
        0,
        (0, 4_320),
        "median time between one transaction and the next",
        "Half of the transactions followed within {value} of the one before",
        missing="the customer made fewer than two transactions",
        meaning="time within which half of the transactions followed the one before",
        none="Half of the transactions were made at the same moment as the one before",
        customer="How regularly you use your account.",
    ),
    _rhythm(
        "gap_burstiness",
        "ratio",
        0,
        (-1, 1),
        "(s - m) / (s + m), s the standard deviation (of the population) and m the mean of the times between one "
        "transaction and the next (Goh and Barabasi 2008)",
        "The transactions come in bursts to a degree of {value}, on a scale from -1 (evenly spaced) through 0 (at "
        "random) to 1 (all in short bursts)",
        missing="the customer made fewer than four transactions, or all at one moment",
        meaning="degree of bursts in the transactions from -1 (evenly spaced) to 1 (all in short bursts)",
        customer="How regularly you use your account.",
    ),
    _patterns(
        "round_out_share",
        "share",
        0,
        (0, 1),
        "share of the moves out greater than 0 whose amount is a multiple of 50",
        "{value} of the sums that went out were multiples of EUR 50",
        missing="no money went out",
        meaning="share of the sums out that were multiples of EUR 50",
    ),
    _patterns(
        "below_threshold_count",
        "count",
        1,
        (0, 200),
        "how many transactions in any state have an amount below 500, 1000, 2000, 3000, 5000, 10000 or 15000, but not "
        "below 95% of it",
        "{value} had an amount just below a round sum, such as EUR 980",
        meaning="number of transactions just below a round sum",
        noun="transaction",
    ),
    _fit(
        "low_income_in",
        "EUR",
        1,
        (0, 1_000_000),
        "in_sum; 0 if occupation_low_income is no",
        "{value} came in, although the stated occupation brings little income",
        sources=(*MONEY, "occupation"),
        missing=NO_TRANSACTION,
        meaning="sum that came in although the stated occupation brings little income",
        none="No money came in, or the stated occupation is not student, unemployed or retired",
    ),
    _fit(
        "no_biometrics_in",
        "EUR",
        1,
        (0, 1_000_000),
        "in_sum; 0 if no_biometrics is no",
        "{value} came in while biometric log-in was not set up",
        sources=(*MONEY, "has_biometrics"),
        missing=f"{NO_TRANSACTION}, or the profile doesn't state whether biometric log-in is set up",
        meaning="sum that came in without biometric log-in",
        none="No money came in, or biometric log-in is set up",
    ),
)
