"""Chains of manifests."""

from __future__ import annotations

import msgspec
import pytest

from customer_risk.serving.record.sinks.manifest import (
    Erasure,
    Link,
    Manifest,
    digest,
    encode,
    end_of,
    manifest_key,
    manifests,
)

SEGMENT = "dt=2026-03-04/hour=05/abc-1-2-0123456789abcdef.ndjson.gz"


def made(**changes) -> Manifest:
    """Return a manifest."""
    first = Manifest(n=0, previous="", key=SEGMENT, sha256="s", size=1, records=2, first_at="2026", last_at="2027")
    return msgspec.structs.replace(first, **changes)


def test_a_manifest_is_read_as_it_was_written() -> None:
    """A manifest is read as it was written, with its size as `bytes`."""
    assert Manifest.read(encode(made())) == made()
    assert b'"bytes":1' in encode(made())


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", encode(made())[:-1], encode(made()).replace(b'"n"', b'"m"')])
def test_an_invalid_manifest_is_none(data) -> None:
    """Bytes that aren't a manifest are read as None."""
    assert Manifest.read(data) is None


@pytest.mark.parametrize("key", ["../x", "manifest/a/00000000.json", f"x{SEGMENT}", SEGMENT.replace(".nd", "/../.nd")])
def test_a_manifest_names_only_segments(key) -> None:
    """A manifest with a key that isn't a segment's is read as None."""
    assert Manifest.read(encode(made(key=key))) is None


def test_an_erasure_names_only_segments() -> None:
    """An erasure with a key that isn't a segment's is read as None."""
    names = dict.fromkeys(("id", "at", "by", "why", "legal_basis", "customer"), "")
    each = {"old_key": "manifest/x/00000000.json", "old_sha256": "", "new_key": SEGMENT, "new_sha256": ""}
    assert Erasure.read(encode(names | {"replaced": [each]})) is None
    assert Erasure.read(encode(names | {"replaced": [each | {"old_key": SEGMENT}]})) is not None


@pytest.mark.parametrize("length", [0, 1, 2, 3, 7, 8, 9, 100])
def test_the_end_of_a_chain_is_found(stored, length) -> None:
    """The end of a chain of any length is found."""
    for n in range(length):
        stored.create(manifest_key("a", n), b"%d" % n)
    assert end_of(stored, "a") == (Link(length, digest(b"%d" % (length - 1))) if length else Link())


def test_each_shipper_has_its_own_chain(stored) -> None:
    """Each shipper's chain has its own end."""
    stored.create(manifest_key("a", 0), b"x")
    assert end_of(stored, "b") == Link()


def test_manifests_are_yielded_by_chain(stored) -> None:
    """Manifests are yielded in order, with None for invalid ones."""
    for key in (manifest_key("b", 0), manifest_key("a", 1), manifest_key("a", 0)):
        stored.create(key, encode(made()) if "b" in key else b"?")
    assert [(key, manifest is None) for key, manifest, _ in manifests(stored)] == [
        (manifest_key("a", 0), True),
        (manifest_key("a", 1), True),
        (manifest_key("b", 0), False),
    ]
