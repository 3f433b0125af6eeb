"""The procedure trained on growing numbers of customers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from customer_risk.model.evaluation.intervals import make_draws
from customer_risk.model.training import learning_curve
from customer_risk.model.training.study import Study


@pytest.fixture
def study(learnable, small) -> Study:
    """The learnable customers, joining one a day; the last five never."""
    n = len(learnable.suspended)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    return Study(
        table=learnable.table,
        suspended=learnable.suspended,
        joined=tuple(start + timedelta(days=at) if at < n - 5 else None for at in range(n)),
        directions={},
        config=small,
        folds=2,
        draws=make_draws(n, small.evaluation.repeats, draws=40, confidence=0.9, seed=1),
    )


def test_the_learning_curve_trains_on_growing_shares(study):
    """Each point trains on more customers of both labels, and is measured on all who were held out."""
    ticks = []
    points = learning_curve.learning_curve(study, lambda: ticks.append(1))
    assert len(ticks) == len(learning_curve.SIZES) * study.folds * study.repeats
    assert [round(point.customers / points[-1].customers, 1) for point in points] == list(learning_curve.SIZES)
    assert [point.suspended for point in points] == sorted(point.suspended for point in points)
