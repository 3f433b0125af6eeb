"""Cut-offs between the segments."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customer_risk.model.config import Costs, load_config
from customer_risk.model.errors import ConfigError
from customer_risk.model.policy import thresholds


@pytest.fixture
def costs() -> Costs:
    """The default loss matrix."""
    return load_config().costs


cases = st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=4, max_size=40).filter(
    lambda rows: any(label for _, label in rows)
)


def _arrays(rows):
    return np.array([score / 20 for score, _ in rows]), np.array([label for _, label in rows])


def _f1(labels, flagged):
    return 2 * (labels & flagged).sum() / (labels.sum() + flagged.sum())


@settings(max_examples=60, deadline=None)
@given(cases)
def test_max_f1_equals_trying_every_cut(rows):
    """No other cut-off gives a greater F1."""
    p, labels = _arrays(rows)
    cut = thresholds.max_f1(labels, p, np.ones(len(p)))
    best = max(_f1(labels, p >= other) for other in np.unique(p))
    assert _f1(labels, p >= cut) == pytest.approx(best)


@settings(max_examples=60, deadline=None)
@given(cases, st.floats(0.05, 1.0))
def test_recall_cut_is_the_highest_that_finds_enough(rows, least):
    """The cut-off finds the required share, and the next higher probability doesn't."""
    p, labels = _arrays(rows)
    cut = thresholds.recall_at_least(least, labels, p, np.ones(len(p)))
    found = (labels & (p >= cut)).sum() / labels.sum()
    assert found >= least - 1e-9
    higher = p[p >= cut].min()
    assert (labels & (p > higher)).sum() / labels.sum() < least


@settings(max_examples=60, deadline=None)
@given(cases, st.floats(0.0, 1.0))
def test_capacity_is_never_exceeded_and_always_used(rows, share):
    """At most the share reaches the cut-off; with one more group of equal probabilities it would be exceeded."""
    p, _ = _arrays(rows)
    cut = thresholds.within_capacity(share, p, np.ones(len(p)))
    reached = p >= cut
    assert reached.mean() <= share + 1e-9
    if not reached.all():
        assert (p >= p[~reached].max()).mean() > share - 1e-9


def test_least_cost_equals_pricing_both_choices(costs):
    """At the cut-off, flagging and not flagging cost the same; above it, flagging costs less."""
    cut = thresholds.least_cost(costs)
    for p, cheaper in ((cut - 0.01, False), (cut + 0.01, True)):
        flag = costs.review + (1 - p) * costs.wrongly_flagged
        assert (flag < p * costs.missed_risky) is cheaper


def test_loss_matrix_cuts_equal_pricing_three_actions(costs):
    """On a fine grid, the action of least cost changes exactly at the two cut-offs."""
    cuts = thresholds.loss_matrix_cuts(costs)
    grid = np.linspace(0.001, 0.999, 999)
    leave = grid * costs.missed_risky
    review = costs.review + grid * (1 - costs.review_catches) * costs.missed_risky
    propose = costs.review + (1 - grid) * costs.wrongly_flagged
    best = np.argmin([leave, review, propose], axis=0)
    expected = np.where(grid < cuts.medium, 0, np.where(grid < cuts.high, 1, 2))
    off_the_cuts = np.minimum(np.abs(grid - cuts.medium), np.abs(grid - cuts.high)) > 1e-9
    assert (best == expected)[off_the_cuts].all()


def test_pointless_costs_are_refused(costs):
    """Costs with which a review never costs the least are refused by name."""
    with pytest.raises(ConfigError, match=r"costs\.missed_risky"):
        thresholds.loss_matrix_cuts(msgspec.structs.replace(costs, review=5000))


def test_review_capacity_raises_medium(costs):
    """With few reviews a week, Medium is raised until the expected number of customers fits."""
    p = np.linspace(0, 0.9, 100)
    labels = p > 0.5
    few = msgspec.structs.replace(costs, reviews_per_week=5)
    cuts = thresholds.segment_cuts(few, p, labels, np.ones(100), per_week=50)
    assert (p >= cuts.medium).mean() == pytest.approx(0.1)


def test_high_is_never_below_medium(costs):
    """With almost no capacity, Medium rises above High, and High rises with it."""
    p = np.linspace(0, 0.9, 100)
    none = msgspec.structs.replace(costs, reviews_per_week=0)
    cuts = thresholds.segment_cuts(none, p, p > 0.5, np.ones(100), per_week=50)
    assert cuts.high >= cuts.medium > 0.9


@pytest.mark.parametrize(("strategy", "expected"), [("max_f1", 0.5), ("least_cost", None), ("recall", 0.7)])
def test_the_configured_strategy_decides_high(costs, strategy, expected):
    """The configured strategy determines High, and Medium is never above High."""
    p = np.round(np.linspace(0, 1, 101), 2)
    labels = p >= 0.5
    chosen = msgspec.structs.replace(costs, strategy=strategy, least_recall=0.6, reviews_per_week=1000)
    cuts = thresholds.segment_cuts(chosen, p, labels, np.ones(101), per_week=50)
    assert cuts.high == pytest.approx(expected or thresholds.least_cost(costs), abs=0.011)
    assert cuts.medium <= cuts.high


def test_weights_count_as_repeated_customers():
    """A customer of weight three counts as three customers."""
    p, labels = np.array([0.1, 0.4, 0.6, 0.9]), np.array([False, True, False, True])
    weights = np.array([3.0, 1.0, 2.0, 1.0])
    repeated = np.repeat(np.arange(4), weights.astype(int))
    assert thresholds.max_f1(labels, p, weights) == thresholds.max_f1(labels[repeated], p[repeated], np.ones(7))
