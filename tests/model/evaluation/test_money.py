"""Costs and savings, computed by hand."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from customer_risk.model.config import Costs, load_config
from customer_risk.model.evaluation.money import net_benefit, worth

LABELS = np.array([True, True, True, False, False, False, False, False])
PROPOSED = np.array([True, False, False, True, False, False, False, False])
REVIEWED = np.array([False, True, False, False, True, False, False, False])


@pytest.fixture
def costs() -> Costs:
    """Round prices."""
    return msgspec.structs.replace(
        load_config().costs, missed_risky=1000.0, wrongly_flagged=200.0, review=50.0, review_catches=0.5
    )


def test_worth_by_hand(costs):
    """Loss, savings and return of two proposals and two reviews equal those computed by hand."""
    found = worth(LABELS, PROPOSED, REVIEWED, costs, np.ones((1, 8)))
    spent, avoided = 4 * 50 + 200, 1000 + 500
    assert found["loss"][0] == pytest.approx((3000 - avoided + spent) / 8)
    assert found["saved"][0] == pytest.approx((avoided - spent) / 8)
    assert found["roi"][0] == pytest.approx((avoided - spent) / spent)
    assert found["flagged_share"][0] == pytest.approx(2 / 8)
    assert found["analyst_share"][0] == pytest.approx(4 / 8)


def test_flagging_no_customer_costs_the_misses(costs):
    """Flagging no customer loses every risky customer, saves 0 and has no return."""
    none = np.zeros(8, dtype=bool)
    found = worth(LABELS, none, none, costs, np.ones((1, 8)))
    assert found["loss"][0] == pytest.approx(3000 / 8)
    assert found["saved"][0] == 0
    assert np.isnan(found["roi"][0])


def test_net_benefit_by_hand():
    """Two true positives and one false at a threshold of a fifth: (2 - 1/4) / 8 (Vickers & Elkin)."""
    p = np.array([0.9, 0.5, 0.1, 0.4, 0.0, 0.0, 0.0, 0.0])
    ours, everybody = net_benefit(LABELS, p, np.ones(8), 0.2)
    assert ours == pytest.approx((2 - 0.25) / 8)
    assert everybody == pytest.approx((3 - 5 * 0.25) / 8)


def test_halving_the_weight_of_risky_customers_halves_the_loss(costs):
    """Halving the weight of risky customers halves the possible loss."""
    none = np.zeros(8, dtype=bool)
    weights = np.where(LABELS, 0.5, 1.3)[None, :]
    assert worth(LABELS, none, none, costs, weights)["loss"][0] == pytest.approx(1500 / 8)
