"""Balances few suspended customers: by weights, repeated rows or invented rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from sklearn.neighbors import NearestNeighbors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

Weighting = Literal["mild", "full", "none", "repeat", "invent"]

NEIGHBOURS = 5


def balanced(values: Floats, suspended: Flags, how: Weighting, seed: int) -> tuple[Floats, Flags, float]:
    """Return rows, labels and the weight of a suspended customer.

    values float64[n, f], suspended bool[n]. "full" gives both labels the same total weight. "mild" uses the square root
    of that weight, because a full weight lets few customers decide every split. "repeat" draws suspended rows again.
    "invent" adds rows between neighbours (SMOTE, Chawla et al. 2002), which belong to no customer.
    """
    positives, negatives = int(suspended.sum()), int((~suspended).sum())
    if how in {"mild", "full"}:
        return values, suspended, (negatives / positives) ** (0.5 if how == "mild" else 1.0)
    lacking = negatives - positives
    if how == "none" or lacking <= 0:
        return values, suspended, 1.0
    random = np.random.default_rng(seed)
    minority = values[suspended]
    added = (
        minority[random.integers(positives, size=lacking)] if how == "repeat" else _invent(minority, lacking, random)
    )
    return np.vstack([values, added]), np.append(suspended, np.ones(lacking, dtype=np.bool_)), 1.0


def _invent(minority: Floats, count: int, random: np.random.Generator) -> Floats:
    """Return rows between a row and one of its nearest neighbours; a value that is missing in one stays missing."""
    if len(minority) == 1:
        return np.repeat(minority, count, axis=0)
    filled = np.nan_to_num(minority)
    spread = filled.std(axis=0)
    filled /= np.where(spread > 0, spread, 1.0)
    neighbours = min(NEIGHBOURS, len(minority) - 1)
    near = NearestNeighbors(n_neighbors=neighbours).fit(filled).kneighbors(return_distance=False)
    start = random.integers(len(minority), size=count)
    end = near[start, random.integers(near.shape[1], size=count)]
    share = random.random((count, 1))
    return np.asarray((1 - share) * minority[start] + share * minority[end], dtype=np.float64)
