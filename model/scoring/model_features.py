"""The features of a bundle's model for one customer, computed by the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from customer_risk.model.features import catalogue
from customer_risk.model.features.kernel import compute as kernel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from customer_risk.model.features.encoded import Encoded

_DAY_US = 86_400_000_000


class FeatureSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The manifest's settings of the kernel, with the look-back in days."""

    lookback_days: int
    max_transactions: int
    excluded_types: tuple[str, ...]

    def for_kernel(self) -> kernel.Settings:
        """Return the settings in the kernel's units."""
        return kernel.Settings(self.lookback_days * _DAY_US, self.max_transactions, self.excluded_types)


class ModelFeatures:
    """Computes the features `names`, in this order, with `settings`."""

    def __init__(self, names: Sequence[str], settings: FeatureSettings) -> None:
        self.names = tuple(names)
        self._settings = settings.for_kernel()
        self._columns = np.array([catalogue.NAMES.index(name) for name in names], np.int64)

    def compute(self, encoded: Encoded) -> NDArray[np.float64]:
        """Return the values of the one customer in `encoded`: float64[f], NaN where missing."""
        values: NDArray[np.float64] = kernel.compute(encoded, self._settings)[0].take(self._columns)
        return values
