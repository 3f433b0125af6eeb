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
    """A manifest."""
    first = Manifest(n=0, previous="", key=SEGMENT, sha256="s", size=1, records=2, first_at="2026", last_at="2027")
    return msgspec.structs.replace(first, **changes)


def test_a_manifest_is_read_as_it_was_written() -> None:
    """Its size goes by the name of bytes."""
    assert Manifest.read(encode(made())) == made()
    assert b'"bytes":1' in encode(made())


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", encode(made())[:-1], encode(made()).replace(b'"n"', b'"m"')])
def test_what_is_no_manifest_is_none(data) -> None:
    """However it came about."""
    assert Manifest.read(data) is None


@pytest.mark.parametrize("key", ["../x", "manifest/a/00000000.json", f"x{SEGMENT}", SEGMENT.replace(".nd", "/../.nd")])
def test_a_manifest_names_nothing_but_segments(key) -> None:
    """A forged one can't lead elsewhere."""
    assert Manifest.read(encode(made(key=key))) is None


def test_an_erasure_names_nothing_but_segments() -> None:
    """A forged one can't have anything else deleted."""
    names = dict.fromkeys(("id", "at", "by", "why", "legal_basis", "customer"), "")
    each = {"old_key": "manifest/x/00000000.json", "old_sha256": "", "new_key": SEGMENT, "new_sha256": ""}
    assert Erasure.read(encode(names | {"replaced": [each]})) is None
    assert Erasure.read(encode(names | {"replaced": [each | {"old_key": SEGMENT}]})) is not None


@pytest.mark.parametrize("length", [0, 1, 2, 3, 7, 8, 9, 100])
def test_the_end_is_found(stored, length) -> None:
    """Of a chain of any length."""
    for n in range(length):
        stored.create(manifest_key("a", n), b"%d" % n)
    assert end_of(stored, "a") == (Link(length, digest(b"%d" % (length - 1))) if length else Link())


def test_each_shipper_has_its_own_chain(stored) -> None:
    """One's end says nothing of another's."""
    stored.create(manifest_key("a", 0), b"x")
    assert end_of(stored, "b") == Link()


def test_manifests_are_given_chain_by_chain(stored) -> None:
    """In order, what is no manifest included."""
    for key in (manifest_key("b", 0), manifest_key("a", 1), manifest_key("a", 0)):
        stored.create(key, encode(made()) if "b" in key else b"?")
    assert [(key, manifest is None) for key, manifest, _ in manifests(stored)] == [
        (manifest_key("a", 0), True),
        (manifest_key("a", 1), True),
        (manifest_key("b", 0), False),
    ]
