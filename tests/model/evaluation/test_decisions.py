"""The comparison of strategies, and its sensitivity."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from customer_risk.model.config import load_config
from customer_risk.model.evaluation.decision_inputs import DecisionInputs, strategies
from customer_risk.model.evaluation.decisions import decide, segment_rows
from customer_risk.model.evaluation.intervals import make_draws
from customer_risk.model.policy.thresholds import Cuts, least_cost, loss_matrix_cuts
from customer_risk.model.training.comparison import FoldFit, OutOfFold
from customer_risk.model.training.procedure import Fitted
from customer_risk.model.training.splits import repeated_folds


class _Known:
    """A model with given margins."""

    names = ()

    def margins(self, table):
        raise NotImplementedError


@pytest.fixture(scope="module")
def costs():
    """The default loss matrix, with capacity for every review."""
    return msgspec.structs.replace(load_config().costs, reviews_per_week=10_000)


def _inputs(rate=None, seed=1, n=400):
    """Perfectly calibrated margins of 400 customers, in two repeats of four folds."""
    random = np.random.default_rng(seed)
    margins = random.normal(-2, 1.5, size=n)
    labels = random.random(n) < 1 / (1 + np.exp(-margins))
    ids = [f"c-{at}" for at in range(n)]
    fits = tuple(
        FoldFit(
            repeat, fold, labels[fold.train], Fitted(_Known(), 1.0, 0.0, margins[fold.train], 4), margins[fold.test]
        )
        for repeat, folds in enumerate(repeated_folds(ids, labels, folds=4, repeats=2, seed=1))
        for fold in folds
    )
    return DecisionInputs(OutOfFold(labels, fits, 2), rate, 20.0), 1 / (1 + np.exp(-margins))


def _decided(costs, rate=None):
    inputs, inner = _inputs(rate)
    return decide(inputs, costs, make_draws(400, 2, draws=50, confidence=0.9, seed=1), inner, "made up")


def test_every_strategy_is_compared_and_the_segments_ship(costs):
    """The strategies are segments, least cost, greatest F1, recall and no customer; the segments are shipped."""
    found = _decided(costs).strategies
    assert [one.key for one in found] == ["segments", "least_cost", "max_f1", "recall", "no_customer"]
    assert [one.key for one in found if one.shipped] == ["segments"]


def test_on_calibrated_probabilities_the_loss_matrix_loses_least(costs):
    """The loss matrix loses less than any other strategy, and flagging no customer loses most."""
    loss = {one.key: one.loss_per_customer.estimate for one in _decided(costs).strategies}
    assert min(loss, key=loss.get) == "segments"
    assert max(loss, key=loss.get) == "no_customer"


def test_the_cut_off_for_a_recall_reaches_about_that_recall(costs):
    """The cut-off chosen inside the folds for a recall of 0.7 finds about that share outside."""
    found = {one.key: one for one in _decided(costs).strategies}["recall"]
    assert found.recall.estimate == pytest.approx(0.7, abs=0.08)


def test_confusion_counts_add_up_to_the_customers(costs):
    """Each strategy's confusion holds every customer once."""
    for one in _decided(costs).strategies:
        cells = msgspec.to_builtins(one.confusion).values()
        assert sum(cells) == pytest.approx(400)


def test_thresholds_follow_from_the_loss_matrix(costs):
    """With capacity for every review, the shipped cut-offs are those of the loss matrix."""
    found = _decided(costs)
    assert Cuts(found.medium, found.high) == loss_matrix_cuts(costs)
    assert {one.key: one.threshold for one in found.strategies}["least_cost"] == least_cost(costs)


def test_capacity_is_explained(costs):
    """If the capacity raises Medium, the explanation says so."""
    found = _decided(msgspec.structs.replace(costs, reviews_per_week=2))
    assert found.medium > loss_matrix_cuts(costs).medium
    assert "2 reviews a week" in found.explanation


def test_a_given_portfolio_rate_replaces_the_samples(costs):
    """With a lower portfolio rate, fewer customers are flagged; flagging no customer loses the misses at that rate."""
    sample, portfolio = _decided(costs), _decided(costs, rate=0.02)
    share = [
        {one.key: one for one in found.strategies}["least_cost"].flagged_share.estimate for found in (sample, portfolio)
    ]
    assert share[1] < share[0]
    assert "2.0%" in portfolio.rate_source
    no_customer = {one.key: one for one in portfolio.strategies}["no_customer"]
    assert no_customer.loss_per_customer.estimate == pytest.approx(0.02 * costs.missed_risky)


def test_rates_move_the_cuts_down_as_risk_rises(costs):
    """At a higher true rate, the best cut-offs on the shown probability are lower and the loss is greater."""
    rows = _decided(costs).rate_sensitivity
    assert [row.risk_rate for row in rows] == sorted(row.risk_rate for row in rows)
    cuts = [row.high_cut for row in rows]
    assert cuts == sorted(cuts, reverse=True)
    own = next(row for row in rows if row.risk_rate == _decided(costs).sample_rate)
    assert own.high_cut == pytest.approx(loss_matrix_cuts(costs).high)


def test_costs_move_cuts_and_savings(costs):
    """A more expensive miss lowers the cut-offs and increases the savings; each cost is halved and doubled."""
    rows = {(row.cost, row.factor): row for row in _decided(costs).cost_sensitivity}
    assert rows["missed_risky", 2.0].high_cut < rows["missed_risky", 0.5].high_cut
    assert rows["missed_risky", 2.0].saved["segments"] > rows["missed_risky", 0.5].saved["segments"]
    assert {cost for cost, _ in rows} == {"missed_risky", "wrongly_flagged", "review"}


def test_the_decision_curve_starts_with_all_customers_flagged(costs):
    """At the lowest threshold the net benefit of the model is about that of flagging all; later it is greater."""
    curve = _decided(costs).decision_curve
    assert curve[0].model == pytest.approx(curve[0].everybody, abs=0.01)
    assert curve[30].model > curve[30].everybody


def test_segments_share_out_every_customer(costs):
    """Each customer is in one segment in each repeat, and the observed rate rises from Low to High."""
    inputs, _ = _inputs()
    rows, members = segment_rows(inputs, costs, Cuts(0.1, 0.4), 0.9)
    assert (members.sum(axis=0) == 1).all()
    rates = [row.observed_rate.estimate for row in rows]
    assert rates == sorted(rates)
    assert sum(row.share for row in rows) == pytest.approx(1)


def test_cut_offs_are_chosen_without_the_customers_judged(costs):
    """A strategy chooses its cut-offs on each training side only, without the test customers."""
    inputs, _ = _inputs()
    sizes = []

    def choose(labels, probabilities, weights):
        sizes.append((len(labels), len(probabilities), len(weights)))
        return strategies(costs, 20.0)["max_f1"](labels, probabilities, weights)

    inputs.flag(choose)
    assert set(sizes) == {(300, 300, 300)}
