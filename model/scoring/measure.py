"""The features of one customer, as a bundle's model takes them: where scoring meets the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from customer_risk.model.features import catalogue
from customer_risk.model.features.kernel import compute as kernel
from customer_risk.model.features.one import InputWarning, encode_customer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from customer_risk.model.scoring.scorer import Measure

_DAY_US = 86_400_000_000


class FeatureSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How features are computed, as the manifest holds it: the kernel's settings, the look-back in days."""

    lookback_days: int
    max_transactions: int
    excluded_types: tuple[str, ...]

    def for_kernel(self) -> kernel.Settings:
        """Give them in the kernel's units."""
        return kernel.Settings(self.lookback_days * _DAY_US, self.max_transactions, self.excluded_types)


def measure(names: Sequence[str], settings: FeatureSettings) -> Measure:
    """Make the function from a profile and transactions to the values of `names` (float64[f]) and warnings."""
    columns = np.array([catalogue.NAMES.index(name) for name in names], np.int64)
    kernel_settings = settings.for_kernel()

    def values_of(
        profile: Mapping[str, object], transactions: Sequence[Mapping[str, object]]
    ) -> tuple[NDArray[np.float64], tuple[InputWarning, ...]]:
        encoded, warnings = encode_customer(profile, transactions)
        return kernel.compute(encoded, kernel_settings)[0, columns], warnings

    return values_of
