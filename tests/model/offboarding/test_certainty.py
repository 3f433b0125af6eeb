"""How certain a score is."""

from __future__ import annotations

import numpy as np
import pytest

from customer_risk.model.offboarding.certainty import Certainty, certainties


def test_spread_is_that_of_the_resampled_models(scored):
    """Quantiles and the share of High equal those computed for one customer at a time."""
    bundle = scored.bundle
    values = scored.features.select(bundle.manifest.features).values[:20]
    for row, certainty in zip(values, certainties(bundle, values), strict=True):
        each = [float(bundle.manifest.calibration.probability(t.margins(row[None]))[0]) for t in bundle.resamples]
        assert certainty.models == len(each) == 5
        assert (certainty.low, certainty.high) == pytest.approx(tuple(np.quantile(each, [0.05, 0.95])))
        assert certainty.high_share == np.mean([p >= bundle.manifest.thresholds.high for p in each])


def test_no_customers_give_an_empty_list(scored):
    """An empty array of customers gives an empty list."""
    width = len(scored.bundle.manifest.features)
    assert certainties(scored.bundle, np.empty((0, width))) == []


def test_bundle_without_resamples_says_that_it_does_not_know():
    """Without resampled models, the text says that the certainty isn't known."""
    unknown = Certainty(models=0)
    assert not unknown.agreed
    assert "It is not known how certain the score is" in unknown.tell()


@pytest.mark.parametrize(("share", "agreed"), [(0.79, False), (0.8, True), (1.0, True)])
def test_models_agree_from_eight_in_ten_on(share, agreed):
    """A score is called uncertain if fewer than 80% of the resampled models say High."""
    certainty = Certainty(models=20, low=0.5, high=0.9, high_share=share)
    assert certainty.agreed is agreed
    assert certainty.tell().startswith("20 more models were fitted")
