"""Finds records that are stored twice."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

_MOST_NAMED: Final = 100


class DuplicateFinder:
    """Finds records that are stored more than once; needs 8 bytes of memory for each record."""

    def __init__(self) -> None:
        self._keys: list[str] = []
        self._hashes = bytearray()  # the first 8 bytes of each id's SHA-256; ids with equal ones are compared
        self._counts: list[int] = []

    def add(self, key: str, ids: Sequence[str]) -> None:
        """Add the ids of a segment's records."""
        self._keys.append(key)
        self._counts.append(len(ids))
        for each in ids:
            self._hashes += _hash(each)

    def find(self, read: Callable[[str], Sequence[str]]) -> Iterator[str]:
        """Yield a sentence for each of at most 100 records that are stored twice; `read` returns a segment's ids."""
        hashes = np.frombuffer(self._hashes, np.uint64)
        order = np.argsort(hashes, kind="stable")
        ordered = hashes[order]
        same = ordered[1:] == ordered[:-1]
        if not same.any():
            return
        suspects = set(ordered[1:][same].tolist())
        places = np.union1d(order[1:][same], order[:-1][same])
        segments = np.unique(np.searchsorted(np.cumsum(self._counts), places, side="right"))
        found: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for key in (self._keys[number] for number in segments.tolist()):
            for record_id in read(key):
                if int(np.frombuffer(_hash(record_id), np.uint64)[0]) in suspects:
                    found[record_id][key] += 1
        repeated = {record_id: keys for record_id, keys in found.items() if keys.total() > 1}
        for record_id in sorted(repeated)[:_MOST_NAMED]:
            keys = sorted(repeated[record_id])
            times = repeated[record_id].total()
            yield f"{keys[0]}: the record {record_id} is stored {times} times: in {', '.join(keys)}."
        if len(repeated) > _MOST_NAMED:
            yield f"{len(repeated) - _MOST_NAMED} more records are stored more than once."


def _hash(record_id: str) -> bytes:
    return hashlib.sha256(record_id.encode()).digest()[:8]
