"""Decisions."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from customer_risk.model.errors import InputError
from customer_risk.model.features.one import InputWarning
from customer_risk.model.scoring.calibration import Calibration
from customer_risk.model.scoring.explainer import Explainer
from customer_risk.model.scoring.scorer import Scorer
from customer_risk.model.scoring.segments import Thresholds


@pytest.fixture
def make(grow, features):
    """Make a scorer of random trees on the three features."""

    def made(measure=None, **options) -> Scorer:
        trees = grow(np.random.default_rng(6), trees=8, depth=4, features=3)
        return Scorer(
            Explainer(trees), Calibration(0.7, -0.4, -0.5), Thresholds(0.2, 0.5), features, measure, **options
        )

    return made


@pytest.fixture
def rows(draw) -> np.ndarray:
    """Forty customers' values."""
    return draw(np.random.default_rng(7), 40, 3)


def test_base_and_contributions_are_the_shown_probabilitys_log_odds(make, rows):
    """They are calibrated: what the answer shows adds up to the probability that it shows."""
    scorer = make()
    scores = scorer.score(rows)
    log_odds = np.log(scores.probability / (1 - scores.probability))
    np.testing.assert_allclose(scorer.base + scores.contributions.sum(axis=1), log_odds, atol=1e-12)


def test_margins_are_the_trees_own(make, rows):
    """Before calibration."""
    scorer = make()
    scores = scorer.score(rows)
    np.testing.assert_array_equal(scores.margin, scorer.explainer.margins(rows))
    np.testing.assert_array_equal(scores.probability, scorer.calibration.probability(scores.margin))


def test_segments_follow_from_the_probabilities(make, rows):
    """All three occur among these customers."""
    scores = make().score(rows)
    expected = ["high" if p >= 0.5 else "medium" if p >= 0.2 else "low" for p in scores.probability]
    assert scores.segment == expected
    assert set(expected) == {"low", "medium", "high"}


def test_one_decision_is_the_batchs_to_the_bit(make, rows):
    """Probability, segment and contributions of one customer are those of their row."""
    scorer = make()
    scores = scorer.score(rows)
    for place, row in enumerate(rows):
        decision = scorer.decide_values(row)
        assert decision.probability == scores.probability[place]
        assert decision.segment == scores.segment[place]
        assert decision.reasons == scorer.reasons(row, scores.contributions[place], scores.segment[place])


def test_a_decision_names_the_segments_action(make, rows):
    """Nothing else decides it."""
    decisions = [make().decide_values(row) for row in rows]
    pairs = {(decision.segment, decision.action) for decision in decisions}
    assert pairs == {("low", "none"), ("medium", "review"), ("high", "propose_off_boarding")}


def test_a_decision_holds_the_values_it_rests_on(make):
    """None where a value is missing, so that it is JSON."""
    decision = make().decide_values(np.array([1250.0, np.nan, 1.0]))
    assert decision.features == {"in_sum": 1250.0, "passed_share": None, "kyc_incomplete": 1.0}
    assert msgspec.json.decode(msgspec.json.encode(decision))["features"]["passed_share"] is None


def test_a_profile_and_transactions_are_measured_and_decided_on(make):
    """What measuring warned of is in the decision."""
    warning = InputWarning("UNKNOWN_CATEGORY", "/profile/occupation", "not known")

    def measure(profile, transactions):
        return np.array([float(len(transactions)), np.nan, profile["kyc"]]), (warning,)

    scorer = make(measure)
    decision = scorer.decide({"kyc": 1.0}, [{}, {}])
    assert decision.features == {"in_sum": 2.0, "passed_share": None, "kyc_incomplete": 1.0}
    assert decision.warnings == (warning,)
    assert decision.probability == scorer.decide_features(decision.features).probability


def test_a_scorer_of_values_alone_cannot_measure(make):
    """A programming error, not the caller's."""
    with pytest.raises(TypeError, match="without `measure`"):
        make().decide({}, [])


def test_the_number_of_reasons_can_be_chosen(make, rows):
    """Five unless told otherwise."""
    assert max(len(make(reasons=1).decide_values(row).reasons) for row in rows) == 1
    assert max(len(make().decide_values(row).reasons) for row in rows) > 1


@pytest.mark.parametrize("value", [True, "1", math.nan, math.inf, [1.0], pytest.param(10**400, id="too great")])
def test_a_feature_that_is_no_finite_number_is_named(make, value):
    """By a JSON pointer into the request."""
    with pytest.raises(InputError) as caught:
        make().decide_features({"in_sum": value, "passed_share": None, "kyc_incomplete": 0})
    assert [field.pointer for field in caught.value.fields] == ["/features/in_sum"]


def test_unknown_and_absent_features_are_all_named(make):
    """Every one at once; an absent one isn't taken for missing in silence."""
    with pytest.raises(InputError) as caught:
        make().decide_features({"in_sum": 1.0, "shoe_size": 44, "a/b~c": 1})
    assert {field.pointer for field in caught.value.fields} == {
        "/features/shoe_size",
        "/features/a~1b~0c",
        "/features/passed_share",
        "/features/kyc_incomplete",
    }
