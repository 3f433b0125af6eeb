"""The distributions in reference.json."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from customer_risk.model.features.frame import FeatureTable
from customer_risk.model.scoring.segments import Thresholds
from customer_risk.model.training.reference import FEWEST, borders, reference


def _decoded(values, weights=None):
    n = len(values)
    table = FeatureTable(tuple(map(str, range(n))), ("f",), np.asarray(values, dtype=float)[:, None])
    p = np.linspace(0, 1, n)
    data = reference(
        table, {"f": "EUR"}, p, np.ones(n) if weights is None else weights, Thresholds(medium=0.5, high=0.8)
    )
    return msgspec.json.decode(data)


def test_shares_of_bins_add_up():
    """Each feature's shares add up to 1, and missing values have their own share of all."""
    found = _decoded([*np.random.default_rng(0).random(90), *[np.nan] * 10])["features"]["f"]
    assert sum(found["shares"]) == pytest.approx(1)
    assert len(found["shares"]) == len(found["edges"]) + 1
    assert found["missing"] == pytest.approx(0.1)


@pytest.mark.parametrize("kind", ["continuous", "counts", "mostly zero", "two values", "few customers"])
def test_no_bin_identifies_a_person(kind):
    """Every bin has at least five customers."""
    random = np.random.default_rng(1)
    values = {
        "continuous": random.lognormal(size=200),
        "counts": random.poisson(2, size=200).astype(float),
        "mostly zero": np.where(random.random(200) < 0.9, 0.0, random.random(200)),
        "few customers": random.random(23),
        "two values": (random.random(200) < 0.5).astype(float),
    }[kind]
    edges = borders(values)
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    assert counts.min() >= FEWEST


def test_borders_are_rounded():
    """A border has three significant digits, so it isn't a customer's exact amount."""
    for edge in borders(np.random.default_rng(2).lognormal(8, 1, size=500)).tolist():
        assert edge == float(f"{edge:.3g}")


def test_few_values_have_one_bin():
    """Under ten values there is one open bin."""
    assert borders(np.arange(9.0)).size == 0


def test_segments_follow_the_thresholds_and_weights():
    """The shares of segments are those of weighted customers."""
    found = _decoded(np.arange(101.0), weights=np.where(np.linspace(0, 1, 101) >= 0.8, 0.0, 1.0))["segments"]
    assert found["high"] == 0
    assert found["low"] + found["medium"] == pytest.approx(1)
