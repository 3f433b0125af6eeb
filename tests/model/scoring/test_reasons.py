"""Reasons in words."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_risk.model.features.catalogue import CATALOGUE
from customer_risk.model.scoring.reasons import NEUTRAL, customer_text, top_reasons


def _codes(features, contributions, **options) -> list[str]:
    values = np.array([1250.0, 0.5, 1.0])
    return [reason.code for reason in top_reasons(values, np.array(contributions), features, **options)]


def test_a_reason_has_every_field(features):
    """A reason has code, feature, value, unit, direction, contribution, share and both texts."""
    (reason, _) = top_reasons(np.array([1250.0, 0.5, 1.0]), np.array([0.6, 0.0, -0.2]), features)
    assert reason.code == "IN_SUM"
    assert reason.feature == "in_sum"
    assert (reason.value, reason.unit) == (1250.0, "EUR")
    assert reason.direction == "raises"
    assert reason.contribution == 0.6
    assert reason.share == pytest.approx(0.75)
    assert reason.text == "The amounts on your account."
    assert reason.investigator_text == "EUR 1,250.00 came in"


@pytest.mark.parametrize("segment", ["medium", "high"])
def test_in_medium_and_high_raising_reasons_come_first(features, segment):
    """Reasons that raise the risk come first, each side by size."""
    assert _codes(features, [0.1, -0.9, 0.3], segment=segment) == ["KYC_INCOMPLETE", "IN_SUM", "PASSED_SHARE"]


def test_in_low_reasons_are_ordered_by_size(features):
    """In the segment low, reasons are ordered by size only."""
    assert _codes(features, [0.1, -0.9, 0.3], segment="low") == ["PASSED_SHARE", "KYC_INCOMPLETE", "IN_SUM"]


def test_equal_contributions_keep_the_features_order(features):
    """Contributions that differ in the last bits keep the features' order."""
    assert _codes(features, [0.3, 0.3 + 1e-15, 0.3]) == ["IN_SUM", "PASSED_SHARE", "KYC_INCOMPLETE"]


def test_a_feature_without_contribution_is_left_out(features):
    """A feature with a contribution of 0, except for rounding, is not a reason."""
    assert _codes(features, [0.0, 1e-12, 0.3]) == ["KYC_INCOMPLETE"]


def test_without_contributions_there_are_no_reasons(features):
    """Without any contribution, there are no reasons."""
    assert _codes(features, [0.0, 0.0, 0.0]) == []


def test_at_most_the_requested_number_of_reasons_is_returned(features):
    """At most the requested number of reasons is returned; shares are of all contributions."""
    (reason,) = top_reasons(np.ones(3), np.array([0.5, 0.3, 0.2]), features, 1)
    assert reason.share == pytest.approx(0.5)


def test_a_missing_value_is_null_and_explained(features):
    """A missing value is None, and the investigator's text says why."""
    (reason,) = top_reasons(np.array([np.nan, 0, 0]), np.array([0.5, 0.0, 0.0]), features)
    assert reason.value is None
    assert (
        reason.investigator_text
        == "The sum of money that came in can't be determined: the customer made no transactions"
    )


@pytest.mark.parametrize(
    ("value", "text"), [(1.0, "Your identity verification is not completed."), (0.0, NEUTRAL), (np.nan, NEUTRAL)]
)
def test_a_statement_to_the_customer_is_made_only_if_it_is_true(features, value, text):
    """A statement is made to the customer only if it is true."""
    assert customer_text(features[2], value) == text


@pytest.mark.parametrize("feature", [f for f in CATALOGUE if f.tips_off], ids=lambda f: f.name)
def test_wording_that_could_tip_off_never_depends_on_the_customer(feature):
    """The customer's text of a feature that could tip off is the same for every value."""
    texts = {customer_text(feature, value) for value in (0.0, 1.0, feature.high, np.nan)}
    assert len(texts) == 1
    assert not any(character.isdigit() for character in texts.pop())


def _texts(features, values, contributions, **options) -> list[str]:
    return [reason.text for reason in top_reasons(values, contributions, features, **options)]


def _all_at_once() -> tuple[np.ndarray, np.ndarray]:
    """Values and contributions with which every feature of the catalogue is a reason."""
    return np.ones(len(CATALOGUE)), np.linspace(2, 1, len(CATALOGUE))


def test_no_two_texts_of_an_answer_are_the_same():
    """Whatever features are the reasons, the customer reads each text once; a repeated one is empty."""
    values, contributions = _all_at_once()
    texts = _texts(CATALOGUE, values, contributions, n=len(CATALOGUE))
    told = [text for text in texts if text]
    assert len(texts) == len(CATALOGUE)
    assert len(set(told)) == len(told)
    assert set(told) == {customer_text(feature, 1.0) for feature in CATALOGUE}


@given(st.permutations(range(len(CATALOGUE))), st.sampled_from([0.0, 1.0, math.nan]))
def test_no_two_texts_of_five_reasons_are_the_same(order, value):
    """The first reason of those with the same text has it, and the later ones have an empty text."""
    contributions = np.zeros(len(CATALOGUE))
    contributions[order[:5]] = [0.5, 0.4, 0.3, 0.2, 0.1]
    texts = _texts(CATALOGUE, np.full(len(CATALOGUE), value), contributions)
    own = [customer_text(CATALOGUE[place], value) for place in order[:5]]
    assert texts == ["" if text in own[:at] else text for at, text in enumerate(own)]
    assert texts[0]


def test_texts_of_version_1_repeat(features):
    """Bundles with version 1 of the wordings keep the text of each reason, also if it repeats."""
    same = [replace(feature, customer="The same.", tips_off=True) for feature in features]
    assert _texts(same, np.ones(3), np.array([0.3, 0.2, 0.1]), repeats=True) == ["The same."] * 3
    assert _texts(same, np.ones(3), np.array([0.3, 0.2, 0.1])) == ["The same.", "", ""]
