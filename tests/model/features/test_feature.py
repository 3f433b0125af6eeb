"""The sentences about a feature."""

from __future__ import annotations

import math
import re

import pytest

from customer_risk.model.features.catalogue import BY_NAME, CATALOGUE
from customer_risk.model.features.feature import Feature

VALUES = {
    "count": (0, 1, 2, 3, 1_234),
    "EUR": (-500, 0, 0.001, 0.1, 1, 1_234.56, 1_234_567),
    "share": (0, 0.001, 0.1, 0.5, 0.999, 1),
    "hours": (0, 0.0001, 0.1, 1, 2, 47.5, 48, 4_000),
    "days": (0, 0.0001, 0.1, 1, 2, 60),
    "years": (16, 42.9),
    "ratio": (-1, 0, 0.1, 1, 3),
    "yes/no": (0, 1),
    "nats": (0, 0.1, math.log(2), 2.5),
}
WRONG = {
    "a part of an hour or a day as a number": r"\b0\.\d+ (hour|day)s?\b",
    "a unit that no analyst knows": r"\bnats?\b|\bratio\b|\blift\b|entropy|deviation",
    "a formula in parentheses": r"\([^()]* [-+*/] [^()]*\)",
    "one of several": r"(?<![\d.,])1 ([\w-]+ )?(transaction|transfer|payment|purchase|top-up|time|day|hour|kind)s\b",
    "a whole number with decimals": r"\b\d+\.0 ",
    "a count of 0": r"\b0 (transaction|transfer|bank|crypto|card|time|day)",
    "no money as an amount": r"EUR 0\.00",
    "yes or no behind a sentence": r": (yes|no)$",
    "punctuation at the end, which those who join sentences add": r"[.,;:!?]$",
    "two marks side by side": r"[.,;:]{2}|  | [.,;:]",
    "a word that was not filled in": r"[{}]",
}


def said(feature: Feature) -> list[str]:
    """Return all sentences about typical values of a feature, and about a missing value."""
    values = [value for value in VALUES[feature.unit] if feature.low <= value <= feature.high]
    missing = [] if feature.missing == "never" else [math.nan]
    return [feature.describe(value) for value in (*values, *missing)]


@pytest.mark.parametrize("rule", WRONG)
def test_no_sentence_breaks_a_rule(rule: str) -> None:
    """An analyst can read every sentence about every feature, whatever its value."""
    assert not [text for feature in CATALOGUE for text in said(feature) if re.search(WRONG[rule], text)]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("a part of an hour or a day as a number", "Half of it left within 0.1 hours"),
        ("a unit that no analyst knows", "Use is spread with an entropy of 0.69 nats"),
        ("a formula in parentheses", "Activity comes in bursts: (s - m) / (s + m)"),
        ("one of several", "1 transactions came in"),
        ("one of several", "1 bank transfers came in"),
        ("a whole number with decimals", "The last came 2.0 days after the first"),
        ("a count of 0", "The customer made 0 transactions"),
        ("no money as an amount", "EUR 0.00 came in"),
        ("yes or no behind a sentence", "Minor adverse media was found: yes"),
        ("punctuation at the end, which those who join sentences add", "Money came in."),
        ("two marks side by side", "Money came in,, and went"),
        ("a word that was not filled in", "{value} came in"),
    ],
)
def test_each_rule_finds_a_sentence_that_breaks_it(rule: str, text: str) -> None:
    """The checks of this file find a sentence that breaks a rule."""
    assert re.search(WRONG[rule], text)


@pytest.mark.parametrize("feature", CATALOGUE, ids=lambda feature: feature.name)
def test_every_sentence_begins_with_a_capital_or_a_number(feature: Feature) -> None:
    """A sentence begins with a capital letter or a number; the values of a yes/no feature have different sentences."""
    assert all(text[0].isupper() or text[0].isdigit() for text in said(feature))
    assert feature.unit != "yes/no" or feature.describe(0) != feature.describe(1)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("pass_24h_share", 0.9, "90% of the money that came in left again within 24 hours"),
        ("pass_24h_share", 0, "None of the money that came in left again within 24 hours"),
        ("pass_24h_share", 1, "All of the money that came in left again within 24 hours"),
        ("in_sum", 1_234.5, "EUR 1,234.50 came in altogether"),
        ("pass_1h", 0, "No money left within an hour of coming in"),
        ("in_max", 0, "No money came in"),
        ("left_sum", -20, "Money in less money out comes to EUR -20.00"),
        ("transactions", 0, "The customer made no transactions"),
        ("transactions", 1, "The customer made 1 transaction"),
        ("transactions", 3, "The customer made 3 transactions"),
        ("transfer_in_count", 0, "No bank transfers came in"),
        ("gap_median_hours", 0.1, "Half of the transactions followed within 6 minutes of the one before"),
        ("span_days", 2, "The last transaction came 2 days after the first"),
        ("no_biometrics", 1, "Biometric log-in is not set up"),
        ("no_biometrics", 0, "Biometric log-in is set up"),
        ("passed_share", math.nan, "The share of the money in that left again can't be determined: no money came in"),
        ("left_share", math.nan, "The share of the money in that is left can't be determined: no money came in"),
    ],
)  # fmt: skip
def test_sentences_have_the_value_with_its_unit(name: str, value: float, text: str) -> None:
    """A sentence says the value with its unit, "no" or "none" for 0, and why there is no value."""
    assert BY_NAME[name].describe(value) == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("in_sum", "… came in altogether"),
        ("transactions", "The customer made … transactions"),
        ("no_biometrics", "Biometric log-in is not set up"),
    ],
)
def test_sentences_without_a_value_have_an_ellipsis(name: str, text: str) -> None:
    """An ellipsis takes the place of the value."""
    assert BY_NAME[name].with_gap() == text


def test_meanings_are_noun_phrases_without_an_article() -> None:
    """A meaning has no article and no comma; it begins with "whether" only for a yes/no feature."""
    odd = [
        feature.name
        for feature in CATALOGUE
        if not re.fullmatch(r"[a-z](?!.*[;:.{}/])(?!.*,(?!.* or ))[^\n]{5,100}", feature.meaning)
        or feature.meaning.startswith(("the ", "a "))
        or feature.meaning.startswith("whether ") != (feature.unit == "yes/no")
    ]
    assert not odd


def test_no_two_features_have_the_same_meaning() -> None:
    """No two meanings are equal, so an analyst can distinguish features without their names."""
    assert len({feature.meaning for feature in CATALOGUE}) == len(CATALOGUE)
