"""Verifies stored records by their chains of manifests, and erasures by the chain of erasures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from customer_risk.serving.record.sinks.batch import as_batch
from customer_risk.serving.record.sinks.codecs import SegmentUnreadable
from customer_risk.serving.record.sinks.duplicates import DuplicateFinder
from customer_risk.serving.record.sinks.factory import Forms
from customer_risk.serving.record.sinks.manifest import (
    ERASURES,
    MANIFESTS,
    SEGMENTS,
    Erasure,
    Link,
    Manifest,
    Replaced,
    StoredErasure,
    digest,
    erasure_key,
    erasures,
    in_force,
    manifest_key,
    manifests,
    number_of,
)
from customer_risk.serving.record.sinks.objects import Objects, fetch
from customer_risk.serving.record.sinks.proof import SALTS, Salts, prove, salts_key

# The errors that reading hostile content as records may raise.
_NOT_RECORDS: Final = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
_KEY: Final = re.compile(rf"{MANIFESTS}(\w+)/(\d{{8,}})\.json")


class Head(NamedTuple):
    """A chain's end, from an anchor.

    chain   a shipper's identity, or ERASURES
    link    the number of the next manifest or erasure, and the hash of the last one
    noted   time and place of the anchor, for messages
    """

    chain: str
    link: Link
    noted: str


@dataclass(frozen=True)
class Report:
    """The result of a verification: a sentence for each problem, which begins with the object's key, and counts.

    segments, records   segments that manifests name, and their records
    erased              segments that erasures replaced
    unproven            of `erased`, those whose manifest has no proof: the values of their records are not compared
    erasures            valid erasures
    unchained           of `erasures`, those from before the chain: nothing proves that they are genuine
    heads               anchored ends that are in the chains
    """

    problems: tuple[str, ...]
    segments: int
    records: int
    erased: int
    unproven: int = 0
    erasures: int = 0
    unchained: int = 0
    heads: int = 0

    @property
    def ok(self) -> bool:
        """Whether there is no problem."""
        return not self.problems


def verify(objects: Objects, *, ends: Mapping[str, Link] | None = None, heads: Iterable[Head] = ()) -> Report:
    """Compare every segment with the manifest that names it, and every manifest and erasure with the one before it.

    A segment that an erasure wrote is compared with the proof in its manifest: only the erased person's fields may
    differ from the first version. `ends` has the end of each shipper's chain by its own progress; `heads` are anchors.
    Both show that a chain's end is missing; `heads` also show that a chain was rewritten.
    """
    return _Verification(objects, heads).run(ends or {})


class _Expected(NamedTuple):
    """The expected content of a stored segment.

    sha256     hash of its bytes
    manifest   the manifest that names its first version
    replaced   the erasures that replaced its earlier versions, by number; empty for the first version
    """

    sha256: str
    manifest: Manifest
    replaced: Mapping[int, Erasure]


class _Verification:
    def __init__(self, objects: Objects, heads: Iterable[Head]) -> None:
        self._objects = objects
        self._forms = Forms()
        self._heads: dict[tuple[str, int], list[Head]] = {}
        for head in heads:
            self._heads.setdefault((head.chain, head.link.n), []).append(head)
        self._found = 0
        self._erasures: list[StoredErasure] = []
        self._replaced: dict[str, tuple[Replaced, Erasure]] = {}
        self._ends: dict[str, Link] = {}
        self._named: set[str] = set()
        self._present: set[str] = set()
        self._salted: set[str] = set()
        self._expected: dict[str, _Expected] = {}
        self._unproven = 0
        self._repeats = DuplicateFinder()

    def run(self, ends: Mapping[str, Link]) -> Report:
        # List segments before manifests: otherwise a segment that is written meanwhile would seem to have no manifest.
        self._present.update(self._objects.list(SEGMENTS))
        self._erasures = erasures(self._objects)
        problems = [*self._read_erasures(), *self._follow_chains(), *self._compare_ends(ends), *self._compare_heads()]
        self._salted.update(self._objects.list(SALTS))
        problems += [*self._read_segments(), *self._find_salts(), *self._repeats.find(self._ids)]
        problems += [
            f"{key}: no manifest names it: it was added, or its shipper ended before it wrote the manifest."
            for key in sorted(self._present - self._named)
        ]
        problems += [
            f"{key}: an erasure replaced it, but no manifest names it."
            for key in sorted(self._replaced.keys() - self._named)
        ]
        records = sum(each.manifest.records for each in self._expected.values())
        erased = sum(bool(each.replaced) for each in self._expected.values())
        counted = in_force(self._erasures)
        return Report(
            tuple(problems),
            len(self._expected),
            records,
            erased,
            unproven=self._unproven,
            erasures=len(counted),
            unchained=sum(each.n < 0 for _, each in counted),
            heads=self._found,
        )

    def _read_erasures(self) -> Iterator[str]:
        yield from self._follow_erasures()
        counted = in_force(self._erasures)
        keys = {key for key, _ in counted}
        for stored in self._erasures:
            if stored.erasure is not None and stored.key not in keys:
                yield f"{stored.key}: it isn't in the chain of erasures: it was altered or added."
        for key, erasure in counted:
            for each in erasure.replaced:
                if each.old_key in self._replaced:
                    yield f"{key}: it replaces {each.old_key}, which another erasure replaced."
                self._replaced[each.old_key] = (each, erasure)

    def _follow_erasures(self) -> Iterator[str]:
        link = Link()
        for key, erasure, data in self._erasures:
            if erasure is None:
                yield f"{key}: it is not a valid erasure: it was altered or added."
            n = number_of(key)
            if n is None:
                if erasure is not None and erasure.n >= 0:
                    yield f"{key}: it has a number in the chain, but another key: it was added."
                continue
            if n != link.n:
                yield f"{erasure_key(link.n)}: it is missing, with all up to {key}."
            if erasure is not None:
                if erasure.n != n or (n == link.n and erasure.previous != link.previous):
                    yield f"{key}: it doesn't follow the erasure before: one of the two was altered."
                if n == 0:
                    present = {each.key for each in self._erasures}
                    for missing in sorted(erasure.earlier.keys() - present):
                        yield f"{missing}: it is missing: {key} names it."
            link = Link(n + 1, digest(data))
            yield from self._note_end(ERASURES, link, key)
        self._ends[ERASURES] = link

    def _follow_chains(self) -> Iterator[str]:
        for key, manifest, data in manifests(self._objects):
            parts = _KEY.fullmatch(key)
            if parts is None:
                yield f"{key}: it isn't in a chain: it was added."
                continue
            shipper, n = parts[1], int(parts[2])
            link = self._ends.get(shipper, Link())
            self._ends[shipper] = Link(n + 1, digest(data))
            yield from self._note_end(shipper, self._ends[shipper], key)
            if n != link.n:
                yield f"{manifest_key(shipper, link.n)}: it is missing, with all up to {key}."
            if manifest is None:
                yield f"{key}: it is not a valid manifest: it was altered or added."
                continue
            if manifest.n != n or (n == link.n and manifest.previous != link.previous):
                yield f"{key}: it doesn't follow the manifest before: one of the two was altered."
            yield from self._expect(manifest)

    def _note_end(self, chain: str, link: Link, key: str) -> Iterator[str]:
        """Compare a chain up to a manifest or an erasure with the heads in anchors."""
        for head in self._heads.pop((chain, link.n), ()):
            self._found += 1
            if head.link.previous != link.previous:
                yield f"{key}: it differs from the anchor of {head.noted}: the chain was altered up to here."

    def _compare_heads(self) -> Iterator[str]:
        for (chain, n), heads in self._heads.items():
            if n:
                key = erasure_key(n - 1) if chain == ERASURES else manifest_key(chain, n - 1)
                yield f"{key}: it is missing: the anchor of {heads[0].noted} has it."

    def _expect(self, manifest: Manifest) -> Iterator[str]:
        """Note the expected content of a manifest's segment, or of the segment that replaced it."""
        if manifest.key in self._named:
            yield f"{manifest.key}: two manifests name it."
            return
        key, sha256 = manifest.key, manifest.sha256
        path: dict[int, Erasure] = {}
        while key not in self._named and (found := self._replaced.get(key)) is not None:
            replaced, erasure = found
            self._named.add(key)
            if replaced.old_sha256 != sha256:
                yield f"{key}: it had been altered before an erasure replaced it."
            if key in self._present:
                yield f"{key}: an erasure replaced it, but it still exists: erase again to complete the erasure."
            if erasure.n < 0 and manifest.proof:
                yield f"{key}: an erasure outside the chain of erasures replaced it: the erasure was added."
            key, sha256 = replaced.new_key, replaced.new_sha256
            path[erasure.n] = erasure
        self._named.add(key)
        self._expected[key] = _Expected(sha256, manifest, path)

    def _read_segments(self) -> Iterator[str]:
        for key, data in fetch(self._objects, self._expected):
            expected = self._expected[key]
            if data is None:
                yield f"{key}: it is missing."
                continue
            if digest(data) != expected.sha256:
                yield f"{key}: it was altered."
                continue
            try:
                self._repeats.add(key, self._forms.ids(key, data))
                documents = self._forms.decode(key, data) if expected.replaced else ()
            except SegmentUnreadable as error:
                if expected.replaced:
                    yield f"{key}: an erasure left a segment that can't be read: {error.problem}"
                else:
                    yield f"{key}: it can't be read, but was not altered since it was written."
                continue
            if expected.replaced:
                yield from self._compare_erased(key, data, documents, expected)

    def _compare_erased(
        self, key: str, data: bytes, documents: Sequence[dict[str, Any]], expected: _Expected
    ) -> Iterator[str]:
        """Compare a segment that an erasure wrote with the manifest of its first version."""
        if len(documents) != expected.manifest.records:
            yield f"{key}: an erasure left {len(documents)} of {expected.manifest.records} records."
            return
        if not expected.manifest.proof:
            self._unproven += 1
        try:
            self._forms.check_exact(key, data, documents)
            if not self._is_proven(key, documents, expected):
                yield f"{key}: an erasure changed more than the erased person's data, or {salts_key(key)} was altered."
        except _NOT_RECORDS as error:
            yield f"{key}: an erasure changed more than the erased person's data: {error}."

    def _is_proven(self, key: str, documents: Sequence[dict[str, Any]], expected: _Expected) -> bool:
        """Return whether documents have the manifest's proof, if any; raises _NOT_RECORDS if they aren't records."""
        batch = as_batch(documents)
        if not expected.manifest.proof or salts_key(key) not in self._salted:  # `_find_salts` reports missing salts
            return True
        salts = Salts.read(self._objects.get(salts_key(key)) or b"")
        customers = {n: erasure.customer for n, erasure in expected.replaced.items()}
        return salts is not None and prove(batch, salts, customers) == expected.manifest.proof

    def _find_salts(self) -> Iterator[str]:
        """Yield a problem for salts that are missing, and for salts that an erasure should have deleted."""
        for key, expected in self._expected.items():
            if expected.manifest.proof and key in self._present and salts_key(key) not in self._salted:
                yield f"{salts_key(key)}: it is missing: a later erasure in {key} can't be verified."
        for key in self._replaced:
            if salts_key(key) in self._salted:
                yield f"{salts_key(key)}: an erasure replaced its segment: erase again to complete the erasure."

    def _ids(self, key: str) -> list[str]:
        return self._forms.ids(key, self._objects.get(key) or b"")

    def _compare_ends(self, ends: Mapping[str, Link]) -> Iterator[str]:
        for shipper, end in ends.items():
            found = self._ends.get(shipper, Link())
            if found.n < end.n or (found.n == end.n and found.previous != end.previous):
                yield f"{manifest_key(shipper, found.n)}: it is missing, or altered before: the chain ended at {end.n}."
