"""Histograms of features by label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from customer_risk.model.evaluation.metrics import auc_of_feature
from customer_risk.model.evaluation.results import Distribution

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from customer_risk.model.features.feature import Feature

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

BINS = 20
LONG_TAIL = 8.0  # ratio of the 95th percentile to the median above which the scale is logarithmic


def distribution(feature: Feature, values: Floats, suspended: Flags) -> Distribution:
    """Bin one feature: values float64[n] (NaN is missing), suspended bool[n]."""
    known = values[~np.isnan(values)]
    log_scale = _long_tailed(known)
    edges = _edges(known, log_scale=log_scale)
    active, risky = values[~suspended], values[suspended]
    return Distribution(
        feature=feature.name,
        unit=feature.unit,
        direction=feature.direction,
        formula=feature.formula,
        log_scale=log_scale,
        edges=tuple(edges.tolist()),
        active=_counts(active, edges),
        suspended=_counts(risky, edges),
        missing_active=int(np.isnan(active).sum()),
        missing_suspended=int(np.isnan(risky).sum()),
        median_active=_median(active),
        median_suspended=_median(risky),
        auc=auc_of_feature(suspended, values) if suspended.any() and not suspended.all() else None,
    )


def _long_tailed(known: Floats) -> bool:
    sizes = np.abs(known[known != 0])
    return sizes.size > 0 and float(np.quantile(sizes, 0.95)) > LONG_TAIL * float(np.median(sizes))


def _edges(known: Floats, *, log_scale: bool) -> Floats:
    """Return ascending borders around all values, evenly spaced, on sign(x) log(1 + |x|) if `log_scale`."""
    if known.size == 0:
        return np.array([0.0, 1.0])
    low, high = float(known.min()), float(known.max())
    if low == high:
        return np.array([low - 0.5, high + 0.5])
    if not log_scale:
        return np.linspace(low, high, BINS + 1)
    squeezed = np.linspace(np.sign(low) * np.log1p(abs(low)), np.sign(high) * np.log1p(abs(high)), BINS + 1)
    edges = np.sign(squeezed) * np.expm1(np.abs(squeezed))
    edges[0], edges[-1] = low, high
    return edges


def _counts(values: Floats, edges: Floats) -> tuple[int, ...]:
    return tuple(int(count) for count in np.histogram(values[~np.isnan(values)], bins=edges)[0])


def _median(values: Floats) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if known.size else None
