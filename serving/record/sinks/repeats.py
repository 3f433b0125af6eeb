"""Finds records that are stored twice."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

_ID: Final = "decision_id"
_MOST_NAMED: Final = 100
_Documents = Sequence[Mapping[str, Any]]


class Repeats:
    """8 bytes each, and finds those that occur more than once."""

    def __init__(self) -> None:
        self._keys: list[str] = []
        self._hashes = bytearray()  # the first 8 bytes of each id's SHA-256: equal ones are compared again
        self._counts: list[int] = []

    def add(self, key: str, documents: _Documents) -> None:
        """Note a segment's records."""
        self._keys.append(key)
        self._counts.append(len(documents))
        for each in documents:
            self._hashes += hashlib.sha256(str(each.get(_ID)).encode()).digest()[:8]

    def find(self, read: Callable[[str], _Documents]) -> Iterator[str]:
        """Yield a problem for each record that is stored twice, at most 100; `read` returns a segment's documents."""
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
            for each in read(key):
                record_id = str(each.get(_ID))
                if int(np.frombuffer(hashlib.sha256(record_id.encode()).digest()[:8], np.uint64)[0]) in suspects:
                    found[record_id][key] += 1
        repeated = {record_id: keys for record_id, keys in found.items() if keys.total() > 1}
        for record_id in sorted(repeated)[:_MOST_NAMED]:
            keys = sorted(repeated[record_id])
            times = repeated[record_id].total()
            yield f"{keys[0]}: the record {record_id} is stored {times} times: in {', '.join(keys)}."
        if len(repeated) > _MOST_NAMED:
            yield f"{len(repeated) - _MOST_NAMED} more records are stored more than once."
