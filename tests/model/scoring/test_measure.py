"""Where scoring meets the kernel."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from customer_risk.model.errors import InputError
from customer_risk.model.features import catalogue
from customer_risk.model.features.kernel import compute as kernel
from customer_risk.model.features.one import encode_customer
from customer_risk.model.scoring.measure import FeatureSettings, measure

SETTINGS = FeatureSettings(lookback_days=30, max_transactions=500, excluded_types=("MANUAL",))


def _transaction(day: int, amount: float = 10.0, kind: str = "CARDS") -> dict[str, object]:
    when = datetime(2024, 8, day, 12, tzinfo=UTC)
    return {
        "id": f"t-{day}", "state": "COMPLETED", "type": kind, "amount": amount, "currency": "EUR",
        "direction": "OUT", "created_at": when, "completed_at": when,
    }  # fmt: skip


def test_values_are_the_kernels_in_the_models_order():
    """Any choice of features, in any order."""
    names = ("out_sum", "transactions", "no_biometrics")
    transactions = [_transaction(1, 10.0), _transaction(2, 32.0)]
    values, warnings = measure(names, SETTINGS)({"has_biometrics": False}, transactions)
    encoded, _ = encode_customer({"has_biometrics": False}, transactions)
    whole = kernel.compute(encoded, SETTINGS.for_kernel())[0]
    np.testing.assert_array_equal(values, [whole[catalogue.NAMES.index(name)] for name in names])
    assert values.tolist() == [42.0, 2.0, 1.0]
    assert warnings == ()


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
    """Each of the three changes what counts."""
    transactions = [_transaction(1), _transaction(20), _transaction(21, kind="MANUAL")]
    values, _ = measure(("transactions",), settings)({}, transactions)
    assert values[0] == counted


def test_warnings_and_refusals_pass_through():
    """An unknown category warns, a wrong type is refused by name."""
    measured = measure(("transactions",), SETTINGS)
    assert [w.pointer for w in measured({"occupation": "WIZARD"}, [])[1]] == ["/profile/occupation"]
    with pytest.raises(InputError, match="/transactions/0/amount"):
        measured({}, [_transaction(1) | {"amount": "ten"}])
