"""The features of a bundle's model."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from customer_risk.model.features import catalogue
from customer_risk.model.features.kernel import compute as kernel
from customer_risk.model.scoring.model_features import FeatureSettings, ModelFeatures
from tests.model.features.encoding import encode_customer

SETTINGS = FeatureSettings(lookback_days=30, max_transactions=500, excluded_types=("MANUAL",))


def _transaction(day: int, amount: float = 10.0, kind: str = "CARDS") -> dict[str, object]:
    when = datetime(2024, 8, day, 12, tzinfo=UTC)
    return {
        "id": f"t-{day}", "state": "COMPLETED", "type": kind, "amount": amount, "direction": "OUT", "created_at": when,
        "completed_at": when,
    }  # fmt: skip


def test_values_are_in_the_models_order():
    """The values are the kernel's, for any features in any order."""
    names = ("out_sum", "transactions", "no_biometrics")
    encoded = encode_customer({"has_biometrics": False}, [_transaction(1, 10.0), _transaction(2, 32.0)])
    values = ModelFeatures(names, SETTINGS).compute(encoded)
    whole = kernel.compute(encoded, SETTINGS.for_kernel())[0]
    np.testing.assert_array_equal(values, [whole[catalogue.NAMES.index(name)] for name in names])
    assert values.tolist() == [42.0, 2.0, 1.0]


@pytest.mark.parametrize(
    ("settings", "counted"),
    [
        (SETTINGS, 2.0),
        (FeatureSettings(lookback_days=3, max_transactions=500, excluded_types=("MANUAL",)), 1.0),
        (FeatureSettings(lookback_days=30, max_transactions=1, excluded_types=("MANUAL",)), 1.0),
        (FeatureSettings(lookback_days=30, max_transactions=500, excluded_types=("CARDS",)), 1.0),
    ],
    ids=["all", "look-back", "most transactions", "excluded types"],
)
def test_the_manifests_settings_reach_the_kernel(settings, counted):
    """Each setting changes which transactions are counted."""
    encoded = encode_customer({}, [_transaction(1), _transaction(20), _transaction(21, kind="MANUAL")])
    assert ModelFeatures(("transactions",), settings).compute(encoded)[0] == counted
