"""Calibration: from the margin to the probability."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from customer_risk.model.errors import BundleError
from customer_risk.model.scoring.calibration import Calibration, sigmoid


def test_probability_is_the_sigmoid_of_the_calibrated_margin():
    """The probability is the sigmoid of slope, intercept and shift."""
    probability = Calibration(0.8, -0.3, -1.0).probability(np.array([0.0, 2.0]))
    np.testing.assert_allclose(probability, [1 / (1 + math.exp(1.3)), 1 / (1 + math.exp(-0.3))])


def test_a_shift_turns_one_risk_rate_into_another():
    """Shifting by the difference of log-odds maps the sample's rate to the portfolio's."""
    shift = math.log(0.02 / 0.98) - math.log(0.16 / 0.84)
    margin = math.log(0.16 / 0.84)
    assert Calibration(shift=shift).probability(np.array([margin]))[0] == pytest.approx(0.02)


def test_log_odds_are_those_of_the_probability():
    """The log-odds are those of the probability."""
    calibration, margins = Calibration(1.7, 0.2, -0.4), np.linspace(-5, 5, 11)
    probability = calibration.probability(margins)
    np.testing.assert_allclose(calibration.log_odds(margins), np.log(probability / (1 - probability)))


@pytest.mark.parametrize(("z", "probability"), [(0.0, 0.5), (1e4, 1.0), (-1e4, 0.0), (-700.0, math.exp(-700))])
def test_sigmoid_never_overflows(z, probability):
    """Extreme log-odds give 0 and 1."""
    assert sigmoid(z) == pytest.approx(probability, rel=1e-12)


def test_a_margin_has_one_probability_at_any_place():
    """A margin has the same probability at each place in an array."""
    calibration, margins = Calibration(1.1, 0.3), np.random.default_rng(0).normal(size=101)
    together = calibration.probability(margins)
    assert together.tolist() == [calibration.probability(margins[i : i + 1])[0] for i in range(101)]


@pytest.mark.parametrize(
    "numbers", [(0.0, 0, 0), (-1.0, 0, 0), (math.nan, 0, 0), (1.0, math.inf, 0), (1.0, 0, -math.inf)]
)
def test_a_calibration_that_cannot_be_used_is_refused(numbers):
    """Numbers that aren't finite and slopes that reverse the risk are refused."""
    with pytest.raises(BundleError, match="calibration can't be used"):
        Calibration(*numbers)


def test_a_calibration_read_from_json_is_checked_too():
    """A calibration in JSON is checked too."""
    with pytest.raises(BundleError, match="calibration can't be used"):
        msgspec.json.decode(b'{"slope": -2.0}', type=Calibration)
