"""Verifies stored records against their chains of manifests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from customer_risk.serving.record.sinks.codecs import SegmentUnreadable
from customer_risk.serving.record.sinks.factory import Forms
from customer_risk.serving.record.sinks.manifest import (
    MANIFESTS,
    SEGMENTS,
    Link,
    Manifest,
    Replaced,
    digest,
    erasures,
    manifest_key,
    manifests,
)
from customer_risk.serving.record.sinks.objects import Objects
from customer_risk.serving.record.sinks.parallel_reads import fetch

_KEY: Final = re.compile(rf"{MANIFESTS}(\w+)/(\d{{8,}})\.json")


@dataclass(frozen=True)
class Report:
    """What verification found: each problem a sentence that begins with the object's key, and what was counted."""

    problems: tuple[str, ...]
    segments: int
    records: int
    erased: int  # segments in whose place others stand

    @property
    def ok(self) -> bool:
        """Return whether nothing was found."""
        return not self.problems


def verify(objects: Objects, *, ends: Mapping[str, Link] | None = None) -> Report:
    """Hold every segment against the manifest that names it, every manifest against the one before.

    What is missing from a chain's end can be told only by `ends`: where each shipper believes its own to be.
    """
    return _Verification(objects).run(ends or {})


class _Expected(NamedTuple):
    sha256: str
    records: int
    erased: bool


class _Verification:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._forms = Forms()
        self._replaced: dict[str, Replaced] = {}
        self._ends: dict[str, Link] = {}
        self._named: set[str] = set()
        self._present: set[str] = set()
        self._expected: dict[str, _Expected] = {}

    def run(self, ends: Mapping[str, Link]) -> Report:
        # Before the manifests: a segment that is written meanwhile isn't taken for one that nobody names.
        self._present.update(self._objects.list(SEGMENTS))
        problems = [*self._read_erasures(), *self._follow_chains(), *self._compare_ends(ends), *self._read_segments()]
        problems += [
            f"{key}: no manifest names it: it was added, or its shipper ended before naming it."
            for key in sorted(self._present - self._named)
        ]
        problems += [
            f"{key}: an erasure replaced it, but no manifest names it."
            for key in sorted(self._replaced.keys() - self._named)
        ]
        records = sum(each.records for each in self._expected.values())
        erased = sum(each.erased for each in self._expected.values())
        return Report(tuple(problems), len(self._expected), records, erased)

    def _read_erasures(self) -> Iterator[str]:
        for key, erasure in erasures(self._objects):
            if erasure is None:
                yield f"{key}: it is no erasure's record: it was altered or added."
                continue
            for each in erasure.replaced:
                if each.old_key in self._replaced:
                    yield f"{key}: it replaces {each.old_key}, which another erasure replaced."
                self._replaced[each.old_key] = each

    def _follow_chains(self) -> Iterator[str]:
        for key, manifest, data in manifests(self._objects):
            parts = _KEY.fullmatch(key)
            if parts is None:
                yield f"{key}: it is of no chain: it was added."
                continue
            shipper, n = parts[1], int(parts[2])
            link = self._ends.get(shipper, Link())
            self._ends[shipper] = Link(n + 1, digest(data))
            if n != link.n:
                yield f"{manifest_key(shipper, link.n)}: it is missing, with all up to {key}."
            if manifest is None:
                yield f"{key}: it is no manifest: it was altered or added."
                continue
            if manifest.n != n or (n == link.n and manifest.previous != link.previous):
                yield f"{key}: it doesn't follow the manifest before: one of the two was altered."
            yield from self._expect(manifest)

    def _expect(self, manifest: Manifest) -> Iterator[str]:
        """Note what a manifest's segment must be, or the one that stands in its place."""
        if manifest.key in self._named:
            yield f"{manifest.key}: two manifests name it."
            return
        key, sha256, erased = manifest.key, manifest.sha256, False
        while key not in self._named and (replaced := self._replaced.get(key)) is not None:
            self._named.add(key)
            if replaced.old_sha256 != sha256:
                yield f"{key}: it had been altered before an erasure replaced it."
            if key in self._present:
                yield f"{key}: an erasure replaced it, but it is still there: erase again to end what was begun."
            key, sha256, erased = replaced.new_key, replaced.new_sha256, True
        self._named.add(key)
        self._expected[key] = _Expected(sha256, manifest.records, erased)

    def _read_segments(self) -> Iterator[str]:
        for key, data in fetch(self._objects, self._expected):
            expected = self._expected[key]
            if data is None:
                yield f"{key}: it is missing."
            elif digest(data) != expected.sha256:
                yield f"{key}: it was altered."
            elif expected.erased and self._count(key, data) != expected.records:
                yield f"{key}: an erasure wrote it with other than {expected.records} records."

    def _count(self, key: str, data: bytes) -> int:
        try:
            return len(self._forms.decode(key, data))
        except SegmentUnreadable:
            return -1

    def _compare_ends(self, ends: Mapping[str, Link]) -> Iterator[str]:
        for shipper, end in ends.items():
            found = self._ends.get(shipper, Link())
            if found.n < end.n or (found.n == end.n and found.previous != end.previous):
                yield f"{manifest_key(shipper, found.n)}: it is missing, or altered before: the chain ended at {end.n}."
