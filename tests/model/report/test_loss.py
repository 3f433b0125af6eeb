"""Expected loss for each cut-off, against brute force."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from customer_risk.model.report.loss import carried_over, expected_loss


@pytest.mark.parametrize("rate", [None, 0.02])
def test_the_loss_of_each_cut_off_equals_counting_customers(results, rate):
    """At any risk rate, the loss equals the weighted sum of the customers' costs."""
    rate = results.decisions.sample_rate if rate is None else rate
    held = msgspec.structs.replace(results, decisions=msgspec.structs.replace(results.decisions, portfolio_rate=rate))
    curve = expected_loss(held, points=11)
    labels, costs = np.array(results.labels), results.decisions.costs
    moved = carried_over(np.array(results.contenders[0].probabilities), sample=results.decisions.sample_rate, rate=rate)
    for cut, loss in zip(curve.cuts, curve.loss, strict=True):
        total = 0.0
        for row in moved:
            for risky, probability in zip(labels, row, strict=True):
                weight = rate / labels.sum() if risky else (1 - rate) / (~labels).sum()
                cost = costs["review"] + (0 if risky else costs["wrongly_flagged"])
                total += weight * (cost if probability >= cut else costs["missed_risky"] * risky)
        assert loss == pytest.approx(total / len(moved))
    assert curve.no_customer == pytest.approx(costs["missed_risky"] * rate)


def test_the_odds_of_shifted_probabilities_follow_the_rates():
    """Moving a probability to another risk rate multiplies its odds by the ratio of the rates' odds."""
    moved = carried_over(np.array([0.3]), sample=0.16, rate=0.02)
    assert moved[0] / (1 - moved[0]) == pytest.approx(0.3 / 0.7 * (0.02 / 0.98) / (0.16 / 0.84))


def test_the_same_rate_changes_no_probability():
    """At the sample's rate the probabilities don't change."""
    assert carried_over(np.array([0.1, 0.9]), sample=0.2, rate=0.2) == pytest.approx([0.1, 0.9])


def test_the_loss_of_a_cut_off_is_that_of_the_nearest_one(results):
    """The loss of a cut-off is that of the nearest one on the curve."""
    curve = expected_loss(results, points=11)
    assert curve.at(0.32) == curve.loss[3]
