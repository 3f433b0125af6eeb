"""Verdicts."""

from __future__ import annotations

import numpy as np
import pytest

from customer_risk.model.scoring.calibration import Calibration
from customer_risk.model.scoring.explainer import Explainer
from customer_risk.model.scoring.scorer import Scorer
from customer_risk.model.scoring.segments import Thresholds


@pytest.fixture
def make(grow, features):
    """Make a scorer of random trees on the three features."""

    def made(**options) -> Scorer:
        trees = grow(np.random.default_rng(6), trees=8, depth=4, features=3)
        return Scorer(Explainer(trees), Calibration(0.7, -0.4, -0.5), Thresholds(0.2, 0.5), features, **options)

    return made


@pytest.fixture
def rows(draw) -> np.ndarray:
    """Forty customers' values."""
    return draw(np.random.default_rng(7), 40, 3)


def test_base_and_contributions_add_up_to_the_log_odds(make, rows):
    """The base and the contributions add up to the log-odds of the shown probability."""
    scorer = make()
    scores = scorer.score(rows)
    log_odds = np.log(scores.probability / (1 - scores.probability))
    np.testing.assert_allclose(scorer.base + scores.contributions.sum(axis=1), log_odds, atol=1e-12)


def test_margins_are_not_calibrated(make, rows):
    """The margins of scores are not calibrated."""
    scorer = make()
    scores = scorer.score(rows)
    np.testing.assert_array_equal(scores.margin, scorer.explainer.margins(rows))
    np.testing.assert_array_equal(scores.probability, scorer.calibration.probability(scores.margin))


def test_segments_follow_from_the_probabilities(make, rows):
    """The segments follow from the probabilities."""
    scores = make().score(rows)
    expected = ["high" if p >= 0.5 else "medium" if p >= 0.2 else "low" for p in scores.probability]
    assert scores.segment == expected
    assert set(expected) == {"low", "medium", "high"}


def test_a_verdict_equals_its_row_in_the_batch_to_the_bit(make, rows):
    """Probability, segment and contributions of one customer are those of their row."""
    scorer = make()
    scores = scorer.score(rows)
    for place, row in enumerate(rows):
        verdict = scorer.judge(row)
        assert verdict.probability == scores.probability[place]
        assert verdict.segment == scores.segment[place]
        assert verdict.reasons == scorer.reasons(row, scores.contributions[place], scores.segment[place])


def test_a_verdict_names_the_segments_action(make, rows):
    """Without an action rule, the segment decides the action."""
    verdicts = [make().judge(row) for row in rows]
    pairs = {(verdict.segment, verdict.action) for verdict in verdicts}
    assert pairs == {("low", "none"), ("medium", "review"), ("high", "propose_off_boarding")}


def test_the_number_of_reasons_can_be_chosen(make, rows):
    """The number of reasons can be chosen; it is five by default."""
    assert max(len(make(reasons=1).judge(row).reasons) for row in rows) == 1
    assert max(len(make().judge(row).reasons) for row in rows) > 1
