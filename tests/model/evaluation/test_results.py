"""What `evaluation.json` holds."""

from __future__ import annotations

from customer_risk.model.evaluation.results import LOWER_IS_BETTER, METRICS


def test_lower_is_better_names_metrics():
    """Every metric of which less is better is one of the metrics."""
    assert METRICS.keys() >= LOWER_IS_BETTER
