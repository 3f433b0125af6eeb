"""Explanations: importance with intervals, and reason codes in both wordings."""

from __future__ import annotations

import msgspec

from customer_risk.model.evaluation.results import Interval
from customer_risk.model.features.catalogue import CATALOGUE
from customer_risk.model.report.sections.explanations import section

replace = msgspec.structs.replace


def test_features_are_important_only_if_the_interval_excludes_zero(results, words_of):
    """The text names only features whose fall of average precision excludes 0."""
    sure = replace(results.importance[2], permutation=Interval(estimate=0.05, low=0.01, high=0.09))
    text = words_of(section(replace(results, importance=(*results.importance[:2], sure, *results.importance[3:]))))
    assert f"excludes 0, for {sure.feature}." in text


def test_the_text_says_that_no_single_feature_is_needed(results, words_of):
    """If every interval includes 0, the text names no feature."""
    assert "For each feature, the interval of the fall of average precision includes 0" in words_of(section(results))


def test_reason_codes_come_from_the_catalogue(results, words_of):
    """Each feature of the model has its code, the investigator's wording and the customer's."""
    known = next(feature for feature in CATALOGUE if feature.tips_off)
    text = words_of(section(replace(results, features=(known.name,))))
    assert f"{known.code} {known.name} | " in text
    assert f"{known.customer} neutral, so that it doesn't tip the customer off" in text
    assert "The feature could tip a customer off; its customer wording is neutral." in text


def test_a_feature_outside_the_catalogue_is_listed_without_a_wording(results, words_of):
    """A feature that isn't in the catalogue is listed without a wording."""
    assert "GAP_NOBODY gap_nobody | not in the catalogue" in words_of(
        section(replace(results, features=("gap_nobody",)))
    )


def test_features_left_out_have_a_reason(results, words_of):
    """The selection lists features that were left out, with the reason."""
    assert "weekend_share | no | 10% | adds nothing beside night_share" in words_of(section(results))
