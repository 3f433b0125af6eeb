"""Version 1 of the texts of reasons, frozen: bundles and records that name no version of their wordings have it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from customer_risk.model.features.feature import Feature
from customer_risk.model.features.values import Unit

# By the feature's name: what a missing value means, the investigator's sentence, the customer's text.
TEXTS: Final[dict[str, tuple[str, str, str]]] = {
    "no_biometrics": (
        "the profile doesn't say",
        "No biometric log-in is set up: {value}",
        "Biometric log-in is not set up.",
    ),
    "kyc_incomplete": (
        "the profile doesn't say",
        "Identity verification is not completed: {value}",
        "Your identity verification is not completed.",
    ),
    "screening_review": (
        "the profile doesn't say",
        "Screening was sent to a review: {value}",
        "The checks on your profile.",
    ),
    "politically_exposed": (
        "the profile doesn't say",
        "A politically exposed person: {value}",
        "The checks on your profile.",
    ),
    "adverse_media": (
        "the profile doesn't say",
        "Minor adverse media was found: {value}",
        "The checks on your profile.",
    ),
    "profile_gaps": (
        "never",
        "{value} of five profile fields are missing",
        "Your profile is not complete.",
    ),
    "reason_missing": (
        "never",
        "No reason to use the app is stated: {value}",
        "Your profile doesn't state what you use the account for.",
    ),
    "reason_crypto": (
        "never",
        "The stated reason is crypto: {value}",
        "The details in your profile.",
    ),
    "reason_transfers": (
        "never",
        "The stated reason is international transfers: {value}",
        "The details in your profile.",
    ),
    "reason_travel": (
        "never",
        "The stated reason is travel: {value}",
        "The details in your profile.",
    ),
    "occupation_low_income": (
        "never",
        "The stated occupation brings little income (student, unemployed or retired): {value}",
        "The details in your profile.",
    ),
    "age_years": (
        "no date of birth, or no transaction",
        "The customer was {value} old at the last activity",
        "The details in your profile.",
    ),
    "document_mismatch": (
        "one of the two is missing",
        "The identity document comes from another country than the residence: {value}",
        "The details in your profile.",
    ),
    "overseas": (
        "no residence",
        "The residence is an overseas territory: {value}",
        "The details in your profile.",
    ),
    "phone_mismatch": (
        "one of the two is missing",
        "The phone number comes from another country than the residence: {value}",
        "The details in your profile.",
    ),
    "foreign_locale": (
        "one of the two is missing, or the locale names no country",
        "The phone's settings name another country than the residence: {value}",
        "The details in your profile.",
    ),
    "no_transactions": (
        "never",
        "The customer made no transaction: {value}",
        "How you use your account.",
    ),
    "transactions": (
        "never",
        "The customer made {value} transactions",
        "How you use your account.",
    ),
    "kind_entropy": (
        "no transaction",
        "Use is spread over kinds of transaction with an entropy of {value}",
        "How you use your account.",
    ),
    "span_days": (
        "no transaction",
        "The transactions span {value}",
        "How you use your account.",
    ),
    "active_days": (
        "no transaction",
        "There was activity on {value} days",
        "How you use your account.",
    ),
    "active_day_share": (
        "no transaction",
        "There was activity on {value} of the days between the first transaction and the last",
        "How you use your account.",
    ),
    "starts_with_fee": (
        "no transaction, or the look-back left earlier ones out",
        "A fee of the bank's (ordering a card) came before anything else: {value}",
        "How you use your account.",
    ),
    "in_sum": (
        "no transaction",
        "{value} came in altogether",
        "The amounts on your account.",
    ),
    "in_max": (
        "no transaction",
        "The largest sum to come in was {value}",
        "The amounts on your account.",
    ),
    "out_count": (
        "no transaction",
        "Money went out {value} times",
        "The amounts on your account.",
    ),
    "out_sum": (
        "no transaction",
        "{value} went out altogether",
        "The amounts on your account.",
    ),
    "out_max": (
        "no transaction",
        "The largest sum to go out was {value}",
        "The amounts on your account.",
    ),
    "out_mean": (
        "no move out",
        "On average {value} went out at a time",
        "The amounts on your account.",
    ),
    "attempted_max": (
        "no transaction",
        "The largest sum tried, successful or not, was {value}",
        "The amounts on your account.",
    ),
    "amount_median": (
        "no amount greater than 0",
        "A typical transaction was of {value}",
        "The amounts on your account.",
    ),
    "amount_variation": (
        "fewer than two amounts greater than 0",
        "Amounts vary by {value} times their mean",
        "The amounts on your account.",
    ),
    "value_per_transaction": (
        "no transaction",
        "Each transaction moved {value} on average",
        "The amounts on your account.",
    ),
    "turnover_per_active_day": (
        "no transaction",
        "On an active day {value} moved in and out",
        "The amounts on your account.",
    ),
    "large_share": (
        "no transaction",
        "{value} of the transactions were of EUR 100 or more",
        "The amounts on your account.",
    ),
    "first_amount": (
        "no transaction, or the look-back left earlier ones out",
        "The first transaction was of {value}",
        "The amounts on your account.",
    ),
    "last_amount": (
        "no transaction",
        "The latest transaction was of {value}",
        "The amounts on your account.",
    ),
    "out_to_in": (
        "no money in",
        "Money out is {value} times money in",
        "The amounts on your account.",
    ),
    "left_sum": (
        "no transaction",
        "Money in exceeds money out by {value}",
        "The amounts on your account.",
    ),
    "left_share": (
        "no money in",
        "{value} of the money that came in is left",
        "The amounts on your account.",
    ),
    "declined_share": (
        "no transaction",
        "{value} of the transactions were declined",
        "How many of your transactions succeeded.",
    ),
    "failed_share": (
        "no transaction",
        "{value} of the transactions failed",
        "How many of your transactions succeeded.",
    ),
    "cancelled_share": (
        "no transaction",
        "{value} of the transactions were cancelled",
        "How many of your transactions succeeded.",
    ),
    "reversed_share": (
        "no transaction",
        "{value} of the transactions were reversed",
        "How many of your transactions succeeded.",
    ),
    "pending_share": (
        "no transaction",
        "{value} of the transactions were still open at the last activity",
        "How many of your transactions succeeded.",
    ),
    "transfer_in_count": (
        "no transaction",
        "{value} bank transfers came in",
        "The transfers on your account.",
    ),
    "transfer_in_sum": (
        "no transaction",
        "{value} came in by bank transfer",
        "The transfers on your account.",
    ),
    "transfer_in_max": (
        "no transaction",
        "The largest bank transfer to come in was {value}",
        "The transfers on your account.",
    ),
    "transfer_in_share": (
        "no money in",
        "{value} of the money that came in did so by bank transfer",
        "The transfers on your account.",
    ),
    "transfer_out_count": (
        "no transaction",
        "{value} bank transfers went out",
        "The transfers on your account.",
    ),
    "transfer_out_sum": (
        "no transaction",
        "{value} went out by bank transfer",
        "The transfers on your account.",
    ),
    "transfer_out_count_share": (
        "no transaction",
        "{value} of the transactions were outgoing bank transfers",
        "The transfers on your account.",
    ),
    "onramp_count": (
        "no transaction",
        "Crypto was bought {value} times",
        "How money moves through your account.",
    ),
    "onramp_sum": (
        "no transaction",
        "Crypto was bought for {value}",
        "How money moves through your account.",
    ),
    "onramp_cancelled_count": (
        "no transaction",
        "{value} crypto purchases were cancelled or refused",
        "How money moves through your account.",
    ),
    "onramp_fed_by_transfers": (
        "no transaction",
        "Crypto purchases of {value} followed bank transfers that had come in within three days",
        "How money moves through your account.",
    ),
    "onramp_fed_by_topups": (
        "no transaction",
        "Crypto purchases of {value} followed card top-ups of the three days before",
        "How money moves through your account.",
    ),
    "onramp_against_reason": (
        "no transaction",
        "Crypto purchases tried come to {value}, though crypto is not the stated reason",
        "How money moves through your account.",
    ),
    "offramp_sum": (
        "no transaction",
        "Crypto was sold for {value}",
        "How money moves through your account.",
    ),
    "topup_failed_count": (
        "no transaction",
        "{value} card top-ups failed",
        "How you add money to your account.",
    ),
    "topup_failed_sum": (
        "no transaction",
        "Card top-ups of {value} failed",
        "How you add money to your account.",
    ),
    "topup_failed_share": (
        "no top-up",
        "{value} of the card top-ups failed",
        "How you add money to your account.",
    ),
    "topup_never_succeeded": (
        "no transaction",
        "Card top-ups were tried and none succeeded: {value}",
        "How you add money to your account.",
    ),
    "topup_done_count": (
        "no transaction",
        "{value} card top-ups succeeded",
        "How you add money to your account.",
    ),
    "topup_in_share": (
        "no money in",
        "{value} of the money that came in did so by card top-up",
        "How you add money to your account.",
    ),
    "card_count": (
        "no transaction",
        "The card was used {value} times",
        "How you use your card.",
    ),
    "card_large_sum": (
        "no transaction",
        "Card payments of EUR 300 or more come to {value}",
        "How you use your card.",
    ),
    "card_small_share": (
        "no transaction",
        "{value} of the transactions were card payments of at most EUR 50",
        "How you use your card.",
    ),
    "card_check_share": (
        "no CARDS OUT",
        "{value} of the card uses were checks of the card without an amount",
        "How you use your card.",
    ),
    "card_refused_share": (
        "no CARDS",
        "{value} of the card payments were refused",
        "How you use your card.",
    ),
    "irrevocable_out": (
        "no transaction",
        "{value} went out in ways that can't be called back (crypto, transfers, large card payments)",
        "How money moves through your account.",
    ),
    "irrevocable_share": (
        "no money in",
        "{value} of the money that came in could go out in ways that can't be called back",
        "How money moves through your account.",
    ),
    "transfer_flow": (
        "no transaction",
        "{value} moved by transfer, crypto purchase or large card payment",
        "How money moves through your account.",
    ),
    "unfunded_out": (
        "no transaction",
        "At one point {value} more had gone out than had come in",
        "How money moves through your account.",
    ),
    "pass_1h": (
        "no transaction",
        "{value} left within an hour of coming in",
        "How money moves through your account.",
    ),
    "pass_24h": (
        "no transaction",
        "{value} left within 24 hours of coming in",
        "How money moves through your account.",
    ),
    "pass_72h": (
        "no transaction",
        "{value} left within three days of coming in",
        "How money moves through your account.",
    ),
    "pass_24h_share": (
        "no money in",
        "{value} of the money that came in left again within 24 hours",
        "How money moves through your account.",
    ),
    "passed_share": (
        "no money in",
        "{value} of the money that came in left again",
        "How money moves through your account.",
    ),
    "dwell_median_hours": (
        "no match",
        "Half of the money that left again stayed for at most {value}",
        "How money moves through your account.",
    ),
    "sweep_count": (
        "no transaction",
        "{value} incoming transfers were swept out within three days",
        "How money moves through your account.",
    ),
    "sweep_share": (
        "no transfer in of 100 or more",
        "{value} of the incoming transfers of EUR 100 or more were swept out within three days",
        "How money moves through your account.",
    ),
    "sweep_max": (
        "no transaction",
        "Of a single incoming transfer {value} went out within three days",
        "How money moves through your account.",
    ),
    "transfer_pass_72h": (
        "no transaction",
        "{value} of large incoming transfers left in large sums within three days",
        "How money moves through your account.",
    ),
    "transfer_pass_72h_share": (
        "no transfer in of 100 or more",
        "{value} of large incoming transfers left in large sums within three days",
        "How money moves through your account.",
    ),
    "last_1h_count": (
        "no transaction",
        "{value} transactions fell into the last hour of activity",
        "The latest activity on your account.",
    ),
    "last_24h_count": (
        "no transaction",
        "{value} transactions fell into the last 24 hours of activity",
        "The latest activity on your account.",
    ),
    "last_7d_count": (
        "no transaction",
        "{value} transactions fell into the last seven days of activity",
        "The latest activity on your account.",
    ),
    "last_30d_count": (
        "no transaction",
        "{value} transactions fell into the last thirty days of activity",
        "The latest activity on your account.",
    ),
    "last_7d_in": (
        "no transaction",
        "{value} came in during the last seven days of activity",
        "The latest activity on your account.",
    ),
    "last_7d_out": (
        "no transaction",
        "{value} went out during the last seven days of activity",
        "The latest activity on your account.",
    ),
    "busiest_1h_count": (
        "no transaction",
        "Up to {value} transactions fell into one hour",
        "The busiest times on your account.",
    ),
    "busiest_24h_count": (
        "no transaction",
        "Up to {value} transactions fell into 24 hours",
        "The busiest times on your account.",
    ),
    "busiest_24h_in": (
        "no transaction",
        "Up to {value} came in within 24 hours",
        "The busiest times on your account.",
    ),
    "busiest_24h_out": (
        "no transaction",
        "Up to {value} went out within 24 hours",
        "The busiest times on your account.",
    ),
    "busiest_24h_refused": (
        "no transaction",
        "Up to {value} transactions were refused within 24 hours",
        "The busiest times on your account.",
    ),
    "busiest_7d_transfers_in": (
        "no transaction",
        "Up to {value} came in by bank transfer within seven days",
        "The busiest times on your account.",
    ),
    "first_3d_attempted": (
        "no transaction, or the look-back left earlier ones out",
        "In the first three days {value} was moved or tried",
        "The first days of your account's use.",
    ),
    "first_7d_out": (
        "no transaction, or the look-back left earlier ones out",
        "In the first seven days {value} went out",
        "The first days of your account's use.",
    ),
    "first_14d_out": (
        "no transaction, or the look-back left earlier ones out",
        "In the first fourteen days {value} went out",
        "The first days of your account's use.",
    ),
    "first_14d_attempted": (
        "no transaction, or the look-back left earlier ones out",
        "In the first fourteen days {value} was moved or tried",
        "The first days of your account's use.",
    ),
    "first_14d_transfers": (
        "no transaction, or the look-back left earlier ones out",
        "In the first fourteen days {value} moved by bank transfer",
        "The first days of your account's use.",
    ),
    "first_14d_turnover": (
        "no transaction, or the look-back left earlier ones out",
        "In the first fourteen days {value} moved in and out",
        "The first days of your account's use.",
    ),
    "first_14d_passed": (
        "no transaction, or the look-back left earlier ones out",
        "Of the money of the first fourteen days {value} left within three days of coming in",
        "The first days of your account's use.",
    ),
    "first_30d_attempted": (
        "no transaction, or the look-back left earlier ones out",
        "In the first thirty days {value} was moved or tried",
        "The first days of your account's use.",
    ),
    "night_share": (
        "no transaction, or a residence whose time zone is not known",
        "{value} of the transactions were at night",
        "When you use your account.",
    ),
    "office_share": (
        "no transaction, or a residence whose time zone is not known",
        "{value} of the transactions were in office hours",
        "When you use your account.",
    ),
    "weekend_share": (
        "no transaction, or a residence whose time zone is not known",
        "{value} of the transactions were at weekends",
        "When you use your account.",
    ),
    "gap_median_hours": (
        "fewer than two transactions",
        "Half of the transactions followed within {value} of the one before",
        "When you use your account.",
    ),
    "gap_burstiness": (
        "fewer than four transactions, or all at one moment",
        "Activity comes in bursts: {value} on a scale from -1 (regular) to 1",
        "When you use your account.",
    ),
    "round_out_share": (
        "no move out greater than 0",
        "{value} of the sums that went out were multiples of EUR 50",
        "The amounts on your account.",
    ),
    "below_threshold_count": (
        "no transaction",
        "{value} transactions were just below a round sum",
        "The amounts on your account.",
    ),
    "low_income_in": (
        "no transaction",
        "{value} came in, though the stated occupation brings little income",
        "How your account's use fits your profile.",
    ),
    "no_biometrics_in": (
        "no transaction, or the profile doesn't say",
        "{value} came in without a biometric log-in",
        "How your account's use fits your profile.",
    ),
}


_LATER: Final = ("meaning", "none", "noun")  # fields that version 1 didn't have


@dataclass(frozen=True, slots=True)
class FirstFeature(Feature):
    """A feature with the texts of version 1."""

    def describe(self, value: float) -> str:
        """Return the sentence of version 1 about a value (NaN where missing)."""
        if math.isnan(value):
            return f"{self.name} has no value: {self.missing}"
        return self.investigator.replace("{value}", formatted(value, self.unit))


def worded(feature: Feature) -> Feature:
    """Return a feature with the texts of version 1; one that version 1 didn't have keeps its own."""
    if feature.name not in TEXTS:
        return feature
    missing, investigator, customer = TEXTS[feature.name]
    known = {field.name: getattr(feature, field.name) for field in fields(Feature)}
    return FirstFeature(**known | {"missing": missing, "investigator": investigator, "customer": customer})


def content(feature: Feature) -> dict[str, Any]:
    """Return what the catalogue's hash said of a feature in version 1."""
    return {name: value for name, value in asdict(worded(feature)).items() if name not in _LATER}


def formatted(value: float, unit: Unit) -> str:
    """Return a value with its unit, as version 1 writes it; NaN is 'not known'."""
    if math.isnan(value):
        return "not known"
    if unit == "yes/no":
        return "yes" if value else "no"
    return _WRITERS[unit](value)


_WRITERS: Final[dict[Unit, Callable[[float], str]]] = {
    "count": "{:,.0f}".format,
    "EUR": "EUR {:,.2f}".format,
    "share": "{:.0%}".format,
    "hours": "{:,.1f} hours".format,
    "days": "{:,.1f} days".format,
    "years": "{:,.0f} years".format,
    "ratio": "{:,.2f}".format,
    "nats": "{:.2f} nats".format,
}
