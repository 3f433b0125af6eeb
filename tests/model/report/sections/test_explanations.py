"""Explanations: importance with intervals, and reason codes in both wordings."""

from __future__ import annotations

import msgspec

from customer_risk.model.evaluation.results import Interval
from customer_risk.model.features.catalogue import CATALOGUE
from customer_risk.model.report.sections.explanations import section

replace = msgspec.structs.replace


def test_features_are_called_important_only_where_the_interval_excludes_zero(results, words_of):
    """A feature is named as one the model needs only where its fall of average precision excludes 0."""
    sure = replace(results.importance[2], permutation=Interval(estimate=0.05, low=0.01, high=0.09))
    text = words_of(section(replace(results, importance=(*results.importance[:2], sure, *results.importance[3:]))))
    assert f"excludes 0, for {sure.feature}." in text


def test_where_no_feature_is_needed_alone_that_is_said(results, words_of):
    """Where every interval covers 0, no feature is named."""
    assert "For each feature, the interval of the fall of average precision includes 0" in words_of(section(results))


def test_reason_codes_come_from_the_catalogue(results, words_of):
    """Each feature of the model has its code, the investigator's wording and the customer's."""
    known = next(feature for feature in CATALOGUE if feature.tips_off)
    text = words_of(section(replace(results, features=(known.name,))))
    assert f"{known.code} {known.name} | " in text
    assert f"{known.customer} neutral, in order not to tip off" in text
    assert "The feature could tip a customer off; its customer wording is neutral." in text


def test_a_feature_that_the_catalogue_does_not_know_is_said_to_be(results, words_of):
    """A feature of another catalogue is listed without a wording."""
    assert "GAP_NOBODY gap_nobody | not in the catalogue" in words_of(
        section(replace(results, features=("gap_nobody",)))
    )


def test_features_left_out_say_why(results, words_of):
    """The selection lists what wasn't kept, with the reason."""
    assert "weekend_share | no | 10% | adds nothing beside night_share" in words_of(section(results))
