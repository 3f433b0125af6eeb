"""The reference for drift: the distributions of the training customers, as shares of bins without customers' values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from customer_risk.model.scoring.segments import SEGMENTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from customer_risk.model.features.frame import FeatureTable
    from customer_risk.model.scoring.segments import Thresholds

    Floats = NDArray[np.float64]

BINS = 10
FEWEST = 5  # customers in a bin: fewer could identify a customer
DIGITS = 3  # significant digits of a border, so that it isn't the exact value of a customer


def reference(
    table: FeatureTable, units: dict[str, str], probabilities: Floats, weights: Floats, thresholds: Thresholds
) -> bytes:
    """Return reference.json.

    table  the model's features of n customers; probabilities  float64[n], out of fold, at the portfolio's risk rate;
    weights  float64[n], which give the sample the portfolio's risk rate. A bin includes its lower border; the first and
    the last bin are open. `shares` are of the customers with a value, `missing` of all customers.
    """
    segment = [thresholds.segment_of(p) for p in probabilities.tolist()]
    total = float(weights.sum())
    return msgspec.json.format(
        msgspec.json.encode(
            {
                "customers": len(table.ids),
                "features": {
                    name: {"unit": units[name], **_described(table.values[:, at], weights)}
                    for at, name in enumerate(table.names)
                },
                "probability": _described(probabilities, weights),
                "segments": {
                    one: float(weights[[found == one for found in segment]].sum()) / total for one in SEGMENTS
                },
            }
        ),
        indent=1,
    )


def borders(known: Floats) -> Floats:
    """Return the ascending inner borders of at most BINS bins with about equal counts of at least FEWEST customers."""
    if known.size < 2 * FEWEST:
        return np.empty(0)
    candidates = np.unique([_rounded(edge) for edge in np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1]).tolist()])
    kept: list[float] = []
    for edge in candidates.tolist():
        above_last = known >= kept[-1] if kept else np.ones(known.size, dtype=np.bool_)
        if (above_last & (known < edge)).sum() >= FEWEST and (known >= edge).sum() >= FEWEST:
            kept.append(edge)
    return np.array(kept)


def _described(values: Floats, weights: Floats) -> dict[str, Any]:
    gone = np.isnan(values)
    edges = borders(values[~gone])
    counts = np.bincount(
        np.searchsorted(edges, values[~gone], side="right"), weights=weights[~gone], minlength=len(edges) + 1
    )
    total = counts.sum()
    return {
        "edges": edges.tolist(),
        "shares": (counts / total if total > 0 else counts).tolist(),
        "missing": float(weights[gone].sum() / weights.sum()),
    }


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
