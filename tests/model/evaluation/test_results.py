"""The content of `evaluation.json`."""

from __future__ import annotations

from customer_risk.model.evaluation.results import LOWER_IS_BETTER, METRICS


def test_lower_is_better_has_only_known_metrics():
    """Every metric of LOWER_IS_BETTER is in METRICS."""
    assert METRICS.keys() >= LOWER_IS_BETTER
