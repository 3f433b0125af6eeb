"""The learning curve."""

from __future__ import annotations

from customer_risk.model.training import learning_curve


def test_the_learning_curve_trains_on_growing_shares(study):
    """Each point is trained on more customers of both labels, and tested on all test customers."""
    ticks = []
    points = learning_curve.learning_curve(study, lambda: ticks.append(1))
    assert len(ticks) == len(learning_curve.SIZES) * study.folds * study.repeats
    assert [round(point.customers / points[-1].customers, 1) for point in points] == list(learning_curve.SIZES)
    assert [point.suspended for point in points] == sorted(point.suspended for point in points)
