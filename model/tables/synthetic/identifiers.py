"""Random UUIDs, and the mark of synthetic customers."""

from __future__ import annotations

import numpy as np
import polars as pl

# The third group of each synthetic customer's id. The bits of a UUID of version 8 can be chosen freely (RFC 9562). No
# bank's ids have this group in every row. Every file format preserves the mark.
MARK = "8fab"
_MARKED = rf"^[0-9a-f]{{8}}-[0-9a-f]{{4}}-{MARK}-[0-9a-f]{{4}}-[0-9a-f]{{12}}$"
_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_PLACES = np.array([place for place in range(36) if place not in {8, 13, 18, 23}])


def uuids(random: np.random.Generator, n: int) -> pl.Series:
    """Return `n` version-4 UUIDs as text, made from `random` alone."""
    raw = random.integers(0, 256, size=(n, 16), dtype=np.uint8)
    raw[:, 6] = (raw[:, 6] & 0x0F) | 0x40  # the version
    raw[:, 8] = (raw[:, 8] & 0x3F) | 0x80  # the variant
    digits = np.empty((n, 32), dtype=np.uint8)
    digits[:, 0::2] = _HEX[raw >> 4]
    digits[:, 1::2] = _HEX[raw & 0x0F]
    text = np.full((n, 37), ord("-"), dtype=np.uint8)
    text[:, _PLACES] = digits
    text[:, 36] = ord("\n")
    if n == 0:
        return pl.Series(dtype=pl.String)
    return pl.Series([text.tobytes()[:-1].decode("ascii")]).str.split("\n").explode()  # faster than a Python loop


def customer_ids(random: np.random.Generator, n: int) -> pl.Series:
    """Return `n` ids of synthetic customers: UUIDs of version 8 with the mark."""
    ids = uuids(random, n)
    return ids.str.slice(0, 14) + MARK + ids.str.slice(18)


def are_synthetic(ids: pl.Series) -> bool:
    """Return whether all of these ids have the mark of synthetic customers; False without ids."""
    known = ids.drop_nulls().cast(pl.String).str.to_lowercase()
    return not known.is_empty() and bool(known.str.contains(_MARKED).all())
